"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const figure = document.getElementById("figure");
  const whole = data.figure.layout.xaxis.range.slice();
  const narrow = matchMedia("(max-width: 600px)").matches;
  const create = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };

  // The names over the lanes are laid out for a desk; on a phone fewer of a row have room.
  const withRoom = (notes) => {
    const ends = new Map(), pixels = figure.clientWidth / (whole[1] - whole[0]);
    return notes.filter((note) => {
      const from = note.x * pixels;
      if (from < (ends.get(note.yshift) ?? -Infinity)) return false;
      ends.set(note.yshift, from + 7 * note.text.length);
      return true;
    });
  };
  const settings = { responsive: true, displaylogo: false, displayModeBar: false, doubleClick: false };
  if (narrow) {
    data.figure.layout.font.size = 10;
    data.figure.layout.annotations.forEach((note) => { note.font.size = 9; });
    data.figure.layout.annotations = withRoom(data.figure.layout.annotations);
  }
  Plotly.newPlot(figure, data.figure.data, data.figure.layout, settings);

  // The part of the run that is shown.
  const range = () => figure.layout.xaxis.range.map(Number);
  const show = (from, to) => {
    const left = Math.max(whole[0], from);
    Plotly.relayout(figure, { "xaxis.range": [left, Math.min(whole[1], Math.max(to, left + 0.001))] });
  };
  const tell = () => {
    const [from, to] = range();
    const digits = to - from < 1 ? 4 : 2;
    document.getElementById("span").textContent = `${from.toFixed(digits)} s to ${to.toFixed(digits)} s`;
  };
  const around = (times, least) => {
    const from = Math.min(...times), to = Math.max(...times);
    const margin = Math.max(least, (to - from) * 0.1);
    show(from - margin, to + margin);
  };
  const firstWitness = () => {
    const trace = data.figure.data.find((one) => one.name === "witness");
    return trace ? [Math.min(...trace.x)] : null;
  };
  const zooms = {
    all: () => show(...whole),
    witness: () => around(firstWitness(), 1),
    in: () => { const [a, b] = range(); show(a + (b - a) / 4, b - (b - a) / 4); },
    out: () => { const [a, b] = range(); show(a - (b - a) / 2, b + (b - a) / 2); },
    earlier: () => { const [a, b] = range(); const step = Math.min((b - a) / 2, a - whole[0]); show(a - step, b - step); },
    later: () => { const [a, b] = range(); const step = Math.min((b - a) / 2, whole[1] - b); show(a + step, b + step); },
  };
  document.querySelectorAll("[data-zoom]").forEach((button) => {
    button.disabled = button.dataset.zoom === "witness" && firstWitness() === null;
    button.addEventListener("click", zooms[button.dataset.zoom]);
  });
  document.querySelectorAll(".show-span").forEach((button) => button.addEventListener("click", () => {
    around([Number(button.dataset.from), Number(button.dataset.to)], 1);
    document.getElementById("timeline").scrollIntoView();
  }));
  figure.on("plotly_relayout", tell);
  figure.on("plotly_doubleclick", () => { zooms.all(); });
  tell();

  // A legend that the keyboard can reach: one box for all traces of one name and group.
  const groups = new Map();
  data.figure.data.forEach((trace, place) => {
    const names = groups.get(trace.meta) ?? groups.set(trace.meta, new Map()).get(trace.meta);
    const entry = names.get(trace.name) ?? names.set(trace.name, { places: [], trace }).get(trace.name);
    entry.places.push(place);
  });
  for (const [group, names] of groups) {
    const fieldset = create("fieldset", "");
    fieldset.append(create("legend", group));
    for (const [name, entry] of names) {
      const label = create("label", "");
      const box = create("input", "", { type: "checkbox" });
      const swatch = create("i", "", { "aria-hidden": "true" });
      const colour = (entry.trace.line ?? entry.trace.marker).color;
      swatch.style.background = entry.trace.line?.dash === "dot"
        ? `repeating-linear-gradient(90deg, ${colour} 0 3px, transparent 3px 6px)` : colour;
      box.checked = true;
      box.addEventListener("change", () => Plotly.restyle(figure, { visible: box.checked }, entry.places));
      label.append(box, swatch, name);
      fieldset.append(label);
    }
    document.getElementById("legend").append(fieldset);
  }

  // The life of one item.
  const life = document.getElementById("item-life");
  const zoomButton = document.getElementById("item-zoom");
  const input = document.getElementById("item-id");
  const outcomes = { ok: "ok", fail: "failed for certain", info: "unknown" };
  const calls = { put: "put", reserve: "claimed (reserve)", take: "taken", done: "done", release: "given back" };
  let times = [];
  const who = (process) => {
    const known = data.processes[process] ?? {};
    const parts = [`process ${process}`];
    const name = known.consumer ?? known.producer;
    if (name) parts.push(name);
    if (known.session) parts.push(`session ${known.session}`);
    if (known.opened_by) parts.push(`opened by node ${known.opened_by}`);
    return parts.join(", ");
  };
  const where = (item) => {
    const places = Object.entries(data.places[item] ?? {});
    return places.length
      ? `At the end it stood on ${places.map(([node, place]) => `node ${node} (${place})`).join(", ")}.`
      : "At the end it stood on none of the servers that were read.";
  };
  const table = (rows) => {
    const made = create("table", "");
    const head = create("tr", "");
    for (const name of ["call", "outcome", "invoked", "answered", "zxid", "delivery", "by"]) {
      head.append(create("th", name, { scope: "col" }));
    }
    const top = create("thead", ""), body = create("tbody", "");
    top.append(head);
    for (const [, f, outcome, from, to, process, zxid, delivery] of rows) {
      const line = create("tr", "");
      const cells = [calls[f] ?? f, outcomes[outcome], `${from.toFixed(4)} s`, to === null ? "never" : `${to.toFixed(4)} s`,
        zxid === null ? "-" : `0x${zxid.toString(16)}`, delivery ?? "-", who(process)];
      for (const cell of cells) line.append(create("td", String(cell)));
      body.append(line);
    }
    made.append(top, body);
    return made;
  };
  const tellLife = (item) => {
    const rows = data.lives[item];
    life.replaceChildren();
    zoomButton.hidden = !rows?.length;
    if (!rows?.length) {
      life.append(create("p", data.whole
        ? `No item ${item} in this history.`
        : `The life of item ${item} is not in this file, which holds ${Object.keys(data.lives).length} of the items. ` +
          `harness report RUN --item ${item} puts it in.`));
      return;
    }
    times = rows.flatMap((row) => [row[3], row[4] ?? row[3]]);
    const region = create("div", "", { class: "scroll", role: "region", tabindex: "0", "aria-label": `Calls about item ${item}` });
    region.append(table(rows));
    life.append(create("p", `Item ${item}: ${rows.length} ${rows.length === 1 ? "call" : "calls"}. ${where(item)}`), region);
  };
  document.getElementById("item-form").addEventListener("submit", (event) => {
    event.preventDefault();
    tellLife(input.value.trim());
  });
  document.querySelectorAll(".show-item").forEach((button) => button.addEventListener("click", () => {
    input.value = button.dataset.item;
    tellLife(button.dataset.item);
    document.getElementById("item").scrollIntoView();
    input.focus({ preventScroll: true });
  }));
  zoomButton.addEventListener("click", () => {
    around(times, 0.05);
    document.getElementById("timeline").scrollIntoView();
  });
  input.value = data.witnesses[0] ?? Object.keys(data.lives)[0] ?? "";
  if (data.witnesses.length) tellLife(input.value);
  document.documentElement.dataset.ready = "true";
})();
