// Where the single runs of each condition end: one dot a run, and the condition's fraction or IQM with its interval.

const ROW = 44; // pixels of a condition
const shownSeeds = { metric: firstMetric };

// The same place in its row for a run every time, between -0.5 and 0.5.
const jitter = (row) => ((row * 0.61803398875) % 1) - 0.5;

function drawDistributions(width, holder) {
  const { grid, ink, faint } = theme();
  const { metric } = shownSeeds, goal = metric === data.goal;
  const values = runs.last[metric], domain = goal ? [0, 1] : extent(values);
  const place = (at) => (at + 0.68) * ROW;
  const height = conditions.length * ROW + 34;
  const means = conditions.map((one, at) => ({ one, y: place(at), estimate: one.ends[metric]?.estimate[0], low: one.ends[metric]?.low[0], high: one.ends[metric]?.high[0] }));
  const made = plot({
    width, height, marginLeft: 10, marginRight: 14, marginTop: 4, marginBottom: 34,
    x: { domain, label: `${words(metric)} at the last evaluation`, nice: true, tickFormat: goal ? "%" : number, ticks: Math.floor(width / 90) },
    y: { domain: [conditions.length * ROW, 0], axis: null },
    marks: [
      Plot.gridX({ stroke: grid, strokeOpacity: 1, ticks: Math.floor(width / 90) }),
      Plot.text(means, { frameAnchor: "left", y: (d) => d.y - 0.42 * ROW, text: (d) => distributionTitle(d.one), textAnchor: "start", fill: ink, stroke: theme().paper, strokeWidth: 4 }),
      Plot.ruleY(means.filter((d) => Number.isFinite(d.low)), { y: "y", x1: "low", x2: "high", stroke: ink, strokeWidth: 2.5 }),
      Plot.dot(means.filter((d) => Number.isFinite(d.estimate)), { x: "estimate", y: "y", r: 5, fill: (d) => shade(d.one.colour), stroke: ink, strokeWidth: 1.5 }),
    ],
  });
  const spots = dotsOf((row) => values[row], (row) => place(runs.condition[row]) + jitter(row) * 0.36 * ROW, made);
  const layers = layered(made, (context) => paintDots(context, spots, faint));
  openOnClick(layers, spots);
  holder.append(layers);
}

function distributionTitle(one) {
  const at = conditions.indexOf(one);
  let count = 0, diverged = 0;
  for (let row = 0; row < runs.count; row++) {
    if (runs.condition[row] !== at) continue;
    count++;
    if (statusOf(row) === "diverged") diverged++;
  }
  return `${one.label} · ${count} ${count === 1 ? "run" : "runs"}${diverged ? `, ${diverged} diverged` : ""}`;
}

// Places of runs on a plot, by its scales; runs without a value have none.
function dotsOf(xOf, yOf, made) {
  const x = made.scale("x"), y = made.scale("y"), spots = [];
  for (let row = 0; row < runs.count; row++) {
    const at = x.apply(xOf(row)), up = y.apply(yOf(row));
    if (Number.isFinite(at) && Number.isFinite(up)) spots.push({ row, x: at, y: up });
  }
  return spots;
}

function paintDots(context, spots, faint) {
  const colours = conditions.map((one) => shade(one.colour));
  for (const chosen of [0, 1]) {
    context.globalAlpha = chosen ? 0.6 : 0.25;
    for (const { row, x, y } of spots) {
      if (selected[row] !== chosen) continue;
      context.fillStyle = chosen ? colours[runs.condition[row]] : faint;
      context.beginPath();
      context.arc(x, y, chosen ? 2.6 : 1.6, 0, 2 * Math.PI);
      context.fill();
    }
  }
  context.globalAlpha = 1;
}

const REACH = 12; // pixels from which a click still means a dot

function openOnClick(layers, spots) {
  const nearest = (event) => {
    const box = layers.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const found = d3.least(spots, (spot) => Math.hypot(spot.x - x, spot.y - y));
    return found && Math.hypot(found.x - x, found.y - y) <= REACH ? found.row : null;
  };
  layers.onclick = (event) => {
    const row = nearest(event);
    if (row !== null) openRun(row);
  };
  layers.onmousemove = (event) => { layers.style.cursor = nearest(event) === null ? "" : "pointer"; };
}

function describeDistributions() {
  const { metric } = shownSeeds;
  const said = conditions.slice(0, 8).map((one) => one.ends[metric] ? `${distributionTitle(one)}, ${curveTitle(metric)} ${metricText(metric, one.ends[metric].estimate[0])}` : `${distributionTitle(one)}, without a value`);
  return `Last ${words(metric)} of every run, by condition: ${said.join("; ")}.`;
}

function startDistributions() {
  const redraw = makeFigure("seeds-figure", {
    draw: drawDistributions, describe: describeDistributions,
    rows: () => Array.from({ length: runs.count }, (_, row) => ({ condition: conditionOf(row).label, run: runs.number[row], seed: runs.seed[row], status: statusOf(row), ...Object.fromEntries(data.metrics.map((name) => [name, runs.last[name][row]])) })),
  });
  chooseMetric("seeds-metric", data.metrics, curveTitle, shownSeeds, redraw);
}
