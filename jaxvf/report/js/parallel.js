// Parallel coordinates: a line a run through all that runs differ in. Dragging along an axis selects runs.

const TALL = 300, EDGE = 34;
const shownAxes = axes.filter((axis) => !axis.hidden && (axis.levels ? new Set(axis.values).size > 1 : d3.some(axis.values, Number.isFinite)));

function axisScale(axis) {
  if (axis.levels) return d3.scaleLinear([-0.5, axis.levels.length - 0.5], [TALL - 24, EDGE]);
  const [low, high] = extent(axis.values);
  const finite = Array.from(axis.values).filter(Number.isFinite);
  const log = !axis.name.startsWith("last:") && low > 0 && high / low >= 20;
  return (log ? d3.scaleLog : d3.scaleLinear)(d3.extent(finite)[0] < d3.extent(finite)[1] ? d3.extent(finite) : [low, high], [TALL - 24, EDGE]);
}

function drawParallel(width, holder) {
  const { ink, faint, paper, context: pale } = theme();
  const step = Math.max(104, Math.min(220, (width - 120) / Math.max(1, shownAxes.length - 1)));
  const full = Math.max(width, 120 + step * (shownAxes.length - 1));
  const scales = shownAxes.map(axisScale);
  const x = (at) => 60 + at * step;
  // Runs of one level are spread over it, so that their number can be seen.
  const height = (at, row) => {
    const value = shownAxes[at].values[row];
    return scales[at](shownAxes[at].levels ? value + 0.6 * jitter(row * (at + 1)) : value);
  };
  const heights = shownAxes.map((_, at) => Float32Array.from({ length: runs.count }, (_, row) => height(at, row)));
  const svg = d3.create("svg:svg").attr("width", full).attr("height", TALL).attr("font-size", 12).attr("fill", ink).attr("aria-hidden", "true");
  shownAxes.forEach((axis, at) => drawAxis(svg.append("g").attr("transform", `translate(${x(at)},0)`), axis, scales[at], { ink, faint, paper }));
  const colours = conditions.map((one) => shade(one.colour));
  const line = (context, row, colour) => {
    context.strokeStyle = colour;
    context.beginPath();
    for (let at = 0; at < shownAxes.length; at++) if (Number.isFinite(heights[at][row])) context.lineTo(x(at), heights[at][row]);
    context.stroke();
  };
  let behind = null; // all runs in grey, painted once: brushing then paints no more than what it selects
  const layers = layered(svg.node(), (context) => {
    if (isFiltered() && !behind) {
      behind = new OffscreenCanvas(full, TALL);
      const grey = behind.getContext("2d");
      grey.globalAlpha = 0.12;
      for (let row = 0; row < runs.count; row++) line(grey, row, pale);
    }
    if (isFiltered()) context.drawImage(behind, 0, 0);
    context.globalAlpha = Math.max(0.12, Math.min(0.7, 60 / selectedCount()));
    for (let row = 0; row < runs.count; row++) if (selected[row]) line(context, row, colours[runs.condition[row]]);
  });
  holder.append(legend(learnersOf(conditions)), element("div", { class: "scroll" }, layers));
}

function drawAxis(group, axis, scale, { ink, faint, paper }) {
  const [bottom, top] = scale.range();
  group.append("line").attr("y1", top).attr("y2", bottom).attr("stroke", faint);
  const values = axis.levels ? axis.levels.map((_, at) => at) : d3.sort(new Set(axis.values)).filter(Number.isFinite);
  const ticks = axis.levels || values.length <= 6 ? values : scale.ticks(5).slice(0, 9);
  for (const tick of apart(ticks, scale)) {
    const text = axis.levels ? axis.levels[tick] : number(tick);
    group.append("line").attr("x1", -4).attr("x2", 4).attr("y1", scale(tick)).attr("y2", scale(tick)).attr("stroke", faint);
    group.append("text").attr("x", 8).attr("y", scale(tick)).attr("dy", "0.32em").attr("stroke", paper).attr("stroke-width", 3)
      .attr("paint-order", "stroke").attr("font-size", 11).text(text.length > 16 ? `${text.slice(0, 15)}…` : text);
  }
  group.append("text").attr("y", 16).attr("text-anchor", "middle").attr("font-weight", 600).attr("fill", ink)
    .text(axis.title.length > 18 ? `${axis.title.slice(0, 17)}…` : axis.title);
  const brush = d3.brushY().extent([[-14, top], [14, bottom]]).on("brush end", (event) => {
    if (event.sourceEvent) setFilter(axis.name, event.selection ? admitted(axis, scale, event.selection) : null);
  });
  const handle = group.append("g").attr("class", "brush").attr("data-axis", axis.name).call(brush);
  const follow = () => {
    const filter = filters.get(axis.name), place = filter && brushedBy(axis, scale, filter);
    if (place !== undefined || !filter) handle.call(brush.move, place ?? null);
  };
  onAxis.set(axis.name, follow);
  follow(); // a figure that is drawn again shows the filters that hold
}

