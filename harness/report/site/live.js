"use strict";
// Keeps a page up to date: asks for it again every two seconds, and replaces what changed. Ticked
// boxes stay ticked, and what is being used is left alone.
(() => {
  const EVERY_MS = 2000;
  const part = () => document.getElementById("live");
  const state = document.getElementById("live-state");
  const refresh = async () => {
    if (document.hidden || part().contains(document.activeElement) && document.activeElement.matches("select, input:not([type=checkbox])")) return;
    try {
      const answer = await fetch(location.href, { signal: AbortSignal.timeout(10000) });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      state.textContent = "";
      const now = part();
      if (!fresh || fresh.innerHTML === now.dataset.seen) return;
      const ticked = new Set([...now.querySelectorAll("input:checked")].map((box) => box.value));
      const focused = now.contains(document.activeElement) ? document.activeElement : null;
      const again = focused && (focused.value ? `input[value="${CSS.escape(focused.value)}"]` : `a[href="${CSS.escape(focused.getAttribute("href") ?? "")}"]`);
      fresh.dataset.seen = fresh.innerHTML;
      now.replaceWith(fresh);
      fresh.querySelectorAll("input[type=checkbox]").forEach((box) => { box.checked = ticked.has(box.value); });
      if (again) fresh.querySelector(again)?.focus();
    } catch {
      state.textContent = "not up to date: harness serve does not answer";
    }
  };
  const loop = async () => {
    await refresh();
    setTimeout(loop, EVERY_MS);
  };
  setTimeout(loop, EVERY_MS);
})();
