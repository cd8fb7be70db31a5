// How the outcome depends on what the sweep varied: along one field, and over two.

const responses = {
  groups: data.responses.groups.map((group) => ({ ...group, rows: unpack(group.rows) })),
  scales: data.responses.scales.map((scale) => ({
    ...scale, places: unpack(scale.places), codes: unpack(scale.codes),
    lines: scale.lines.map((line) => ({ runs: line.runs, goal: interval(line.goal), score: interval(line.score) })),
  })),
  maps: data.responses.maps.map((map) => ({ ...map, runs: unpack(map.runs), values: unpack(map.values) })),
};
const learnerLook = new Map(conditions.map((one) => [one.learner, one]));
const shownResponse = { scale: 0, outcome: data.goal ? "goal" : "score", map: 0 };

const outcomeTitle = (outcome) => outcome === "goal"
  ? `fraction of runs that ${document.body.dataset.goalWords || "reach the goal"}` : `IQM of ${words(data.main)}`;

function linePoints(scale, outcome) {
  return responses.groups.flatMap((group, at) => {
    const line = scale.lines[at], { estimate, low, high } = line[outcome];
    return scale.levels.map((level, place) => ({
      group: group.title, env: group.env, learner: group.learner, level, x: scale.places[place], runs: line.runs[place],
      estimate: estimate[place], low: low[place], high: high[place],
    })).filter((point) => point.runs > 0 && Number.isFinite(point.estimate));
  });
}

// Of numbers that span orders of magnitude the logarithm is evenly spaced.
function isLogarithmic(scale) {
  const [low, high] = d3.extent(scale.places);
  return scale.number && low > 0 && high / low >= 20;
}

function responsePanel(env, points, scale, outcome, width) {
  const { grid, faint, paper } = theme();
  const look = (d) => learnerLook.get(d.learner);
  const inside = points.filter((point) => point.env === env);
  const groups = [...d3.group(inside, (d) => d.group).values()];
  const dots = outcome === "score", written = outcome === "goal" ? percent : number;
  const values = runs.last[data.main];
  const rows = responses.groups.filter((group) => group.env === env).flatMap((group) => Array.from(group.rows));
  const y = outcome === "goal" ? [0, 1] : extent([...rows.map((row) => values[row]), ...inside.flatMap((d) => [d.low, d.high].filter(Number.isFinite))]);
  const ticks = scale.number && scale.levels.length <= 8 ? { ticks: Array.from(scale.places) } : {};
  const x = scale.number
    ? { type: isLogarithmic(scale) ? "log" : "linear", domain: padded(scale), label: scale.name, tickFormat: (v) => number(v), ...ticks }
    : { type: "linear", domain: [-0.5, scale.levels.length - 0.5], label: scale.name, ticks: scale.levels.map((_, at) => at), tickFormat: (at) => scale.levels[at] };
  const made = plot({
    width, height: Math.round(Math.min(320, Math.max(210, 0.66 * width))), marginLeft: 48, marginBottom: 38, marginTop: 10, x: { ...x, grid: false },
    y: { domain: y, label: null, ticks: 5, tickFormat: outcome === "goal" ? "%" : number },
    marks: [
      Plot.gridY({ stroke: grid, strokeOpacity: 1, ticks: 5 }),
      ...groups.flatMap((line, at) => {
        // Beside each other, so that one interval does not hide another.
        const style = { x: "x", dx: 7 * (at - (groups.length - 1) / 2), stroke: shade(look(line[0]).colour) };
        return [
          Plot.ruleX(line.filter((d) => Number.isFinite(d.low)), { ...style, y1: "low", y2: "high", strokeWidth: 2.5, strokeOpacity: 0.75 }),
          Plot.line(line, { ...style, y: "estimate", strokeDasharray: DASHES[look(line[0]).dash], strokeWidth: 2 }),
          Plot.dot(line, { ...style, y: "estimate", fill: style.stroke, stroke: paper, r: 4.5 }),
        ];
      }),
      Plot.tip(inside, Plot.pointer({ x: "x", y: "estimate", fill: paper, stroke: faint, title: (d) => `${d.group}\n${scale.name} ${d.level}: ${written(d.estimate)} [${written(d.low)}, ${written(d.high)}]\n${d.runs} runs` })),
    ],
  });
  if (!dots) return made;
  const field = fields.find((one) => one.name === scale.name);
  const within = new Set(rows);
  const step = Math.abs(made.scale("x").apply(scale.places.at(-1)) - made.scale("x").apply(scale.places[0])) / Math.max(1, scale.levels.length - 1);
  const spots = dotsOf((row) => within.has(row) ? (field.numbers ?? field.codes)[row] : NaN, (row) => values[row], made)
    .map((spot) => ({ ...spot, x: spot.x + jitter(spot.row) * Math.min(14, 0.3 * step) }));
  const layers = layered(made, (context) => paintDots(context, spots, faint));
  openOnClick(layers, spots);
  return layers;
}

