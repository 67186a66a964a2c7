"use strict";
// Text goes into the page by textContent alone: a name that looks like HTML stays text.
const $ = (id) => document.getElementById(id);
const MOST_ROWS = 200;
let state = null;
let chosen = "";

function make(tag, attributes = {}, ...children) {
  const found = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
  found.append(...children);
  return found;
}

function draw(tag, attributes = {}, text = "") {
  const found = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
  found.textContent = text;
  return found;
}

const clock = (ms) => new Date(ms).toISOString().slice(11, 19);
const short = (value) => Number(value.toPrecision(3)).toString();
const usd = (value) => (value < 0 ? "-$" : "$") + Math.abs(value).toFixed(2);

function shown(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "ratio") {
    const percent = value * 100;
    return (percent < 1 && percent > 0 ? short(percent) : percent.toFixed(1)) + " %";
  }
  if (unit === "USD") return "$" + value.toFixed(4);
  if (unit === "GiB") return (value / 2 ** 30).toFixed(2) + " GiB";
  if (unit === "cores") return short(value) + (value === 1 ? " core" : " cores");
  return short(value) + " " + unit;
}

function band(target) {
  const low = target.minimum, high = target.maximum;
  if (target.unit === "ratio" && low !== null) return `${low * 100}–${high * 100} %`;
  if (target.unit === "ratio") return `≤ ${short(high * 100)} %`;
  return target.unit === "USD" ? `< $${high}` : `< ${high} ${target.unit}`;
}

function judged(value, target) {
  if (value === null || value === undefined) return "quiet unknown";
  if (target.maximum !== null && value > target.maximum) return "out";
  if (target.minimum !== null && value < target.minimum) return "low";
  return "in";
}

const RANK = { firing: 3, pending: 2, no_data: 1 };
const worst = (item) => Math.max(0, ...item.alerts.map((alert) => RANK[alert.phase] || 0));
const PHASES = { firing: "firing", pending: "pending", no_data: "no data" };
const MARKS = { out: " ▲", low: " ▼" };

function showKpis() {
  const wanted = $("filter").value.trim().toLowerCase();
  const items = state.workloads
    .filter((item) => item.key.toLowerCase().includes(wanted))
    .sort((a, b) => worst(b) - worst(a) || (a.key < b.key ? -1 : 1));
  const used = state.targets.filter((target) =>
    state.workloads.some((item) => item[target.key] !== null && item[target.key] !== undefined));
  const head = make("tr", {}, make("th", { scope: "col" }, "Workload"), make("th", { scope: "col" }, "Up"));
  for (const target of used)
    head.append(make("th", { scope: "col" }, target.name, make("small", {}, band(target))));
  head.append(make("th", { scope: "col", class: "badges" }, "Alerts"));
  const body = make("tbody");
  for (const item of items.slice(0, MOST_ROWS)) {
    const name = make("button", { class: "name", type: "button" }, item.key);
    name.addEventListener("click", () => { choose(item.key); select("size"); });
    const up = item.up === null ? "–" : item.up ? "yes" : "NO";
    const row = make("tr", {}, make("th", { scope: "row" }, name),
      make("td", { "data-name": "Up", class: item.up === false ? "out" : "" }, up));
    for (const target of used) {
      const kind = judged(item[target.key], target);
      row.append(make("td", { "data-name": `${target.name} (${band(target)})`, class: kind },
        shown(item[target.key], target.unit) + (MARKS[kind] || "")));
    }
    row.append(make("td", { "data-name": "Alerts", class: "badges" }, badges(item)));
    body.append(row);
  }
  const focused = document.activeElement && document.activeElement.className === "name"
    ? document.activeElement.textContent : null;
  const table = make("table", {}, make("thead", {}, head), body);
  const parts = [make("div", { class: "frame" }, table)];
  if (!items.length) parts.splice(0, 1, make("p", { class: "quiet" }, "no workload"));
  if (items.length > MOST_ROWS)
    parts.push(make("p", { class: "note" }, `${items.length - MOST_ROWS} more; filter by name`));
  $("kpis").replaceChildren(...parts);
  if (focused !== null)
    for (const button of $("kpis").querySelectorAll("button.name"))
      if (button.textContent === focused) button.focus();
}

function badges(item) {
  const found = make("span");
  for (const alert of item.alerts)
    if (alert.phase !== "no_data")
      found.append(make("span", { class: `badge ${alert.phase}` }, `${alert.rule} ${PHASES[alert.phase]}`));
  const blind = item.alerts.filter((alert) => alert.phase === "no_data").length;
  if (blind) found.append(make("span", { class: "badge no_data" }, `${blind} without data`));
  if (!item.alerts.length) found.append(make("span", { class: "quiet" }, "quiet"));
  return found;
}

