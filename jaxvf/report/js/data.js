// The data of the page: arrays out of base64, and how numbers are written.

const data = JSON.parse(document.getElementById("data").textContent);

const TYPES = {
  float16: Uint16Array, float32: Float32Array, float64: Float64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int32: Int32Array,
};

// IEEE 754 half precision by its 16 bits.
const HALVES = (() => {
  const values = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent === 0 ? fraction * 2 ** -24
      : exponent < 31 ? (1 + fraction / 1024) * 2 ** (exponent - 15)
      : fraction ? NaN : Infinity;
    values[bits] = bits & 32768 ? -size : size;
  }
  return values;
})();

function bytesOf(text) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
  return bytes;
}

// An array of {type, shape, data}, flat, row by row.
function unpack(packed) {
  const stored = new TYPES[packed.type](bytesOf(packed.data).buffer);
  return packed.type === "float16" ? Float32Array.from(stored, (bits) => HALVES[bits]) : stored;
}

const interval = (packed) => ({
  estimate: unpack(packed.estimate), low: unpack(packed.low), high: unpack(packed.high),
});

const runs = {
  count: data.count,
  number: unpack(data.run), seed: unpack(data.seed), status: unpack(data.status), source: unpack(data.source),
  condition: unpack(data.condition), axis: unpack(data.axis),
  last: Object.fromEntries(data.metrics.map((name) => [name, unpack(data.last[name])])),
  curves: Object.fromEntries(data.metrics.map((name) => [name, unpack(data.curves[name])])),
};
const evaluations = data.axes[0].length;
const fields = data.fields.map((field) => ({
  name: field.name, levels: field.levels, texts: field.texts ?? field.levels, // short for the page, and whole
  numbers: field.numbers && unpack(field.numbers), codes: field.codes && unpack(field.codes),
}));
const conditions = data.conditions.map((condition) => ({
  ...condition,
  ends: Object.fromEntries(Object.entries(condition.ends).map(([metric, end]) => [metric, end && interval(end)])),
  bands: Object.fromEntries(Object.entries(condition.bands).map(([metric, bands]) =>
    [metric, bands.map((band) => ({ steps: unpack(band.steps), ...interval(band) }))])),
}));

const statusOf = (row) => data.statuses[runs.status[row]];
const conditionOf = (row) => conditions[runs.condition[row]];
const hasCurve = (row) => Number.isFinite(runs.curves[data.main][row * evaluations]);

// What figures show first: whether runs reach their goal, where that is known, for a return may not tell.
const firstMetric = data.goal ?? data.main;

const words = (name) => name.replaceAll("_", " ");
const TITLES = { env: "environment", algorithm: "learner" };
const titleOf = (name) => TITLES[name] ?? name;

// A number in as few characters as tell it from its neighbours, with a true minus sign.
function number(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = value !== 0 && (size < 1e-4 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  return text.replaceAll("-", "−");
}
// A share as a whole percentage, without a 100 % that is not all and a 0 % that is not none.
const percent = (value) => Number.isNaN(value) ? "–"
  : `${value > 0 && value < 1 ? Math.min(Math.max(Math.round(100 * value), 1), 99) : Math.round(100 * value)} %`;

// A value of a metric: shares of the goal in per cent.
const metricText = (metric, value) => metric === data.goal ? percent(value) : number(value);

// The value of a field of a run, as text.
function fieldText(field, row) {
  if (!field.numbers) return field.levels[field.codes[row]];
  return Number.isNaN(field.numbers[row]) ? "none" : number(field.numbers[row]);
}
