try {
  const kept = localStorage.getItem("tuner-theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
} catch { /* a page from a file may have no storage */ }
