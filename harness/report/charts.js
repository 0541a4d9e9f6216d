"use strict";
// Draws the picture of a run: lanes, rates, latencies and depth, over one time axis and with one
// cursor. drawRun(element, data, settings) returns what a page needs to steer it.
const drawRun = (() => {
  const MODES = {
    leader: "#15507a", follower: "#8fc1e3", observer: "#cfe3ef", standalone: "#15507a",
    looking: "#f0b429", silent: "#b79ad6", paused: "#7b4fb0", down: "#5a5a5a",
  };
  const CALLS = {
    put: "#0072b2", reserve: "#b86e00", take: "#b86e00", done: "#00795a", release: "#9a4f86",
    "found nothing": "#8a8a8a", failed: "#c43e00", unknown: "#000000",
  };
  const RATES = { put: CALLS.put, delivered: CALLS.reserve, done: CALLS.done, failed: CALLS.failed, unknown: CALLS.unknown };
  const DEPTHS = { waiting: "#0072b2", held: "#b86e00", unknown: "#000000" };
  const DEPTH_NAMES = { waiting: "waiting", held: "delivered, not done", unknown: "unknown calls so far" };
  const WITNESS = "#c00020", MARKED = "#7a00b8", INK = "#1c2733", GRID = "#e6eaee";
  const LANE_PX = 22, PLOT_PX = 150, NAMES_PX = 52, REACH_PX = 12, MARGIN = 0.01;

  const create = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const kindOf = (calls, at) => {
    if (calls.outcome[at] === "fail") return "failed";
    if (calls.outcome[at] === "info") return "unknown";
    return calls.value[at] === null ? "found nothing" : calls.f[at];
  };
  const tick = (number) => number >= 1000 ? number.toLocaleString("en-US") : String(Number(number.toPrecision(3)));

  return (element, data, { onPick = () => {}, group = "run", spanS = data.span_s } = {}) => {
    const calls = data.calls, count = calls.index.length;
    const kinds = Array.from({ length: count }, (_, at) => kindOf(calls, at));
    const whole = [-spanS * MARGIN, spanS * (1 + MARGIN)];
    const phone = matchMedia("(max-width: 600px)").matches;
    const font = `${phone ? 10 : 12}px system-ui, sans-serif`;
    const left = phone ? 62 : 92;
    const hidden = new Set(), charts = [];
    let shown = whole, marked = [], picked = -1, listeners = [];

    const frame = (u, draw) => {
      const { ctx, bbox } = u;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      draw(ctx, bbox, (at_s) => u.valToPos(at_s, "x", true), (y) => u.valToPos(y, "y", true), uPlot.pxRatio);
      ctx.restore();
    };
    const shade = (u) => frame(u, (ctx, box, x, y, ratio) => {
      ctx.fillStyle = "rgba(192, 0, 32, 0.08)";
      for (const fault of data.faults) ctx.fillRect(x(fault.from_s), box.top, Math.max(ratio, x(fault.to_s) - x(fault.from_s)), box.height);
      ctx.strokeStyle = "#15507a";
      ctx.lineWidth = ratio;
      ctx.setLineDash([4 * ratio, 4 * ratio]);
      for (const [at_s] of data.leaders.slice(1)) {
        ctx.beginPath();
        ctx.moveTo(x(at_s), box.top);
        ctx.lineTo(x(at_s), box.top + box.height);
        ctx.stroke();
      }
    });

    // Names of faults and leaders stand over the lanes, in the first row where they hide none.
    const names = [
      ...data.faults.map((fault) => ({ at_s: fault.from_s, text: fault.label, rows: [0, 1], colour: "#8a0018" })),
      ...data.leaders.map(([at_s, node]) => ({ at_s, text: `node ${node} leads`, rows: [2], colour: "#15507a" })),
    ];
    let placed = [];
    const placeNames = (u) => {
      const { ctx, bbox } = u, ratio = uPlot.pxRatio, free = [0, 0, 0];
      ctx.save();
      ctx.font = `${(phone ? 9 : 11) * ratio}px system-ui, sans-serif`;
      ctx.textAlign = "left";
      ctx.textBaseline = "bottom";
      placed = [];
      for (const name of names) {
        const at = u.valToPos(name.at_s, "x", true), width = ctx.measureText(name.text).width;
        if (at < bbox.left - 1 || at > bbox.left + bbox.width) continue;
        const from = Math.min(at, bbox.left + bbox.width + 8 * ratio - width), to = from + width;
        const row = name.rows.find((one) => free[one] <= from);
        if (row === undefined) continue;
        free[row] = to + 6 * ratio;
        ctx.fillStyle = name.colour;
        ctx.fillText(name.text, from, bbox.top - (2 - row) * 15 * ratio - 3 * ratio);
        placed.push({ text: name.text, row, from, to });
      }
      ctx.restore();
    };

    const mark = {
      tick: (ctx, x, y, size) => { ctx.moveTo(x, y - size); ctx.lineTo(x, y + size); },
      cross: (ctx, x, y, size) => {
        ctx.moveTo(x - size, y - size); ctx.lineTo(x + size, y + size);
        ctx.moveTo(x - size, y + size); ctx.lineTo(x + size, y - size);
      },
      diamond: (ctx, x, y, size) => {
        ctx.moveTo(x, y - size); ctx.lineTo(x + size, y); ctx.lineTo(x, y + size); ctx.lineTo(x - size, y); ctx.closePath();
      },
    };
    const markOf = (kind) => kind === "failed" ? mark.cross : kind === "unknown" ? mark.diamond : mark.tick;
    const ring = (ctx, x, y, radius, colour, width) => {
      ctx.strokeStyle = colour;
      ctx.lineWidth = width;
      ctx.beginPath();
      ctx.arc(x, y, radius, 0, 7);
      ctx.stroke();
    };
    const drawLanes = (u) => frame(u, (ctx, box, x, y, ratio) => {
      for (const [mode, lane, from_s, to_s] of data.modes) {
        if (hidden.has(`servers/${mode}`)) continue;
        ctx.fillStyle = MODES[mode] ?? "#888888";
        ctx.fillRect(x(from_s), y(lane) - 7 * ratio, Math.max(ratio, x(to_s) - x(from_s)), 14 * ratio);
      }
      ctx.strokeStyle = WITNESS;
      ctx.lineWidth = 2 * ratio;
      for (const fault of data.faults) for (const lane of fault.lanes) {
        ctx.strokeRect(x(fault.from_s), y(lane) - 9 * ratio, Math.max(ratio, x(fault.to_s) - x(fault.from_s)), 18 * ratio);
      }
      for (const [kind, colour] of Object.entries(CALLS)) {
        if (hidden.has(`operations/${kind}`)) continue;
        ctx.strokeStyle = ctx.fillStyle = colour;
        ctx.lineWidth = 1.5 * ratio;
        ctx.beginPath();
        for (let at = 0; at < count; at++) if (kinds[at] === kind) {
          const from = x(calls.from_s[at]), middle = y(calls.lane[at]);
          markOf(kind)(ctx, from, middle, 4.5 * ratio);
          if (calls.to_s[at] !== null && x(calls.to_s[at]) - from > 2 * ratio) {
            ctx.rect(from, middle - 1.5 * ratio, x(calls.to_s[at]) - from, 3 * ratio);
          }
        }
        ctx.stroke();
      }
      ctx.strokeStyle = "#444444";
      ctx.beginPath();
      for (const [at_s, lane] of data.session_ends) {
        ctx.moveTo(x(at_s), y(lane) - 5 * ratio); ctx.lineTo(x(at_s) + 7 * ratio, y(lane)); ctx.lineTo(x(at_s), y(lane) + 5 * ratio); ctx.closePath();
      }
      ctx.stroke();
      for (const at of calls.witness) ring(ctx, x(calls.from_s[at]), y(calls.lane[at]), 8 * ratio, WITNESS, 2 * ratio);
      for (const at of marked) ring(ctx, x(calls.from_s[at]), y(calls.lane[at]), 10.5 * ratio, MARKED, 2.5 * ratio);
      if (picked >= 0) {
        ctx.strokeStyle = INK;
        ctx.lineWidth = 2 * ratio;
        ctx.strokeRect(x(calls.from_s[picked]) - 8 * ratio, y(calls.lane[picked]) - 9 * ratio, 16 * ratio, 18 * ratio);
      }
    });
    const latencyOf = (at) => calls.to_s[at] === null || kinds[at] === "found nothing" ? null : Math.max(0.01, 1000 * (calls.to_s[at] - calls.from_s[at]));
    const drawDots = (u) => frame(u, (ctx, box, x, y, ratio) => {
      ctx.globalAlpha = 0.45;
      for (const [kind, colour] of Object.entries(CALLS)) {
        if (hidden.has(`operations/${kind}`)) continue;
        ctx.fillStyle = colour;
        for (let at = 0; at < count; at++) if (kinds[at] === kind && latencyOf(at) !== null) {
          ctx.fillRect(x(calls.from_s[at]) - 1.25 * ratio, y(latencyOf(at)) - 1.25 * ratio, 2.5 * ratio, 2.5 * ratio);
        }
      }
    });

    const axes = (label, more = {}) => [
      { font, stroke: INK, grid: { stroke: GRID, width: 1 }, ticks: { stroke: GRID }, size: 30, values: (u, splits) => splits.map((s) => `${Number(s.toPrecision(6))} s`), ...more.x },
      { font, labelFont: font, stroke: INK, label, labelSize: phone ? 14 : 18, size: left, grid: { stroke: GRID, width: 1 }, ticks: { show: false }, values: (u, splits) => splits.map((s) => s === null ? "" : tick(s)), ...more.y },
    ];
    const add = (name, height, series, columns, { axis, y = {}, hooks = {}, above = 8, points = true }) => {
      const place = create("div", "", { class: "chart" });
      element.append(place);
      const u = new uPlot({
        width: place.clientWidth || element.clientWidth, height,
        padding: [above, 10, 0, 0], legend: { show: false }, axes: axis,
        scales: { x: { time: false, range: (_, min, max) => [min, max] }, y },
        series: [{}, ...series],
        cursor: {
          y: false, points: { show: points }, drag: { x: true, y: false, dist: 4 }, sync: { key: group, scales: ["x", null] },
          bind: { dblclick: () => () => { show(...whole); return null; } },
        },
        hooks: { setScale: [(self, key) => { if (key === "x") follow(self); }], setCursor: [(self) => told(self)], ...hooks },
      }, columns, place);
      charts.push({ name, u, place, series });
      return u;
    };

    // The four charts.
    const lanes = data.lanes.length;
    const lanesChart = add("lanes", LANE_PX * Math.max(2, lanes) + NAMES_PX + 38, [{ show: true, points: { show: false } }], [whole, [null, null]], {
      axis: axes("", { y: { splits: () => data.lanes.map((_, at) => at), values: (u, splits) => splits.map((at) => data.lanes[at] ?? ""), grid: { stroke: "#eef1f4", width: 1 } } }),
      y: { dir: -1, range: () => [-0.6, lanes - 0.4] }, above: NAMES_PX, points: false,
      hooks: { drawClear: [shade], draw: [drawLanes, placeNames] },
    });
    const stepped = uPlot.paths.stepped({ align: 1 });
    const lines = (columns, colours, labels, dash) => Object.keys(columns).filter((key) => key !== "at_s").map((key) => ({
      label: labels(key), stroke: colours[key], width: 1.5, paths: stepped, dash: dash?.[key], spanGaps: false, points: { show: false },
    }));
    const positive = { range: (u, min, max) => [0, Math.max(1, (max ?? 1) * 1.08)] };
    const values = (columns) => { const { at_s, ...rest } = columns; return [at_s, ...Object.values(rest)]; };
    add("rates", PLOT_PX, lines(data.rates, RATES, (key) => `${key} per second`), values(data.rates), {
      axis: axes("calls / s"), y: positive, hooks: { drawClear: [shade] },
    });
    const quantiles = data.latencies.flatMap((latency) => ["median", "p99"].filter((key) => latency[key].some((ms) => ms !== null)).map((key) => ({
      what: latency.what, key, at_s: latency.at_s, ms: latency[key],
    })));
    const ms = [...calls.from_s.keys()].map(latencyOf).filter((one) => one !== null);
    const slowest = ms.reduce((most, one) => Math.max(most, one), 1), fastest = ms.reduce((least, one) => Math.min(least, one), slowest);
    const tables = quantiles.map(({ at_s, ms }) => [at_s, ms]);
    const quantile = ({ what, key }) => ({
      label: `${what} ${key}`, stroke: CALLS[what], width: key === "p99" ? 1.5 : 2, dash: key === "p99" ? [5, 4] : undefined, spanGaps: false, points: { show: true, size: 4 },
    });
    add("latencies", PLOT_PX + 30, quantiles.map(quantile), tables.length ? uPlot.join(tables, tables.map(() => [0, 2])) : [[]], {
      axis: axes("latency, ms"), y: { distr: 3, range: () => [10 ** Math.floor(Math.log10(fastest)), 10 ** Math.ceil(Math.log10(slowest * 1.01))] },
      hooks: { drawClear: [shade], draw: [drawDots] },
    });
    add("depth", PLOT_PX, lines(data.depth, DEPTHS, (key) => DEPTH_NAMES[key], { unknown: [2, 3] }), values(data.depth), {
      axis: axes("items"), y: positive, hooks: { drawClear: [shade] },
    });

    // One range for all.
    let following = false;
    function follow(source) {
      const { min, max } = source.scales.x;
      if (following || min == null || charts.length < 4) return;
      show(min, max);
    }
    function show(from, to) {
      const begin = Math.max(whole[0], from), end = Math.min(whole[1], Math.max(to, begin + 0.001));
      shown = [begin, end];
      following = true;
      for (const { u } of charts) u.setScale("x", { min: begin, max: end });
      following = false;
      listeners.forEach((listener) => listener());
    }

    // What the cursor is at, for all charts in one line.
    const readout = create("p", "", { class: "readout" });
    element.after(readout);
    let waiting = false, cursor = null;
    function told(u) {
      if (u.cursor.left >= 0) cursor = u.posToVal(u.cursor.left, "x");
      if (waiting || cursor === null) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; readout.textContent = sentence(cursor); });
    }
    const sentence = (at_s) => {
      const found = [`${at_s.toFixed(3)} s`];
      const leader = data.leaders.filter(([since_s]) => since_s <= at_s).at(-1);
      if (leader) found.push(`node ${leader[1]} leads`);
      for (const fault of data.faults) if (fault.from_s <= at_s && at_s <= fault.to_s) found.push(fault.label);
      for (const { name, u } of charts) if (name !== "lanes") u.series.forEach((one, place) => {
        const idx = u.cursor.idxs?.[place] ?? u.cursor.idx;
        const value = place && one.show && idx != null ? u.data[place]?.[idx] : null;
        if (value != null) found.push(`${one.label} ${name === "latencies" ? `${Number(value.toPrecision(2))} ms` : tick(value)}`);
      });
      return found.join(" · ");
    };

    // A call can be picked by a click, or with the arrow keys.
    const visible = (at) => !hidden.has(`operations/${kinds[at]}`);
    const nearest = (u, left_px, top_px) => {
      let best = -1, least = REACH_PX;
      for (let at = 0; at < count; at++) {
        if (!visible(at) || Math.abs(u.valToPos(calls.lane[at], "y") - top_px) > 10) continue;
        const from = u.valToPos(calls.from_s[at], "x"), to = calls.to_s[at] === null ? from : u.valToPos(calls.to_s[at], "x");
        const away = left_px < from ? from - left_px : left_px > to ? left_px - to : 0;
        if (away < least) { least = away; best = at; }
      }
      return best;
    };
    const pick = (at) => {
      picked = at;
      lanesChart.redraw(false);
      onPick(at);
    };
    let pressed = null;
    lanesChart.over.addEventListener("mousedown", (event) => { pressed = event.clientX; });
    lanesChart.over.addEventListener("click", (event) => {
      if (pressed !== null && Math.abs(event.clientX - pressed) > 4) return;
      const at = nearest(lanesChart, event.offsetX, event.offsetY);
      if (at >= 0) pick(at);
    });
    const step = (key) => {
      const order = [...calls.from_s.keys()].filter(visible);
      if (!order.length) return;
      const now = picked < 0 ? null : calls.from_s[picked];
      if (now === null) return pick(order.find((at) => calls.from_s[at] >= shown[0]) ?? order[0]);
      const lane = calls.lane[picked];
      if (key === "ArrowLeft" || key === "ArrowRight") {
        const same = order.filter((at) => calls.lane[at] === lane), place = same.indexOf(picked);
        return pick(same[Math.min(same.length - 1, Math.max(0, place + (key === "ArrowLeft" ? -1 : 1)))]);
      }
      const others = order.filter((at) => key === "ArrowUp" ? calls.lane[at] < lane : calls.lane[at] > lane);
      if (!others.length) return;
      const next = key === "ArrowUp" ? Math.max(...new Set(others.map((at) => calls.lane[at]))) : Math.min(...new Set(others.map((at) => calls.lane[at])));
      pick(others.filter((at) => calls.lane[at] === next).reduce((best, at) => Math.abs(calls.from_s[at] - now) < Math.abs(calls.from_s[best] - now) ? at : best));
    };
    element.addEventListener("keydown", (event) => {
      if (!event.key.startsWith("Arrow")) return;
      event.preventDefault();
      step(event.key);
      if (calls.from_s[picked] < shown[0] || calls.from_s[picked] > shown[1]) {
        const half = (shown[1] - shown[0]) / 2;
        show(calls.from_s[picked] - half, calls.from_s[picked] + half);
      }
    });

    // A legend that the keyboard can reach.
    const legend = () => {
      const made = create("div", "", { class: "legend" });
      const entries = [
        ["servers", [...new Set(data.modes.map(([mode]) => mode))].map((mode) => [mode, MODES[mode] ?? "#888888"])],
        ["operations", Object.entries(CALLS).filter(([kind]) => kinds.includes(kind))],
        ...["rates", "latencies", "depth"].map((name) => [name, charts.find((one) => one.name === name).series.map((one) => [one.label, one.stroke, one.dash])]),
      ];
      for (const [name, members] of entries) {
        if (!members.length) continue;
        const fieldset = create("fieldset", "");
        fieldset.append(create("legend", name));
        for (const [member, colour, dash] of members) {
          const label = create("label", ""), box = create("input", "", { type: "checkbox" }), swatch = create("i", "", { "aria-hidden": "true" });
          swatch.style.background = dash ? `repeating-linear-gradient(90deg, ${colour} 0 3px, transparent 3px 6px)` : colour;
          box.checked = true;
          box.addEventListener("change", () => {
            hidden[box.checked ? "delete" : "add"](`${name}/${member}`);
            const chart = charts.find((one) => one.name === name);
            if (chart) chart.u.setSeries(chart.series.findIndex((one) => one.label === member) + 1, { show: box.checked });
            charts.forEach(({ u }) => u.redraw(false));
          });
          label.append(box, swatch, member);
          fieldset.append(label);
        }
        made.append(fieldset);
      }
      return made;
    };

    show(...whole);
    addEventListener("resize", () => charts.forEach(({ u, place }) => u.setSize({ width: place.clientWidth, height: u.height })));
    return {
      show, pick, legend, whole, kinds, hidden,
      range: () => shown.slice(),
      names: () => placed.slice(),
      marked: () => marked.slice(),
      mark: (places) => { marked = places; lanesChart.redraw(false); },
      onRange: (listener) => { listeners.push(listener); listener(); },
      position: (at) => ({ x: lanesChart.valToPos(calls.from_s[at], "x"), y: lanesChart.valToPos(calls.lane[at], "y"), over: lanesChart.over }),
      chart: (name) => charts.find((one) => one.name === name).u,
    };
  };
})();
