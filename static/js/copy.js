// Buttons that copy a field's text: [data-copy] names the field's id. Hidden where copying is not allowed.
(() => {
  const ready = () => {
    for (const button of document.querySelectorAll("[data-copy]")) {
      if (!navigator.clipboard) continue;
      button.hidden = false;
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value);
        document.getElementById("announce").textContent = "Copied.";
        button.textContent = "Copied";
      });
    }
  };
  document.addEventListener("DOMContentLoaded", ready);
})();