const TICK = 12; // pixels that the text of a tick takes

// Ticks whose texts do not lie on each other: both ends, and between them each that has room.
function apart(ticks, scale) {
  const kept = [];
  for (const tick of ticks) if (!kept.length || Math.abs(scale(tick) - scale(kept.at(-1))) >= TICK) kept.push(tick);
  const last = ticks.at(-1);
  if (kept.length > 1 && kept.at(-1) !== last) kept[kept.length - 1] = last;
  return kept;
}

// The stretch of an axis, [top, bottom] in pixels, that a filter admits; undefined where it is not one stretch.
function brushedBy(axis, scale, filter) {
  if (!axis.levels) return [Math.min(filter[1], scale.domain()[1]), Math.max(filter[0], scale.domain()[0])].map(scale);
  const low = Math.min(...filter), high = Math.max(...filter);
  return filter.size && high - low === filter.size - 1 ? [scale(high + 0.45), scale(low - 0.45)] : undefined;
}

const onAxis = new Map(); // moves the brush of an axis to its filter

// What a stretch of an axis admits: the numbers inside, or the levels whose middle is.
function admitted(axis, scale, [top, bottom]) {
  const [low, high] = [scale.invert(bottom), scale.invert(top)];
  if (!axis.levels) return [low, high];
  return new Set(axis.levels.map((_, at) => at).filter((at) => at > low - 0.25 && at < high + 0.25));
}

function describeParallel() {
  return `Parallel coordinates of ${runs.count} runs over ${shownAxes.map((axis) => axis.title).join(", ")}. The filters above select the same runs without a pointer.`;
}

function startParallel() {
  makeFigure("parallel-figure", {
    draw: drawParallel, describe: describeParallel,
    rows: () => [...selected.keys()].filter((row) => selected[row]).map((row) => Object.fromEntries([["run", runs.number[row]], ...shownAxes.map((axis) =>
      [axis.title, axis.levels ? (axis.texts ?? axis.levels)[axis.values[row]] : axis.values[row]])])),
  });
  onSelection(() => {
    for (const [name, move] of onAxis) if (name !== brushing()) move();
  });
}

// The axis whose brush the pointer holds: it is where the user has put it.
const brushing = () => document.querySelector(".brush:active")?.dataset.axis;

// A form with the same filters, for the keyboard and for exact numbers.
function startFilters() {
  const form = document.getElementById("filter-form");
  for (const axis of shownAxes) {
    const set = element("fieldset", {}, element("legend", {}, axis.title));
    if (axis.levels) addLevels(set, axis);
    else addRange(set, axis);
    form.append(set);
  }
  document.getElementById("clear").onclick = clearFilters;
  onSelection(showSelection);
  showSelection();
}

function addLevels(set, axis) {
  const boxes = axis.levels.map((level) => element("input", { type: "checkbox", checked: "" }));
  boxes.forEach((box, at) => {
    box.onchange = () => {
      const chosen = new Set(boxes.flatMap((one, place) => one.checked ? [place] : []));
      setFilter(axis.name, chosen.size === boxes.length ? null : chosen);
    };
    set.append(element("label", {}, box, ` ${axis.levels[at]}`));
  });
  onSelection(() => boxes.forEach((box, at) => { box.checked = filters.get(axis.name)?.has(at) ?? true; }));
}

function addRange(set, axis) {
  const [low, high] = ["from", "to"].map((word) => {
    const input = element("input", { type: "number", step: "any", "aria-label": `${axis.title} ${word}` });
    set.append(element("label", {}, `${word} `, input));
    return input;
  });
  const given = (input, otherwise) => input.value === "" ? otherwise : +input.value;
  const read = () => setFilter(axis.name, low.value === "" && high.value === "" ? null : [given(low, -Infinity), given(high, Infinity)]);
  low.onchange = high.onchange = read;
  onSelection(() => {
    const filter = filters.get(axis.name) ?? [NaN, NaN];
    [low, high].forEach((input, at) => { if (input !== document.activeElement) input.value = Number.isFinite(filter[at]) ? Number(filter[at].toPrecision(4)) : ""; });
  });
}
