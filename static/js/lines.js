// Lines of code that are chosen by a click on the first and one on the last.
(() => {
  const start = (list) => {
    const first = document.getElementById("id_first_line");
    const last = document.getElementById("id_last_line");
    const hint = document.querySelector("[data-lines-hint]");
    if (!first || !last || list.dataset.ready) return;
    list.dataset.ready = "1";
    if (hint) hint.hidden = false;
    const show = () => {
      const [from, to] = [Number(first.value), Number(last.value)];
      for (const line of list.children) {
        const number = Number(line.dataset.line);
        line.classList.toggle("chosen", Boolean(from) && number >= from && number <= (to || from));
      }
      const chosen = list.querySelector(".chosen");
      if (chosen) list.scrollTop = chosen.offsetTop - list.offsetTop - 40;
    };
    let fresh = true;
    list.addEventListener("click", (event) => {
      const line = event.target.closest("[data-line]");
      if (!line) return;
      const number = Number(line.dataset.line);
      if (fresh || number < Number(first.value)) { first.value = number; last.value = number; fresh = false; }
      else { last.value = number; fresh = true; }
      first.dispatchEvent(new Event("input", { bubbles: true }));
    });
    for (const field of [first, last]) field.addEventListener("input", show);
    list.closest("details")?.addEventListener("toggle", show);
    show();
  };
  const startAll = (root) => { for (const list of root.querySelectorAll?.("[data-lines]") ?? []) start(list); };
  document.addEventListener("htmx:load", (event) => startAll(event.detail.elt));
  startAll(document);
})();