function showAlerts() {
  const body = make("tbody");
  let blind = 0;
  for (const item of state.workloads)
    for (const alert of item.alerts) {
      if (alert.phase === "no_data") { blind += 1; continue; }
      body.append(make("tr", {}, make("th", { scope: "row" }, item.key),
        make("td", { "data-name": "Rule", class: "badges" }, alert.meaning || alert.rule),
        make("td", { "data-name": "State", class: alert.phase }, PHASES[alert.phase]),
        make("td", { "data-name": "Value" }, alert.value === null ? "–" : `${short(alert.value)} > ${short(alert.above)}`),
        make("td", { "data-name": "Since, UTC" }, clock(alert.since_ms))));
    }
  const head = make("tr");
  for (const name of ["Workload", "Rule", "State", "Value", "Since, UTC"])
    head.append(make("th", { scope: "col", class: name === "Rule" ? "badges" : "" }, name));
  const parts = body.children.length
    ? [make("div", { class: "frame" }, make("table", {}, make("thead", {}, head), body))]
    : [make("p", { class: "quiet" }, "no alert is firing or pending")];
  if (blind) parts.push(make("p", { class: "note" }, `${blind} rules are without data`));
  $("alerts").replaceChildren(...parts);
  fill("news", state.news.slice().reverse().map((item) => line(item.at_ms, "", item.text)), "nothing was told");
  fill("problems", state.problems.map((text) => make("li", {}, text)), "none");
}

function line(at, kind, text) {
  const found = make("li", {}, make("time", { datetime: new Date(at).toISOString() }, clock(at)));
  if (kind) found.append(make("b", {}, kind.replaceAll("_", " ")));
  found.append(text);
  return found;
}

function fill(id, lines, none) {
  $(id).replaceChildren(...(lines.length ? lines : [make("li", { class: "quiet" }, none)]));
}

function showRollout() {
  const found = state.rollout;
  $("rollout").textContent = found === null
    ? "No rollout of this stack is known."
    : `Rollout ${found.rollout}: ${found.status}, stage ${found.stage}`;
  $("journal").hidden = found === null;
  if (found !== null)
    fill("journal", found.lines.slice().reverse().map((item) => line(item.at_ms, item.kind, item.text)), "nothing yet");
}

function showChoices() {
  const keys = state.workloads.map((item) => item.key);
  const known = Array.from($("workload").options, (option) => option.value);
  if (keys.join("\n") !== known.join("\n")) {
    $("workload").replaceChildren(...keys.map((key) => make("option", { value: key }, key)));
    if (!keys.includes(chosen)) chosen = keys[0] || "";
    $("workload").value = chosen;
  }
}

