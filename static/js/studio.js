// Shared behaviour: CSRF for htmx, dialogs, forms that are sent once, words when a request fails.
(() => {
  // The cookie changes with a sign-in in another tab; a form's own token would then be refused.
  document.addEventListener("htmx:configRequest", (event) => {
    const token = t2jCookie("csrftoken") || "";
    event.detail.headers["X-CSRFToken"] = token;
    if (event.detail.verb !== "get") event.detail.parameters.csrfmiddlewaretoken = token;
  });

  const notice = (text, level = "error") => {
    if (document.querySelector("#messages [data-auto]")?.textContent === text) return;
    const item = document.createElement("li");
    item.dataset.auto = "";
    item.className = `notice ${level}`;
    item.setAttribute("role", level === "error" ? "alert" : "status");
    item.textContent = text;
    document.getElementById("messages").replaceChildren(item);
    item.scrollIntoView({ block: "nearest" });
  };
  const signedOut = "You were signed out. What you typed is kept: sign in in another tab, then do this again.";
  const isSignIn = (xhr) =>
    xhr.responseURL && new URL(xhr.responseURL).pathname === document.body.dataset.login;

  // What asks again by itself stops when it cannot get an answer any more.
  const stopAsking = (element, text) => {
    if (element.matches('[hx-trigger^="every"]')) element.replaceChildren(text);
    element.removeAttribute("hx-trigger");
    element.removeAttribute("hx-get");
    element.replaceWith(element.cloneNode(true));
  };

  // htmx swaps nothing on an error status; refusals (409, 422) carry a fragment meant to be shown.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (isSignIn(xhr)) {
      event.detail.shouldSwap = false;
      notice(signedOut);
      if (requestConfig.verb === "get") stopAsking(requestConfig.elt, signedOut);
      return;
    }
    document.querySelector("#messages [data-auto]")?.remove();
    if ([409, 422].includes(xhr.status)) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    if (status === 403) notice(signedOut);
    else if (status === 413) notice("That is larger than the server takes. What you typed is kept.");
    else if (status === 404) {
      notice("This record is gone. What you typed is kept; reload the page.");
      if (event.detail.requestConfig.verb === "get") stopAsking(event.detail.elt, "This run is gone.");
    }
    else notice(`The server could not do this (status ${status}). What you typed is kept; try again.`);
  });
  document.addEventListener("htmx:sendError", () => {
    notice("The server cannot be reached. What you typed is kept in this browser; try again.");
  });

  // A plain form that was sent is not sent a second time by a double click.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    if (form.hasAttribute("data-confirm") && !window.confirm(form.dataset.confirm)) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  document.addEventListener("click", (event) => {
    const closer = event.target.closest("[data-close]");
    if (closer) { closer.closest("dialog")?.close(); event.preventDefault(); }
  });

  // Subcategories belong to their category: the others are hidden while one is chosen.
  const narrow = (category) => {
    const form = category.form;
    const select = form?.querySelector("[data-subcategory]");
    if (!select) return;
    for (const group of select.querySelectorAll("optgroup")) {
      const fits = group.dataset.category === category.value;
      group.hidden = !fits;
      group.disabled = !fits;
    }
    const chosen = select.selectedOptions[0]?.closest("optgroup");
    if (chosen?.disabled) select.value = "";
    select.disabled = !select.querySelector("optgroup:not([disabled])");
  };
  const narrowAll = (root) => root.querySelectorAll?.("[data-category-select]").forEach(narrow);
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-category-select]")) narrow(event.target);
  });
  document.addEventListener("DOMContentLoaded", () => narrowAll(document));
  document.addEventListener("htmx:load", (event) => narrowAll(event.detail.elt));

  // Ctrl-Enter sends the form of a sheet, as it runs the code of the editor.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const form = event.target.closest("dialog[open] form[data-step-form]");
    if (!form) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector("button.primary"));
  });

  // Filters and search apply at once; without JavaScript the button does it.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
  });
})();
