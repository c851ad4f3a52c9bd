// The workbench: Ace over the plain form, live differences, resizable panes, the kept edit.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = $("bench-data").dataset;
  const textarea = $("code");
  const revisions = new Map(
    JSON.parse($("revisions").textContent).map(({ number, code }) => [String(number), code]),
  );
  const referenceCode = $("reference").textContent;
  const store = {
    get(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
    set(key, value) {
      try { localStorage.setItem(key, JSON.stringify(value)); return true; } catch { return false; }
    },
    drop(key) { try { localStorage.removeItem(key); } catch { /* nothing was kept */ } },
  };
  const unix = (text) => text.replace(/\r\n?/g, "\n");
  const headCode = unix(revisions.get(data.base));

  // Editors
  ace.config.set("useStrictCSP", true);
  ace.config.set("basePath", data.ace);
  const theme = () => `ace/theme/${window.t2jDark() ? "github_dark" : "github_light_default"}`;
  const edit = (host, label, readOnly) => {
    const editor = ace.edit(host);
    editor.setOptions({
      mode: "ace/mode/python",
      theme: theme(),
      fontSize: 12.5,
      useWorker: false,
      useSoftTabs: true,
      tabSize: 4,
      showPrintMargin: false,
      scrollPastEnd: 0.3,
      enableKeyboardAccessibility: true,
      textInputAriaLabel: label,
      readOnly,
    });
    return editor;
  };
  const hostFor = (element) => {
    const host = document.createElement("div");
    host.className = "ace-host";
    element.after(host);
    element.hidden = true;
    return host;
  };
  const initial = unix(textarea.value);
  const right = edit(hostFor(textarea), "JAX working copy", false);
  const left = edit(hostFor($("reference")), "PyTorch reference, read only", true);
  right.session.setValue(initial);
  left.session.setValue(unix(referenceCode));
  const referenceSession = left.session;
  document.addEventListener("t2j:theme", () => { left.setTheme(theme()); right.setTheme(theme()); });
  window.t2jEditor = right;

  const code = () => right.getValue();
  const sync = () => { textarea.value = code(); };
  right.session.on("change", () => { sync(); changed(); });

  // The left side is the reference or a revision; how the working copy differs from it is shown
  // not at all, side by side, or inline in the editor.
  const modeKey = "t2j-diff-mode";
  const { createDiffView } = ace.require("ace/ext/diff");
  let shownLeft = "reference";
  let mode = "off";
  let view = null;
  const textOfLeft = () => (shownLeft === "reference" ? unix(referenceCode) : unix(revisions.get(shownLeft)));
  const nameOfLeft = () =>
    ({ reference: "the reference", 0: "the draft" })[shownLeft] ?? `revision ${shownLeft}`;
  const pythonSession = () => ace.createEditSession(textOfLeft(), "ace/mode/python");
  const press = (name, value) => {
    for (const button of document.querySelectorAll(`[data-${name}]`)) {
      button.setAttribute("aria-pressed", String(button.dataset[name] === value));
    }
  };
  const draw = () => {
    if (view) { view.detach(); view = null; }
    left.setSession(shownLeft === "reference" ? referenceSession : pythonSession());
    left.setOption("textInputAriaLabel", shownLeft === "reference" ? "PyTorch reference, read only" : `Revision ${shownLeft}, read only`);
    if (mode === "split") view = createDiffView({ editorA: left, editorB: right });
    if (mode === "inline") view = createDiffView({ sessionA: pythonSession(), editorB: right, inline: "b" });
    if (view) view.onInput();
    press("left", shownLeft);
    press("mode", mode);
    left.setReadOnly(true);
    right.setReadOnly(false);
    left.resize(true);
    right.resize(true);
    countChanges();
  };
  const showLeft = (what) => {
    shownLeft = what;
    mode = what === "reference" ? "off" : mode === "off" ? store.get(modeKey) || "split" : mode;
    draw();
  };
  const showMode = (wanted) => {
    mode = wanted;
    if (mode !== "off") store.set(modeKey, mode);
    draw();
  };
  const countChanges = () => {
    if (!view) { $("changes").textContent = ""; return; }
    const count = view.chunks.length;
    $("changes").textContent = count === 0 ? `Same as ${nameOfLeft()}` : `${count} change${count === 1 ? "" : "s"} against ${nameOfLeft()}`;
  };
  for (const button of document.querySelectorAll("[data-left], [data-mode]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      if (button.dataset.left) showLeft(button.dataset.left);
      else showMode(button.dataset.mode);
    });
  }
  $("modes").hidden = false;
  const select = document.querySelector("[data-left-select]");
  if (select) {
    select.hidden = false;
    select.addEventListener("change", () => { if (select.value) showLeft(select.value); select.value = ""; });
  }
  document.addEventListener("click", (event) => {
    const compare = event.target.closest("[data-compare]");
    if (compare) { event.preventDefault(); showLeft(compare.dataset.compare); $("panes").scrollIntoView(); }
    const line = event.target.closest("[data-go-line]");
    if (line) { right.gotoLine(Number(line.dataset.goLine), 0); right.focus(); }
  });

  // The kept edit and the open step form (keep.js)
  const kept = $("kept");
  kept.hidden = false;
  const tell = (state, text) => {
    if (kept.dataset.state === state && kept.textContent === text) return;
    kept.dataset.state = state;
    kept.textContent = text;
  };
  const openForm = () => {
    const form = $("sheet").querySelector("form[data-step-form]");
    if (!form) return {};
    const fields = Object.fromEntries(new FormData(form));
    for (const name of ["csrfmiddlewaretoken", "code", "tab", "base"]) delete fields[name];
    return fields;
  };
  const met = ({ head, others }) => {
    $("others").textContent = others.join(", ");
    $("others").hidden = others.length === 0;
    $("newer").hidden = String(head) === data.base;
  };
  const keeper = data.copyUrl && window.t2jKeep({
    draft: data.draft,
    base: data.base,
    head: headCode,
    url: data.copyUrl,
    read: () => ({ code: code(), form: openForm(), seconds }),
    tell,
    met,
  });
  if (keeper) $("tab").value = keeper.tab;
  const changed = () => {
    if (keeper) keeper.changed();
    if (code() !== headCode) tell("dirty", "Unsaved step");
    markStale();
    clearError();
    setTimeout(countChanges, 300);
  };
  $("sheet").addEventListener("input", () => keeper?.changed());
  $("sheet").addEventListener("change", () => keeper?.changed());

  const notice = (text, actions) => {
    const item = document.createElement("li");
    item.className = "notice";
    item.setAttribute("role", "status");
    item.append(text);
    const group = document.createElement("span");
    group.className = "actions";
    for (const [label, act] of actions) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "btn small";
      button.textContent = label;
      button.addEventListener("click", () => { act(); item.remove(); });
      group.append(button);
    }
    item.append(group);
    $("messages").append(item);
  };

  // Active seconds: the tab is seen, and something was done within the last minute
  let seconds = 0;
  let lastAct = Date.now();
  for (const kind of ["keydown", "pointerdown", "wheel"]) {
    document.addEventListener(kind, () => { lastAct = Date.now(); }, { passive: true });
  }
  setInterval(() => {
    if (document.visibilityState === "visible" && Date.now() - lastAct < 60_000) seconds += 1;
    $("seconds").value = seconds;
  }, 1000);

  // The verdict: the error's line in the editor, and whether it is about this text
  let marker = null;
  const clearError = () => {
    if (marker !== null) right.session.removeMarker(marker);
    marker = null;
    right.session.clearAnnotations();
  };
  const hash = async (text) => {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  // Web Crypto is there on https and localhost only; elsewhere the text that was run is remembered.
  let ranCode = initial;
  const isStale = async () => {
    const shown = document.querySelector("#verdict [data-code-hash]");
    if (!shown) return false;
    if (!crypto.subtle) return code() !== ranCode;
    const windows = revisions.get(data.base).includes("\r\n");
    return (await hash(windows ? code().replaceAll("\n", "\r\n") : code())) !== shown.dataset.codeHash;
  };
  const markStale = async () => { $("stale").hidden = !(await isStale()); };
  const showVerdict = async () => {
    for (const button of document.querySelectorAll("[data-go-line]")) button.hidden = false;
    await markStale();
    clearError();
    const shown = document.querySelector("#verdict [data-error-line]");
    if (!shown || !$("stale").hidden) return;
    const row = Number(shown.dataset.errorLine) - 1;
    const { Range } = ace.require("ace/range");
    right.session.setAnnotations([{ row, column: 0, type: "error", text: shown.dataset.errorText }]);
    marker = right.session.addMarker(new Range(row, 0, row, Infinity), "ace_error-line", "fullLine", true);
    if (!right.isRowVisible(row)) right.scrollToLine(row, true, true);
  };
  // A fragment that replaced itself is known by what came, not by its old element.
  document.addEventListener("htmx:load", (event) => {
    if (event.detail.elt.closest("#verdict, #ledger")) showVerdict();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "sheet" && !$("sheet").open && $("sheet").childElementCount) {
      $("sheet").showModal();
      const missing = $("sheet").querySelector("#id_fix_info");
      (missing || $("sheet")).focus();
    }
  });
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.elt.id === "run") ranCode = code();
  });
  $("sheet").addEventListener("close", () => { $("sheet").replaceChildren(); right.focus(); });

  // Ace would take Ctrl-Enter for a new line; keys.js hears it first and runs the command.
  for (const editor of [left, right]) {
    for (const keys of ["Ctrl-Enter", "Command-Enter", "Ctrl-K", "Command-K"]) editor.commands.bindKey(keys, null);
  }

  // Panes
  const layoutKey = "t2j-panes";
  const panes = $("panes");
  const layoutHere = store.get(layoutKey);
  const layoutThere = JSON.parse($("layout").textContent);
  const newer = (layoutThere?.at || 0) > (layoutHere?.at || 0) ? layoutThere : layoutHere;
  const layout = Object.assign({ left: 30, right: 28 }, newer);
  let sendingLayout = 0;
  // What cannot be sent now is kept here, and goes with the next change or the next page.
  const sendLayout = () => fetch(data.layoutUrl, {
    method: "POST",
    keepalive: true,
    headers: { "Content-Type": "application/json", "X-CSRFToken": $("work").elements.csrfmiddlewaretoken.value },
    body: JSON.stringify(layout),
  }).catch(() => {});
  if ((layoutHere?.at || 0) > (layoutThere?.at || 0)) sendLayout();
  const applyLayout = () => {
    panes.style.setProperty("--left", `${layout.left}fr`);
    panes.style.setProperty("--mid", `${100 - layout.left - layout.right}fr`);
    panes.style.setProperty("--right", `${layout.right}fr`);
    for (const splitter of document.querySelectorAll("[data-split]")) {
      splitter.setAttribute("aria-valuenow", Math.round(layout[splitter.dataset.split]));
    }
    left.resize();
    right.resize();
  };
  const move = (side, share) => {
    const other = side === "left" ? "right" : "left";
    layout[side] = Math.min(Math.max(share, 15), 75 - layout[other]);
    layout.at = Date.now();
    applyLayout();
    store.set(layoutKey, layout);
    clearTimeout(sendingLayout);
    sendingLayout = setTimeout(sendLayout, 500);
  };
  for (const splitter of document.querySelectorAll("[data-split]")) {
    const side = splitter.dataset.split;
    splitter.hidden = false;
    splitter.addEventListener("pointerdown", (event) => {
      splitter.setPointerCapture(event.pointerId);
      const drag = (moved) => {
        const box = panes.getBoundingClientRect();
        const share = ((moved.clientX - box.left) / box.width) * 100;
        move(side, side === "left" ? share : 100 - share);
      };
      splitter.addEventListener("pointermove", drag);
      splitter.addEventListener("pointerup", () => splitter.removeEventListener("pointermove", drag), { once: true });
    });
    splitter.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
      if (!step) return;
      event.preventDefault();
      move(side, layout[side] + (side === "left" ? step : -step));
    });
    splitter.addEventListener("dblclick", () => { Object.assign(layout, { left: 30, right: 28 }); move(side, layout[side]); });
  }
  applyLayout();
  new ResizeObserver(() => { left.resize(); right.resize(); }).observe(panes);

  // Restore what was typed before the page was left. The browser would scroll the notice away.
  history.scrollRestoration = "manual";
  let refill = null;
  const restore = (edit) => {
    seconds = edit.seconds || 0;
    right.setValue(unix(edit.code), -1);
    right.focus();
    keeper.takeOver(edit);
    if (Object.keys(edit.form || {}).length) {
      refill = edit.form;
      // htmx takes over the button when the page is ready; before that a click would leave the page.
      if (document.readyState === "complete") $("save").click();
      else window.addEventListener("load", () => $("save").click(), { once: true });
    }
  };
  document.addEventListener("htmx:load", (event) => {
    const form = refill && event.detail.elt.closest("#sheet")?.querySelector("form[data-step-form]");
    if (!form) return;
    for (const [name, value] of Object.entries(refill)) {
      const field = form.elements[name];
      if (field && field.type !== "checkbox") { field.value = value; field.dispatchEvent(new Event("change", { bubbles: true })); }
    }
    refill = null;
  });
  const whenOf = (edit) => new Date(edit.at).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  const restoreAll = () => {
    const edits = keeper.found(JSON.parse($("copies").textContent));
    let taken = initial !== headCode;
    for (const edit of edits) {
      const text = unix(edit.code);
      if (text === headCode || edit.tab === data.copyTab) { keeper.forget(edit); continue; }
      if (taken && text === code()) { keeper.forget(edit); continue; }
      const discard = ["Discard it", () => keeper.forget(edit)];
      if (!taken && edit.base === data.base) {
        taken = true;
        restore(edit);
        notice(`Your unsaved edit of ${whenOf(edit)} is back in the editor.`, [["Discard it", () => { right.setValue(headCode, -1); keeper.flush(); }]]);
      } else {
        notice(
          `An unsaved edit of ${whenOf(edit)} began from revision ${edit.base}; the newest is ${data.base}. It is kept.`,
          [["Put it in the editor", () => restore(edit)], discard],
        );
      }
    }
    keeper.start();
  };
  if (keeper) restoreAll();
  showVerdict();
  // The bar and the panes' start move with what is above them; the panes fill the rest.
  document.documentElement.dataset.bench = "ready";
})();