async function showSize() {
  const item = state.workloads.find((one) => one.key === chosen);
  if (!item) return;
  $("sentence").textContent = item.sentence;
  const facts = [
    ["Applied", item.applied ? item.applied.text : "unknown"],
    ["Recommended", item.recommended ? item.recommended.text : "no change"],
    ["Saves a month", item.saving_usd === null ? "–" : usd(item.saving_usd)],
    ["Cost a unit", shown(item.cost_usd, "USD")],
    ["Units a second", item.units_per_s === null ? "–" : short(item.units_per_s)],
    ["Predicted at limit, min a month", item.predicted
      ? `${short(item.predicted.minutes_per_month)} (${short(item.predicted.lower)} to ${short(item.predicted.upper)})` : "–"],
    ["Observed at limit", item.observed_min === null ? "–"
      : `${short(item.observed_min)} of ${short(item.watched_min)} min`],
  ];
  $("facts").replaceChildren(...facts.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  let past;
  try {
    const answer = await fetch("/history?workload=" + encodeURIComponent(item.key));
    past = await answer.json();
  } catch { return; }
  if (past.workload !== chosen) return;
  const recommended = item.recommended || {};
  const applied = item.applied || {};
  chart($("chart-cpu"), past.at_ms, past.cpu, applied.cores, recommended.cores, "cores");
  chart($("chart-memory"), past.at_ms, past.memory, applied.memory_bytes, recommended.memory_bytes, "GiB");
}

function chart(place, times, ratios, size, advised, unit) {
  const W = place.clientWidth || 600, H = 220, LEFT = 74, RIGHT = 10, TOP = 12, BOTTOM = 26;
  const known = size !== null && size !== undefined;
  const limit = known ? size : 1;
  const name = known ? unit : "ratio";
  const values = ratios.map((value) => value === null ? null : value * limit);
  const there = values.filter((value) => value !== null);
  if (!there.length) {
    place.replaceChildren(make("p", { class: "quiet" }, "nothing was measured yet"));
    return;
  }
  const draws = known && advised ? advised : 0;
  const top = Math.max(limit, draws, ...there) * 1.08;
  const first = times[0], span = Math.max(times[times.length - 1] - first, 1);
  const x = (at) => LEFT + (at - first) / span * (W - LEFT - RIGHT);
  const y = (value) => TOP + (1 - value / top) * (H - TOP - BOTTOM);
  const last = there[there.length - 1];
  const svg = draw("svg", { viewBox: `0 0 ${W} ${H}`, role: "img",
    "aria-label": `now ${shown(last, name)} of ${shown(limit, name)}` + (draws ? `, recommended ${shown(draws, name)}` : "") });
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const value = limit * share;
    svg.append(draw("line", { class: "grid", x1: LEFT, x2: W - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(draw("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, shown(value, name)));
  }
  svg.append(draw("line", { class: "limit", x1: LEFT, x2: W - RIGHT, y1: y(limit), y2: y(limit) }));
  if (draws) svg.append(draw("line", { class: "advice", x1: LEFT, x2: W - RIGHT, y1: y(draws), y2: y(draws) }));
  let path = "", pen = "M";
  values.forEach((value, number) => {
    if (value === null) { pen = "M"; return; }
    path += `${pen}${x(times[number]).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
  });
  svg.append(draw("path", { class: "use", d: path }));
  if (there.length === 1) svg.append(draw("circle", { class: "dot", cx: x(times[times.length - 1]), cy: y(last), r: 3 }));
  svg.append(draw("text", { x: LEFT, y: H - 6 }, clock(first)));
  svg.append(draw("text", { x: W - RIGHT, y: H - 6, "text-anchor": "end" }, clock(times[times.length - 1]) + " UTC"));
  const legend = make("div", { class: "legend" }, key("use", `in use, now ${shown(last, name)}`),
    key("limit", known ? `applied ${shown(limit, name)}` : "limit"));
  if (draws) legend.append(key("advice", `recommended ${shown(draws, name)}`));
  place.replaceChildren(svg, legend);
}

function key(kind, text) {
  const mark = draw("svg", { viewBox: "0 0 26 8", "aria-hidden": "true" });
  mark.append(draw("line", { class: kind, x1: 0, x2: 26, y1: 4, y2: 4 }));
  return make("span", {}, mark, text);
}

function choose(workload) {
  chosen = workload;
  $("workload").value = workload;
  if (state) showSize();
}

function tabs() { return Array.from(document.querySelectorAll("[role=tab]")); }

function select(name, focus = false) {
  for (const tab of tabs()) {
    const is = tab.id === "tab-" + name;
    tab.setAttribute("aria-selected", String(is));
    tab.tabIndex = is ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !is;
    if (is && focus) tab.focus();
  }
  if (name === "size" && state) showSize();
}

function show(found) {
  state = found;
  const all = state.workloads.flatMap((item) => item.alerts);
  const count = (phase) => all.filter((alert) => alert.phase === phase).length;
  const firing = count("firing");
  $("count").hidden = firing === 0;
  $("count").textContent = String(firing);
  $("status").textContent = state.round === 0 ? "waiting for the first round"
    : `${state.workloads.length} workloads · ${firing} firing · ${count("pending")} pending · `
      + `round ${state.round} at ${clock(state.at_ms)} UTC`;
  document.title = (firing ? `(${firing}) ` : "") + "Rightsizing monitor";
  showChoices();
  showKpis();
  showAlerts();
  showRollout();
  if (!$("view-size").hidden) showSize();
}

$("tabs").addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (tab) select(tab.id.slice(4));
});
$("tabs").addEventListener("keydown", (event) => {
  const all = tabs(), now = all.indexOf(document.activeElement);
  const to = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined || now < 0) return;
  event.preventDefault();
  select(all[(to + all.length) % all.length].id.slice(4), true);
});
$("filter").addEventListener("input", () => { if (state) showKpis(); });
$("workload").addEventListener("change", (event) => choose(event.target.value));
window.addEventListener("resize", () => { if (state && !$("view-size").hidden) showSize(); });

async function refresh() {
  const answer = await fetch("/state");
  show(await answer.json());
}
const events = new EventSource("/events");
events.addEventListener("round", (event) => show(JSON.parse(event.data)));
events.addEventListener("open", () => { refresh().catch(() => {}); });
events.addEventListener("error", () => {
  $("status").textContent = "the monitor does not answer; what is shown may be old";
});
refresh().catch(() => {});
