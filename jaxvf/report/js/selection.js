// Which runs are selected: all that pass every filter. Whatever draws runs listens.

const filters = new Map(); // by axis: a range [low, high], or a set of levels
const selected = new Uint8Array(runs.count).fill(1);
const listeners = [];
let announced = 0;

// What runs can be filtered by: fields in which they differ, their status, and what they reached.
const axes = [
  ...fields.map((field) => ({
    name: field.name, title: titleOf(field.name), levels: field.levels, texts: field.texts, values: field.numbers ?? field.codes,
  })),
  ...(data.statuses.length > 1
    ? [{ name: "status", title: "status", levels: data.statuses, values: runs.status }] : []),
  ...data.metrics.map((name) => ({ name: `last:${name}`, title: words(name), levels: undefined, values: runs.last[name] })),
];
axes.push({ name: "condition", title: "condition", levels: conditions.map((one) => one.label), values: runs.condition, hidden: true });

const axisNamed = (name) => axes.find((axis) => axis.name === name);
const isFiltered = () => filters.size > 0;
const selectedCount = () => selected.reduce((sum, one) => sum + one, 0);

function passes(axis, filter, row) {
  const value = axis.values[row];
  return axis.levels ? filter.has(value) : value >= filter[0] && value <= filter[1];
}

// Set or, with null, lift the filter of an axis; everything is drawn again in the next frame.
function setFilter(name, filter) {
  if (filter === null) filters.delete(name);
  else filters.set(name, filter);
  changed();
}

function clearFilters() {
  filters.clear();
  changed();
}

function changed() {
  const active = [...filters].map(([name, filter]) => [axisNamed(name), filter]);
  for (let row = 0; row < runs.count; row++) {
    selected[row] = active.every(([axis, filter]) => passes(axis, filter, row)) ? 1 : 0;
  }
  if (!announced) announced = requestAnimationFrame(announce);
}

function announce() {
  announced = 0;
  performance.mark("selection-begun");
  for (const listener of listeners) listener();
  performance.mark("selection-drawn");
}

const onSelection = (listener) => listeners.push(listener);

// What a filter admits, in words.
function filterWords(name, filter) {
  const axis = axisNamed(name);
  if (!axis.levels) {
    const [low, high] = filter;
    return low === -Infinity ? `${axis.title} at most ${number(high)}`
      : high === Infinity ? `${axis.title} at least ${number(low)}` : `${axis.title} from ${number(low)} to ${number(high)}`;
  }
  return `${axis.title}: ${[...filter].map((level) => axis.levels[level]).join(" or ") || "none"}`;
}

// Interquartile mean, as jaxvf.results.statistics.iqm: quarters that cut through a value leave it a fraction.
function iqm(values) {
  const sorted = Float64Array.from(values).filter((value) => !Number.isNaN(value)).sort();
  const n = sorted.length;
  let sum = 0;
  for (let at = 0; at < n; at++) {
    const weight = Math.max(Math.min(at + 1, 0.75 * n) - Math.max(at, 0.25 * n), 0);
    if (weight > 0) sum += weight * sorted[at];
  }
  return n ? sum / (n / 2) : NaN;
}

// What the selected runs reached, in a sentence.
function selectionSentence() {
  const count = selectedCount();
  const all = runs.count.toLocaleString("en");
  if (!isFiltered()) return runs.count === 1 ? "One run." : `All ${all} runs.`;
  const rows = [...selected.keys()].filter((row) => selected[row]);
  const judged = rows.filter((row) => statusOf(row) === "diverged" || hasCurve(row));
  const parts = [`${count.toLocaleString("en")} of ${all} runs selected`];
  if (data.goal && judged.length) {
    const reached = judged.filter((row) => runs.last[data.goal][row] >= data.reached).length;
    parts.push(`${percent(reached / judged.length)} ${document.body.dataset.goalWords || "reach the goal"}`);
  }
  const score = iqm(judged.map((row) => runs.last[data.main][row]));
  if (Number.isFinite(score)) parts.push(`IQM of ${words(data.main)} ${number(score)}`);
  return `${parts.join("; ")} (a choice after the fact, so without intervals).`;
}

function showSelection() {
  document.getElementById("selection-status").textContent = selectionSentence();
  document.getElementById("clear").disabled = !isFiltered();
  const list = document.getElementById("selection-filters");
  list.replaceChildren(...[...filters].map(([name, filter]) => {
    const button = element("button", { type: "button", class: "chip" }, `${filterWords(name, filter)} ×`);
    button.setAttribute("aria-label", `Lift the filter ${filterWords(name, filter)}`);
    button.onclick = () => setFilter(name, null);
    return element("li", {}, button);
  }));
}
