"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const calls = data.figure.calls;
  const AROUND_S = 1, MOST_LOG_LINES = 200;
  const create = (tag, text, attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const figure = byId("figure");
  const run = drawRun(figure, data.figure, { onPick: (at) => tellOperation(at) });
  figure.run = run;
  byId("legend").append(run.legend());

  // The part of the run that is shown.
  const around = (times, least) => {
    const from = Math.min(...times), to = Math.max(...times);
    const margin = Math.max(least, (to - from) * 0.1);
    run.show(from - margin, to + margin);
  };
  const firstWitness = () => calls.witness.length ? [Math.min(...calls.witness.map((at) => calls.from_s[at]))] : null;
  const zooms = {
    all: () => run.show(...run.whole),
    witness: () => around(firstWitness(), 1),
    in: () => { const [a, b] = run.range(); run.show(a + (b - a) / 4, b - (b - a) / 4); },
    out: () => { const [a, b] = run.range(); run.show(a - (b - a) / 2, b + (b - a) / 2); },
    earlier: () => { const [a, b] = run.range(); const step = Math.min((b - a) / 2, a - run.whole[0]); run.show(a - step, b - step); },
    later: () => { const [a, b] = run.range(); const step = Math.min((b - a) / 2, run.whole[1] - b); run.show(a + step, b + step); },
  };
  document.querySelectorAll("[data-zoom]").forEach((button) => {
    button.disabled = button.dataset.zoom === "witness" && firstWitness() === null;
    button.addEventListener("click", zooms[button.dataset.zoom]);
  });
  document.querySelectorAll(".show-span").forEach((button) => button.addEventListener("click", () => {
    around([Number(button.dataset.from), Number(button.dataset.to)], 1);
    byId("timeline").scrollIntoView();
  }));
  run.onRange(() => {
    const [from, to] = run.range(), digits = to - from < 1 ? 4 : 2;
    byId("span").textContent = `${Math.max(0, from).toFixed(digits)} s to ${to.toFixed(digits)} s`;
  });

  // Words for calls, processes and sessions.
  const outcomes = { ok: "ok", fail: "failed for certain", info: "unknown" };
  const names = { put: "put", reserve: "claimed (reserve)", take: "taken", done: "done", release: "given back" };
  const hex = (zxid) => zxid === null ? "-" : `0x${zxid.toString(16)}`;
  const seconds = (time_s) => time_s === null ? "never" : `${time_s.toFixed(4)} s`;
  const who = (process) => {
    const known = data.processes[process] ?? {};
    const parts = [`process ${process}`];
    const name = known.consumer ?? known.producer;
    if (name) parts.push(name);
    if (known.session) parts.push(`session ${known.session}`);
    if (known.opened_by) parts.push(`opened by node ${known.opened_by}`);
    return parts.join(", ");
  };
  const region = (label, ...children) => {
    const made = create("div", "", { class: "scroll", role: "region", tabindex: "0", "aria-label": label });
    made.append(...children);
    return made;
  };
  const table = (titles, rows) => {
    const made = create("table", ""), top = create("thead", ""), body = create("tbody", ""), head = create("tr", "");
    titles.forEach((title) => head.append(create("th", title, { scope: "col" })));
    top.append(head);
    for (const cells of rows) {
      const line = create("tr", "");
      cells.forEach((cell) => line.append(create("td", String(cell))));
      body.append(line);
    }
    made.append(top, body);
    return made;
  };

  // One operation: its record, its session, and what the servers logged around it.
  const sessionOf = (at) => {
    const [name, node] = data.figure.sessions[calls.session[at]] ?? [];
    if (!name) return "not recorded";
    return node ? `${name}, opened by node ${node}` : name;
  };
  const logsAround = (from_s, to_s) => {
    const lines = data.logs.lines.filter(([at_s]) =>
      (at_s >= from_s - AROUND_S && at_s <= from_s + AROUND_S) || (to_s !== null && at_s >= to_s - AROUND_S && at_s <= to_s + AROUND_S));
    const made = create("div", "", { class: "logs" });
    made.append(create("h4", `What the servers logged within ${AROUND_S} s of it`));
    const notes = [];
    if (data.logs.why) notes.push(`None: ${data.logs.why}.`);
    else if (!lines.length) notes.push("Nothing.");
    if (data.logs.left_out) notes.push(`${data.logs.left_out} lines of the logs are not in this file; logs/ has them.`);
    if (data.logs.moved.length) notes.push(`A fault moved the clock of node ${data.logs.moved.join(", ")}, so its lines may stand elsewhere.`);
    if (lines.length > MOST_LOG_LINES) notes.push(`The first ${MOST_LOG_LINES} of ${lines.length} lines.`);
    if (notes.length) made.append(create("p", notes.join(" "), { class: "aside" }));
    if (lines.length) {
      const rows = table(["time", "node", "message"], lines.slice(0, MOST_LOG_LINES).map(([at_s, node, text]) => [seconds(at_s), node, text]));
      rows.querySelectorAll("tbody tr").forEach((row) => { if (/\b(WARN|ERROR)\b/.test(row.textContent)) row.className = "loud"; });
      made.append(region("Log lines of the servers", rows));
    }
    return made;
  };
  function tellOperation(at) {
    const place = byId("operation");
    const value = calls.value[at], facts = [
      ["call", `${names[calls.f[at]] ?? calls.f[at]} ${value === null ? "nothing" : value}`],
      ["outcome", outcomes[calls.outcome[at]] + (data.errors[calls.index[at]] ? `: ${data.errors[calls.index[at]]}` : "")],
      ["invoked", seconds(calls.from_s[at])],
      ["answered", seconds(calls.to_s[at])],
      ["zxid", hex(calls.zxid[at])],
      ["delivery", calls.delivery[at] ?? "-"],
      ["by", `process ${calls.process[at]}`],
      ["session", sessionOf(at)],
      ["record", `line ${calls.index[at] + 1} of history.jsonl`],
    ];
    const list = create("dl", "", { class: "record" });
    for (const [name, text] of facts) {
      const pair = create("div", "");
      pair.append(create("dt", name), create("dd", String(text)));
      list.append(pair);
    }
    place.replaceChildren(create("h3", `Operation ${calls.index[at]}`), list);
    if (value !== null) {
      const button = create("button", `Life of item ${value}`, { type: "button" });
      button.addEventListener("click", () => openItem(String(value)));
      place.append(button);
    }
    place.append(logsAround(calls.from_s[at], calls.to_s[at]));
  }

  // The life of one item.
  const life = byId("item-life"), zoomButton = byId("item-zoom"), input = byId("item-id");
  let times = [];
  const where = (item) => {
    const places = Object.entries(data.places[item] ?? {});
    return places.length
      ? `At the end it stood on ${places.map(([node, place]) => `node ${node} (${place})`).join(", ")}.`
      : "At the end it stood on none of the servers that were read.";
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
    life.append(
      create("p", `Item ${item}: ${rows.length} ${rows.length === 1 ? "call" : "calls"}. ${where(item)}`),
      region(`Calls about item ${item}`, table(
        ["call", "outcome", "invoked", "answered", "zxid", "delivery", "by"],
        rows.map(([, f, outcome, from, to, process, zxid, delivery]) =>
          [names[f] ?? f, outcomes[outcome], seconds(from), seconds(to), hex(zxid), delivery ?? "-", who(process)]),
      )),
    );
  };
  const openItem = (item) => {
    input.value = item;
    tellLife(item);
    byId("item").scrollIntoView();
    input.focus({ preventScroll: true });
  };
  byId("item-form").addEventListener("submit", (event) => {
    event.preventDefault();
    tellLife(input.value.trim());
  });
  document.querySelectorAll(".show-item").forEach((button) => button.addEventListener("click", () => openItem(button.dataset.item)));
  zoomButton.addEventListener("click", () => {
    const item = input.value.trim();
    run.mark([...calls.value.keys()].filter((at) => String(calls.value[at]) === item));
    around(times, 0.05);
    byId("timeline").scrollIntoView();
  });
  input.value = data.witnesses[0] ?? Object.keys(data.lives)[0] ?? "";
  if (data.witnesses.length) tellLife(input.value);

  // On paper nothing can be unfolded.
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  document.documentElement.dataset.ready = "true";
})();
