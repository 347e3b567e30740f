// Before the first paint, so that nothing flashes: the theme chosen here earlier, else the system's.
try {
  const theme = localStorage.getItem("modiste-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the system's theme it is.
}
