// Runs before the first paint, so that nobody sees the wrong theme or language flash by.
(() => {
  const root = document.documentElement;
  let theme = "system";
  try {
    theme = localStorage.getItem("rillcast.theme") || "system";
    root.lang = localStorage.getItem("rillcast.lang") || root.lang;
  } catch {
    // Storage may be forbidden: the system's choice holds.
  }
  const dark =
    theme === "dark" || (theme !== "light" && !matchMedia("(prefers-color-scheme: light)").matches);
  root.dataset.theme = dark ? "dark" : "light";
})();
