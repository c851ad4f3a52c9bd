// Shortcuts, their sheet (?) and the command palette (Ctrl-K). A command is any element with
// data-command; data-keys is its shortcut, which each person can change. None fires in a field.
(() => {
  const chosen = window.t2jFollow("keys");
  const read = () => {
    try { return JSON.parse(chosen.text()) || {}; } catch { return {}; }
  };
  const write = (map) => chosen.keep(JSON.stringify(map));
  let own = read();

  const commands = () =>
    [...document.querySelectorAll("[data-command]")].map((element) => ({
      element,
      name: element.dataset.command,
      keys: own[element.dataset.command] ?? element.dataset.keys ?? "",
      ready: !element.disabled && !element.hidden && element.getClientRects().length > 0,
    }));
  const pressed = (event) => {
    const parts = [];
    if (event.ctrlKey || event.metaKey) parts.push("Ctrl");
    if (event.altKey) parts.push("Alt");
    // A letter's or a sign's own shift is in the key itself.
    if (event.shiftKey && event.key.length > 1) parts.push("Shift");
    parts.push(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    return parts.join("+");
  };
  const inField = (target) =>
    target instanceof Element && (target.closest("input, textarea, select, [contenteditable]") || target.closest(".ace_editor"));
  const run = (command) => {
    const { element } = command;
    if (element.matches("input, select, textarea")) element.focus();
    else element.click();
  };

  const sheet = document.getElementById("keys");
  const palette = document.getElementById("palette");
  if (!sheet || !palette) return;
  const list = sheet.querySelector("[data-list]");
  const problem = sheet.querySelector("[data-problem]");
  let waiting = null;

  const label = (keys) => keys || "–";
  const drawSheet = () => {
    const seen = new Map();
    for (const command of commands()) if (!seen.has(command.name)) seen.set(command.name, command);
    list.replaceChildren(...[...seen.values()].map((command) => {
      const row = document.createElement("tr");
      const name = document.createElement("th");
      name.scope = "row";
      name.textContent = command.name;
      const cell = document.createElement("td");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "btn small";
      button.textContent = waiting === command.name ? "Press the new keys" : label(command.keys);
      button.setAttribute("aria-label", `Change the shortcut of ${command.name}, now ${command.keys || "none"}`);
      button.addEventListener("click", () => { waiting = command.name; drawSheet(); });
      cell.append(button);
      row.append(name, cell);
      return row;
    }));
    if (waiting) [...list.querySelectorAll("button")].find((b) => b.textContent === "Press the new keys")?.focus();
  };
  const remap = (event) => {
    event.preventDefault();
    event.stopPropagation();
    if (["Control", "Shift", "Alt", "Meta"].includes(event.key)) return;
    const keys = event.key === "Escape" || event.key === "Backspace" ? "" : pressed(event);
    const taken = commands().find((command) => keys && command.keys === keys && command.name !== waiting);
    const fixed = ["?", "Ctrl+k"].includes(keys);
    problem.hidden = !(taken || fixed);
    problem.textContent = taken ? `${keys} is the shortcut of “${taken.name}”.` : `${keys} opens this sheet or the palette.`;
    if (!taken && !fixed) { own = { ...own, [waiting]: keys }; write(own); waiting = null; }
    drawSheet();
  };
  sheet.addEventListener("keydown", (event) => { if (waiting) remap(event); }, true);
  sheet.querySelector("[data-reset]").addEventListener("click", () => { own = {}; write(own); drawSheet(); });
  sheet.addEventListener("close", () => { waiting = null; problem.hidden = true; });

  const input = palette.querySelector("input");
  const options = palette.querySelector("[role=listbox]");
  let shown = [];
  let at = 0;
  const drawPalette = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const names = new Set();
    shown = commands().filter((command) => {
      const fits = words.every((word) => command.name.toLowerCase().includes(word));
      if (!command.ready || !fits || names.has(command.name)) return false;
      names.add(command.name);
      return true;
    });
    at = Math.max(0, Math.min(at, shown.length - 1));
    options.replaceChildren(...shown.map((command, index) => {
      const option = document.createElement("li");
      option.id = `command-${index}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", String(index === at));
      option.append(command.name);
      if (command.keys) {
        const keys = document.createElement("kbd");
        keys.textContent = command.keys;
        option.append(keys);
      }
      option.addEventListener("click", () => choose(index));
      return option;
    }));
    input.setAttribute("aria-activedescendant", shown.length ? `command-${at}` : "");
    options.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  };
  const choose = (index) => {
    const command = shown[index];
    palette.close();
    if (command) run(command);
  };
  input.addEventListener("input", () => { at = 0; drawPalette(); });
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { event.preventDefault(); at += step; drawPalette(); }
    if (event.key === "Enter") { event.preventDefault(); choose(at); }
  });

  const openSheet = () => { drawSheet(); sheet.showModal(); };
  const openPalette = () => { input.value = ""; at = 0; palette.showModal(); drawPalette(); input.focus(); };
  for (const button of document.querySelectorAll("[data-open-keys]")) {
    button.hidden = false;
    button.addEventListener("click", openSheet);
  }
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const keys = pressed(event);
    if (keys === "Ctrl+k") { event.preventDefault(); openPalette(); return; }
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (plain && inField(event.target)) return;
    if (keys === "?") { event.preventDefault(); openSheet(); return; }
    const command = commands().find((each) => each.keys === keys && each.ready);
    if (!command) return;
    event.preventDefault();
    run(command);
  }, true);
})();