function padded(scale) {
  const field = fields.find((one) => one.name === scale.name);
  const [low, high] = d3.extent(field.numbers, (value) => Number.isNaN(value) ? undefined : value);
  if (isLogarithmic(scale)) {
    const share = (high / low) ** 0.05;
    return [low / share, high * share];
  }
  return [low - 0.05 * (high - low), high + 0.05 * (high - low)];
}

function drawResponse(width, holder) {
  const scale = responses.scales[shownResponse.scale], outcome = shownResponse.outcome;
  const points = linePoints(scale, outcome);
  const envs = [...new Set(responses.groups.map((group) => group.env))], each = panelWidth(width, envs.length);
  holder.append(legend(learnersOf(conditions)));
  holder.append(element("div", { class: "panels" }, ...envs.map((env) =>
    panelOf(each, element("div", { class: "panel-title" }, `${env}: ${outcomeTitle(outcome)}`), responsePanel(env, points, scale, outcome, each)))));
}

function describeResponse() {
  const scale = responses.scales[shownResponse.scale];
  const best = responses.groups.map((group) => d3.greatest(linePoints(scale, shownResponse.outcome).filter((d) => d.group === group.title), (d) => d.estimate))
    .filter((d) => d !== undefined).slice(0, 8).map((d) => `${d.group} is best at ${d.level} with ${shownResponse.outcome === "goal" ? percent(d.estimate) : number(d.estimate)}`);
  return `${outcomeTitle(shownResponse.outcome)} against ${scale.name}: ${best.join("; ")}.`;
}

const CELL = { low: "#ffffd9", text: (value, low, high) => (value - low) / (high - low || 1) > 0.55 ? "#ffffff" : "#222222" };

function mapCells(map) {
  const across = responses.scales[map.across], down = responses.scales[map.down];
  const columns = across.levels.length, size = columns * down.levels.length;
  return responses.groups.flatMap((group, at) => Array.from({ length: size }, (_, cell) => ({
    group, row: Math.floor(cell / columns), column: cell % columns,
    value: map.values[at * size + cell], runs: map.runs[at * size + cell],
  })).filter((cell) => cell.runs > 0 && Number.isFinite(cell.value)));
}

function drawMap(width, holder) {
  const map = responses.maps[shownResponse.map], across = responses.scales[map.across], down = responses.scales[map.down];
  const cells = mapCells(map), domain = data.goal ? [0, 1] : extent(cells.map((cell) => cell.value));
  const groups = responses.groups.filter((group) => cells.some((cell) => cell.group === group));
  if (!groups.length) holder.append(element("p", {}, "No run that can be judged has a value of both."));
  const each = panelWidth(width, groups.length);
  const longest = Math.max(...down.levels.map((level) => level.length));
  holder.append(element("div", { class: "panels" }, ...groups.map((group) => {
    const inside = cells.filter((cell) => cell.group === group);
    const made = plot({
      width: each, height: 58 + 34 * down.levels.length, marginLeft: Math.min(0.4 * each, 24 + 6.2 * longest), marginBottom: 46, marginTop: 8,
      padding: 0.04, x: { type: "band", domain: d3.range(across.levels.length), label: across.name, tickFormat: (at) => across.levels[at], tickRotate: across.levels.some((level) => level.length > 6) ? -20 : 0 },
      y: { type: "band", domain: d3.range(down.levels.length).reverse(), label: down.name, tickFormat: (at) => down.levels[at] },
      color: { type: "linear", domain, scheme: "ylgnbu" },
      marks: [
        Plot.cell(inside, { x: "column", y: "row", fill: "value" }),
        Plot.text(inside, { x: "column", y: "row", fill: (d) => CELL.text(d.value, ...domain), text: (d) => data.goal ? percent(d.value) : number(d.value) }),
      ],
    });
    made.querySelectorAll("rect").forEach((rect, at) => markCell(rect, inside[at], across, down));
    return panelOf(each, element("div", { class: "panel-title" }, group.title), made);
  })));
}

