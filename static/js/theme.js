// Runs before the first paint, so that a remembered theme does not flash.
(() => {
  const root = document.documentElement;
  const chosen = window.t2jFollow("theme");
  const read = () => chosen.text() || "auto";
  const apply = (theme) => {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
  };
  apply(read());

  const dark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const announce = () => document.dispatchEvent(new CustomEvent("t2j:theme", { detail: { dark: dark() } }));
  window.t2jDark = dark;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", announce);

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    const order = ["auto", "light", "dark"];
    const words = { auto: "as the system", light: "light", dark: "dark" };
    const show = (theme) => {
      button.setAttribute("aria-label", `Theme: ${words[theme]}. Change`);
      button.title = `Theme: ${words[theme]}`;
      for (const icon of button.querySelectorAll("[data-theme-icon]")) {
        icon.toggleAttribute("hidden", icon.dataset.themeIcon !== theme);
      }
    };
    button.hidden = false;
    show(read());
    button.addEventListener("click", () => {
      const theme = order[(order.indexOf(read()) + 1) % order.length];
      chosen.keep(theme);
      apply(theme);
      show(theme);
      announce();
    });
  });
})();
