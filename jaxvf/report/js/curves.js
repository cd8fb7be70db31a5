// Learning curves: a panel for each setting, a line with its band for each learner, single runs on a canvas below.

const shownCurves = { metric: firstMetric, single: false };

function curveDomain(metric, env) {
  const members = conditions.filter((one) => one.env === env);
  const ends = members.flatMap((one) => one.bands[metric].flatMap((band) =>
    [...band.low, ...band.high, ...band.estimate].filter(Number.isFinite)));
  if (metric === data.goal) return [0, 1];
  const values = runs.curves[metric].filter((_, at) => conditionOf(Math.floor(at / evaluations)).env === env);
  const [low, high] = extent(values, 0.02); // a few wild runs do not squeeze all others; they are cut off
  return extent([...ends, low, high]);
}

function bandPoints(one, metric) {
  return one.bands[metric].flatMap((band, part) => Array.from(band.steps, (steps, at) => ({
    steps, part, learner: one.learner, estimate: band.estimate[at], low: band.low[at], high: band.high[at],
  })));
}

function curvePanel(panel, members, width, metric, domains) {
  const env = members[0].env, { faint, grid, context } = theme();
  const others = conditions.filter((one) => one.env === env && one.panel !== panel);
  const lines = members.map((one) => ({ one, points: bandPoints(one, metric) }));
  const single = lines.every(({ points }) => points.length < 2);
  const made = plot({
    width, height: Math.round(Math.min(300, Math.max(190, 0.62 * width))), marginLeft: 48, marginBottom: 36, marginTop: 10,
    x: { domain: domains.x, label: "environment steps", tickFormat: stepsText, ticks: Math.floor(width / 80) },
    y: { domain: domains.y, label: null, ticks: 5, tickFormat: metric === data.goal ? "%" : number },
    clip: true,
    marks: [
      Plot.gridY({ stroke: grid, strokeOpacity: 1, ticks: 5 }),
      ...others.map((one) => Plot.line(bandPoints(one, metric), { x: "steps", y: "estimate", z: "part", stroke: context, strokeWidth: 1, strokeOpacity: 0.6, clip: true })),
      ...lines.map(({ one, points }) => Plot.areaY(points, { x: "steps", y1: "low", y2: "high", z: "part", fill: shade(one.colour), fillOpacity: 0.2, clip: true })),
      ...lines.map(({ one, points }) => single
        ? Plot.dot(points, { x: "steps", y: "estimate", fill: shade(one.colour), r: 4 })
        : Plot.line(points, { x: "steps", y: "estimate", z: "part", stroke: shade(one.colour), strokeWidth: 2.2, strokeDasharray: DASHES[one.dash], clip: true })),
      Plot.tip(lines.flatMap(({ points }) => points), Plot.pointer({
        x: "steps", y: "estimate", fill: theme().paper, stroke: faint,
        title: (d) => `${d.learner}\n${number(d.steps)} steps\n${metricText(metric, d.estimate)} [${metricText(metric, d.low)}, ${metricText(metric, d.high)}]`,
      })),
    ],
  });
  const places = new Set(members.map((one) => conditions.indexOf(one)));
  return layered(made, (brush) => paintRuns(brush, made, places, metric));
}

// The curves of single runs: those that are selected, or all where they are asked for.
function paintRuns(context, made, places, metric) {
  if (!shownCurves.single && !isFiltered()) return;
  const x = made.scale("x"), y = made.scale("y"), values = runs.curves[metric];
  const [left, right] = x.range, [bottom, top] = y.range;
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  context.lineWidth = 0.8;
  context.globalAlpha = 0.45;
  for (const place of places) {
    context.strokeStyle = shade(conditions[place].colour);
    for (let row = 0; row < runs.count; row++) {
      if (runs.condition[row] !== place || !selected[row]) continue;
      const steps = data.axes[runs.axis[row]];
      context.beginPath();
      for (let at = 0; at < evaluations && (at === 0 || steps[at] > steps[at - 1]); at++) {
        const value = values[row * evaluations + at];
        if (Number.isFinite(value)) context.lineTo(x.apply(steps[at]), y.apply(value));
      }
      context.stroke();
    }
  }
  context.restore();
}

function drawCurves(width, holder) {
  const panels = panelsOf(conditions), each = panelWidth(width, panels.length), metric = shownCurves.metric;
  const last = d3.rollup(d3.range(runs.count), (rows) => d3.max(rows, (row) => data.axes[runs.axis[row]].at(-1)), (row) => conditionOf(row).env);
  const domains = new Map();
  holder.append(legend(learnersOf(conditions)));
  const grid = element("div", { class: "panels" });
  for (const [panel, members] of panels) {
    const env = members[0].env;
    if (!domains.has(env)) domains.set(env, { x: [0, last.get(env)], y: curveDomain(metric, env) });
    grid.append(panelOf(each, element("div", { class: "panel-title" }, panel),
      curvePanel(panel, members, each, metric, domains.get(env))));
  }
  holder.append(grid);
}

const curveTitle = (metric) => metric === data.goal ? outcomeTitle("goal") : `IQM of ${words(metric)}`;

function describeCurves() {
  const said = conditions.slice(0, 8).map((one) => {
    const points = bandPoints(one, shownCurves.metric);
    return points.length ? `${one.label} begins at ${metricText(shownCurves.metric, points[0].estimate)} and ends at ${metricText(shownCurves.metric, points.at(-1).estimate)}` : `${one.label} has no evaluation`;
  });
  return `Learning curves, ${curveTitle(shownCurves.metric)}: ${said.join("; ")}${conditions.length > 8 ? "; and others" : ""}.`;
}

function curveRows() {
  return conditions.flatMap((one) => bandPoints(one, shownCurves.metric).map((point) => ({
    condition: one.label, metric: shownCurves.metric, env_steps: point.steps, estimate: point.estimate, low: point.low, high: point.high,
  })));
}

function startCurves() {
  const redraw = makeFigure("curves-figure", { draw: drawCurves, describe: describeCurves, rows: curveRows });
  const single = document.getElementById("single-runs");
  single.onchange = () => { shownCurves.single = single.checked; redraw(); };
  chooseMetric("curve-metric", data.metrics, curveTitle, shownCurves, redraw);
}