// A cell is chosen by a click; cells without a selected run are pale.
function markCell(rect, cell, across, down) {
  const members = Array.from(cell.group.rows).filter((row) => across.codes[row] === cell.column && down.codes[row] === cell.row);
  rect.style.cursor = "pointer";
  rect.append(Object.assign(document.createElementNS("http://www.w3.org/2000/svg", "title"), { textContent: `${cell.group.title}, ${across.name} ${across.levels[cell.column]}, ${down.name} ${down.levels[cell.row]}: ${data.goal ? percent(cell.value) : number(cell.value)}, ${cell.runs} runs` }));
  rect.onclick = () => {
    for (const [scale, code] of [[across, cell.column], [down, cell.row]]) {
      const axis = axisNamed(scale.name), values = members.map((row) => axis.values[row]);
      setFilter(scale.name, axis.levels ? new Set(values) : d3.extent(values));
    }
    const learner = axisNamed("algorithm");
    if (learner) setFilter("algorithm", new Set([learner.levels.indexOf(cell.group.learner)]));
  };
  rect.pale = () => { rect.style.opacity = members.some((row) => selected[row]) ? "" : "0.25"; };
  rect.pale();
}

function describeMap() {
  const map = responses.maps[shownResponse.map], across = responses.scales[map.across], down = responses.scales[map.down];
  const best = d3.greatest(mapCells(map), (cell) => cell.value);
  return `Heat map of ${outcomeTitle(data.goal ? "goal" : "score")} over ${across.name} and ${down.name}. ` +
    (best ? `Best: ${best.group.title} at ${across.name} ${across.levels[best.column]}, ${down.name} ${down.levels[best.row]} with ${data.goal ? percent(best.value) : number(best.value)}.` : "No run that can be judged has a value of both.");
}

function startResponses() {
  if (!responses.scales.length) return;
  const redraw = makeFigure("response-figure", {
    draw: drawResponse, describe: describeResponse,
    rows: () => linePoints(responses.scales[shownResponse.scale], shownResponse.outcome).map(({ group, level, runs: judged, estimate, low, high }) => ({
      group, [responses.scales[shownResponse.scale].name]: level, outcome: outcomeTitle(shownResponse.outcome), runs: judged, estimate, low, high })),
  });
  const choose = (id, options, act) => {
    const list = document.getElementById(id);
    list.append(...options.map(([value, text]) => element("option", { value }, text)));
    list.onchange = () => act(list.value);
  };
  choose("response-field", responses.scales.map((scale, at) => [at, scale.name]), (value) => { shownResponse.scale = +value; redraw(); });
  choose("response-outcome", [...(data.goal ? [["goal", outcomeTitle("goal")]] : []), ["score", outcomeTitle("score")]],
    (value) => { shownResponse.outcome = value; redraw(); });
  if (!responses.maps.length) return;
  const remap = makeFigure("map-figure", {
    draw: drawMap, describe: describeMap,
    repaint: () => document.querySelectorAll("#map-figure rect").forEach((rect) => rect.pale?.()),
    rows: () => {
      const map = responses.maps[shownResponse.map], across = responses.scales[map.across], down = responses.scales[map.down];
      return mapCells(map).map((cell) => ({ group: cell.group.title, [across.name]: across.levels[cell.column], [down.name]: down.levels[cell.row], runs: cell.runs, value: cell.value }));
    },
  });
  choose("map-fields", responses.maps.map((map, at) => [at, `${responses.scales[map.across].name} × ${responses.scales[map.down].name}`]),
    (value) => { shownResponse.map = +value; remap(); });
}
