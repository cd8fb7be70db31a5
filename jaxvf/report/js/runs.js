// The table of runs: sorted by any column, cut to the selection, a page at a time; and one run in a dialog.

const PAGE = 25;
const shownRuns = { key: "run", ascending: true, page: 0 };

const columns = [
  { key: "run", title: "run", value: (row) => runs.number[row] },
  ...(data.sources.length > 1 && !fields.some((field) => field.name === "directory")
    ? [{ key: "directory", title: "directory", value: (row) => data.sources[runs.source[row]] }] : []),
  ...fields.map((field) => ({
    key: field.name, title: titleOf(field.name), value: (row) => field.numbers ? field.numbers[row] : field.texts[field.codes[row]],
    text: (row) => fieldText(field, row),
  })),
  { key: "seed", title: "seed", value: (row) => runs.seed[row] },
  { key: "status", title: "status", value: statusOf },
  ...data.metrics.map((name) => ({ key: `last:${name}`, title: `last ${words(name)}`, value: (row) => runs.last[name][row], text: (row) => number(runs.last[name][row]) })),
];

const replaysOf = d3.group(data.replays, (replay) => replay.row);

function orderedRows() {
  const { value } = columns.find((column) => column.key === shownRuns.key);
  const rows = [...selected.keys()].filter((row) => selected[row]);
  const keys = new Map(rows.map((row) => [row, value(row)]));
  const sign = shownRuns.ascending ? 1 : -1;
  // What has no value stands last, whichever way the table is sorted.
  const isMissing = (key) => typeof key === "number" && Number.isNaN(key);
  return rows.sort((a, b) => {
    const [x, y] = [keys.get(a), keys.get(b)];
    if (isMissing(x) || isMissing(y)) return isMissing(x) - isMissing(y) || a - b;
    return (x < y ? -sign : x > y ? sign : 0) || a - b;
  });
}

function showRuns() {
  const rows = orderedRows(), pages = Math.max(1, Math.ceil(rows.length / PAGE));
  shownRuns.page = Math.min(shownRuns.page, pages - 1);
  const first = shownRuns.page * PAGE, shown = rows.slice(first, first + PAGE);
  document.getElementById("runs-body").replaceChildren(...shown.map((row) => {
    const open = element("button", { type: "button", class: "link" }, String(runs.number[row]));
    open.setAttribute("aria-label", `Show run ${runs.number[row]}${replaysOf.has(row) ? " with its replay" : ""}`);
    open.onclick = () => openRun(row);
    const cells = columns.map((column) => column.key === "run"
      ? element("th", { scope: "row" }, open, replaysOf.has(row) ? " ▶" : "")
      : element("td", {}, column.key === "status" && statusOf(row) !== "finished" ? element("strong", { class: `status ${statusOf(row)}` }, `${statusOf(row) === "diverged" ? "✕ " : ""}${statusOf(row)}`) : String(column.text ? column.text(row) : column.value(row))));
    return element("tr", { class: statusOf(row) === "diverged" ? "diverged" : "" }, ...cells);
  }));
  document.getElementById("runs-range").textContent = rows.length
    ? `Runs ${first + 1} to ${first + shown.length} of ${rows.length.toLocaleString("en")}` : "No run is selected";
  document.getElementById("runs-back").disabled = shownRuns.page === 0;
  document.getElementById("runs-on").disabled = shownRuns.page >= pages - 1;
  for (const header of document.querySelectorAll("#runs-head th")) {
    const sorted = header.dataset.key === shownRuns.key;
    header.setAttribute("aria-sort", !sorted ? "none" : shownRuns.ascending ? "ascending" : "descending");
  }
}

// The selected runs in the order of the table, names in full.
function runsCsv() {
  const shown = columns.filter((column) => column.key !== "directory");
  return csvTable(["directory", ...shown.map((column) => column.title)],
    orderedRows().map((row) => [data.sources[runs.source[row]], ...shown.map((column) => column.value(row))]));
}

function startRuns() {
  document.getElementById("runs-head").append(...columns.map((column) => {
    const button = element("button", { type: "button" }, column.title);
    button.onclick = () => {
      shownRuns.ascending = shownRuns.key === column.key ? !shownRuns.ascending : true;
      Object.assign(shownRuns, { key: column.key, page: 0 });
      showRuns();
    };
    return element("th", { scope: "col", "data-key": column.key }, button);
  }));
  document.getElementById("runs-back").onclick = () => { shownRuns.page--; showRuns(); };
  document.getElementById("runs-on").onclick = () => { shownRuns.page++; showRuns(); };
  document.getElementById("runs-csv").onclick = () => save("runs.csv", "text/csv", runsCsv());
  onSelection(() => { shownRuns.page = 0; showRuns(); });
  showRuns();
}

async function unzipped(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

function openRun(row) {
  const dialog = document.getElementById("run-dialog"), body = document.getElementById("run-body");
  document.getElementById("run-title").textContent = `Run ${runs.number[row]}: ${conditionOf(row).label}, seed ${runs.seed[row]}`;
  const facts = element("dl", {}, ...columns.slice(1).flatMap((column) =>
    [element("dt", {}, column.title), element("dd", {}, String(column.text ? column.text(row) : column.value(row)))]));
  const command = `${data.commands[runs.source[row]]}${runs.number[row]}`;
  body.replaceChildren(facts, ...(replaysOf.get(row) ?? []).map((replay) => replayFrame(replay)),
    ...data.metrics.map((metric) => runPlot(row, metric)),
    element("p", {}, replaysOf.has(row) ? "Another episode: " : "An episode of this run: ", element("code", {}, `${command}${replaysOf.has(row) ? " --seed 1" : ""}`)));
  dialog.showModal();
}

function runPlot(row, metric) {
  const one = conditionOf(row), steps = data.axes[runs.axis[row]], { context, grid } = theme();
  const points = steps.map((at, place) => ({ steps: at, value: runs.curves[metric][row * evaluations + place] })).filter((d) => Number.isFinite(d.value));
  const made = plot({
    width: Math.min(780, window.innerWidth - 80), height: 170, marginLeft: 48, x: { label: "environment steps", tickFormat: stepsText, ticks: 5 }, y: { label: null, ticks: 4, tickFormat: number, nice: true },
    marks: [
      Plot.gridY({ stroke: grid, strokeOpacity: 1, ticks: 4 }),
      Plot.areaY(bandPoints(one, metric), { x: "steps", y1: "low", y2: "high", z: "part", fill: context, fillOpacity: 0.35 }),
      Plot.line(bandPoints(one, metric), { x: "steps", y: "estimate", z: "part", stroke: context }),
      Plot.line(points, { x: "steps", y: "value", stroke: shade(one.colour), strokeWidth: 2 }),
      Plot.dot(points, { x: "steps", y: "value", fill: shade(one.colour), r: points.length < 2 ? 4 : 1.5 }),
    ],
  });
  const holder = element("div", { role: "img" }, made);
  holder.setAttribute("aria-label", points.length ? `${words(metric)} of this run, from ${number(points[0].value)} to ${number(points.at(-1).value)}` : `${words(metric)}: no evaluation`);
  return element("div", {}, element("div", { class: "panel-title" }, `${words(metric)}; grey: the condition`), holder);
}

// The replay's own page, in a frame that reaches nothing outside itself.
function replayFrame(replay) {
  const frame = element("iframe", { sandbox: "allow-scripts", title: `Replay of an episode, seed ${replay.seed}`, class: "replay" });
  unzipped(replay.page).then((page) => { frame.srcdoc = page; });
  return frame;
}
