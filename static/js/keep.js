// Keeps the unsaved edit and the open step form: in this browser within half a second, on the
// server as soon as it answers. Each load of the page keeps under a name of its own, so that two
// tabs never overwrite each other.
(() => {
  const store = {
    get(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
    set(key, value) {
      try { localStorage.setItem(key, JSON.stringify(value)); return true; } catch { return false; }
    },
    drop(key) { try { localStorage.removeItem(key); } catch { /* nothing was kept */ } },
    keys() { try { return Object.keys(localStorage); } catch { return []; } },
  };
  const random = () => [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("");

  const LOCAL_MS = 400;
  const SERVER_MS = 700;
  const PING_MS = 15_000;

  // read() gives {code, form, seconds}; tell(state, text) shows a word; met({head, others}) hears
  // what the server says. `head` is the code of the revision that the edit began from.
  window.t2jKeep = ({ draft, base, head, url, read, tell, met }) => {
    const plain = `t2j-edit-${draft}`;
    const tab = random();
    const key = `${plain}-${tab}`;
    let replaces = "";
    let local = true;
    let onServer = null;
    let trouble = "";
    let wait = 0;
    let sending = false;
    let again = false;

    const dirty = (now) => now.code !== head;
    const bodyOf = (now) => ({
      tab, base: Number(base), replaces, seconds: now.seconds,
      code: dirty(now) ? now.code : null, form: dirty(now) ? now.form : {},
    });
    const textOf = (now) => JSON.stringify([now.code, now.form]);

    const say = () => {
      const now = read();
      if (!dirty(now)) { tell("clean", `As revision ${base}`); return; }
      const server = onServer === textOf(now);
      if (local && server) tell("kept", "Unsaved step, kept in this browser and on the server");
      else if (local) tell("kept", `Unsaved step, kept in this browser${trouble}`);
      else if (server) tell("kept", "Unsaved step, kept on the server");
      else tell("dirty", `Unsaved step, not kept yet${trouble}`);
    };

    const keepLocal = () => {
      const now = read();
      if (dirty(now)) local = store.set(key, { base, code: now.code, form: now.form, seconds: now.seconds, at: Date.now() });
      else { store.drop(key); local = true; }
      say();
    };

    const later = () => {
      wait = Math.min(wait ? wait * 2 : 2000, 15_000);
      setTimeout(send, wait);
    };
    const send = async () => {
      if (sending) { again = true; return; }
      sending = true;
      const now = read();
      try {
        const answer = await fetch(url, {
          method: "POST",
          headers: { "Content-Type": "application/json", "X-CSRFToken": t2jCookie("csrftoken") || "" },
          body: JSON.stringify(bodyOf(now)),
          redirect: "manual",
        });
        if (answer.type === "opaqueredirect" || answer.status === 403) {
          trouble = "; you were signed out: sign in in another tab";
          later();
        } else if (answer.status === 404) {
          trouble = "; this draft was deleted, or you may not see it any more: copy what you need";
          later();
        } else if (!answer.ok) {
          trouble = "; the server could not keep it and is asked again";
          later();
        } else {
          onServer = textOf(now);
          trouble = "";
          wait = 0;
          replaces = "";
          met(await answer.json());
        }
      } catch {
        trouble = "; the server cannot be reached and is asked again";
        later();
      }
      sending = false;
      say();
      if (again) { again = false; send(); }
    };

    let localTimer = null;
    let serverTimer = null;
    // Throttled, not put off by the next key: who types without a pause is kept, too.
    const changed = () => {
      localTimer ??= setTimeout(() => { localTimer = null; keepLocal(); }, LOCAL_MS);
      serverTimer ??= setTimeout(() => { serverTimer = null; send(); }, SERVER_MS);
    };
    setInterval(() => { if (document.visibilityState === "visible") send(); }, PING_MS);
    window.addEventListener("online", send);
    const flush = () => {
      keepLocal();
      const now = read();
      if (onServer === textOf(now)) return;
      fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": t2jCookie("csrftoken") || "" },
        body: JSON.stringify(bodyOf(now)),
        redirect: "manual",
        keepalive: true,
      }).catch(() => {});
    };
    window.addEventListener("pagehide", flush);
    window.addEventListener("beforeunload", (event) => {
      keepLocal();
      const now = read();
      if (dirty(now) && !local && onServer !== textOf(now)) event.preventDefault();
    });

    // Everything unsaved of this draft that this browser or the server knows, the newest first.
    const found = (fromServer) => {
      const edits = new Map(fromServer.map((edit) => [edit.tab, edit]));
      for (const name of store.keys()) {
        if (name !== plain && !name.startsWith(`${plain}-`)) continue;
        const edit = store.get(name);
        const owner = name.slice(plain.length + 1) || "legacy";
        // A browser's own entry is written before the server's copy of it.
        if (edit) edits.set(owner, { ...edit, tab: owner });
      }
      return [...edits.values()].sort((a, b) => b.at - a.at);
    };
    const forget = (edit) => {
      store.drop(edit.tab === "legacy" ? plain : `${plain}-${edit.tab}`);
      const body = new URLSearchParams({ tab: edit.tab, csrfmiddlewaretoken: t2jCookie("csrftoken") || "" });
      fetch(`${url}drop/`, { method: "POST", body, redirect: "manual", keepalive: true }).catch(() => {});
    };
    // What stands in the editor now came from there: kept under this tab's name first.
    const takeOver = (edit) => {
      keepLocal();
      if (local) store.drop(edit.tab === "legacy" ? plain : `${plain}-${edit.tab}`);
      replaces = edit.tab;
      send();
    };
    return { tab, changed, flush, found, forget, takeOver, start() { keepLocal(); send(); } };
  };
})();
