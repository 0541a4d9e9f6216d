"use strict";
// Draws both runs to the same scale of time; what is shown of one is shown of the other.
(() => {
  const { figures } = JSON.parse(document.getElementById("data").textContent);
  const spanS = Math.max(...figures.map((data) => data.span_s), 0);
  const runs = figures.map((data, place) => drawRun(document.getElementById(`figure-${place}`), data, { group: `run-${place}`, spanS }));
  runs.forEach((run, place) => {
    document.getElementById(`legend-${place}`).append(run.legend());
    document.getElementById(`figure-${place}`).run = run;
  });
  let following = false;
  runs.forEach((run) => run.onRange(() => {
    if (following) return;
    following = true;
    runs.filter((other) => other !== run).forEach((other) => other.show(...run.range()));
    following = false;
  }));
  document.getElementById("whole")?.addEventListener("click", () => runs[0].show(...runs[0].whole));
  document.documentElement.dataset.ready = "true";
})();
