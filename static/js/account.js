// What follows a person to every browser. This browser's own answer is there before the account's
// and without it; of the two the newer one counts, and the older side is told.
(() => {
  const parse = (text) => { try { return JSON.parse(text); } catch { return null; } };
  const store = {
    get(key) { try { return localStorage.getItem(key); } catch { return null; } },
    set(key, text) { try { localStorage.setItem(key, text); } catch { /* it lasts this page */ } },
  };
  const account = parse(document.documentElement.dataset.account || "null");
  // For all scripts: this one is there first.
  window.t2jCookie = (name) =>
    document.cookie.split("; ").find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);

  // text() is what was chosen, null when nothing was; keep(text) chooses.
  window.t2jFollow = (name) => {
    const key = `t2j-${name}`;
    const stampKey = `${key}-at`;
    let text = store.get(key);
    const stamp = parse(store.get(stampKey)) || {};
    // Chosen before there were stamps, it is older than any choice that has one.
    let at = stamp.at || (text === null ? 0 : 1);

    const here = () => {
      store.set(key, text);
      store.set(stampKey, JSON.stringify({ at, who: account?.who ?? stamp.who }));
    };
    const tell = () => {
      if (!account) return;
      fetch(account.url, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": t2jCookie("csrftoken") || "" },
        body: JSON.stringify({ name, text, at }),
        redirect: "manual",
        keepalive: true,
      }).catch(() => { /* the next page tells it */ });
    };

    const there = account?.chosen[name];
    // What another person chose in this browser says nothing about this one.
    const foreign = account && stamp.who !== undefined && stamp.who !== account.who;
    if (foreign && !there) { text = null; at = 0; }
    if (there && (foreign || there.at > at)) { ({ text, at } = there); here(); }
    else if (account && text !== null && at > (there?.at || 0)) tell();

    return {
      text: () => text,
      keep(chosen) { text = chosen; at = Date.now(); here(); tell(); },
    };
  };
})();
