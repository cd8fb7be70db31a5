// What all figures share: colours of the theme, the frame with its buttons, canvases below plots, export.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const DASHES = { "-": null, "--": "7 3", ":": "2 3", "-.": "8 3 2 3" };
const isDark = () => getComputedStyle(document.documentElement).getPropertyValue("--dark").trim() === "1";

function theme() {
  return isDark()
    ? { ink: "#e6e6e6", faint: "#9aa0a6", grid: "#3a3f45", paper: "#16191d", context: "#5a6068" }
    : { ink: "#222222", faint: "#666666", grid: "#e2e2e2", paper: "#ffffff", context: "#bdbdbd" };
}

// A learner's colour on this background: the same hue, lighter where the page is dark.
function shade(colour) {
  if (!isDark()) return colour;
  const { h, c, l } = d3.hcl(colour);
  return d3.hcl(h, c, Math.max(l, 54)).formatHex();
}

function plot(options) {
  const { ink } = theme();
  const made = Plot.plot({ ...options, style: { background: "transparent", color: ink, fontSize: "12px", fontFamily: "system-ui, sans-serif", overflow: "visible" } });
  made.setAttribute("aria-hidden", "true"); // the figure as a whole has a text alternative
  made.querySelectorAll("[aria-label], [aria-description]").forEach((part) => part.removeAttribute("aria-label"));
  return made;
}

// A plot above a canvas of the same size; `paint(context)` draws on it, again whenever the selection changes.
function layered(made, paint) {
  const width = +made.getAttribute("width"), height = +made.getAttribute("height");
  const canvas = element("canvas", { "aria-hidden": "true" });
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const holder = element("div", { class: "layers" }, canvas, made);
  holder.style.height = `${height}px`;
  holder.style.width = `${width}px`;
  holder.paintNow = () => {
    holder.stale = false;
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    paint(context);
  };
  // What is out of sight is painted when it comes into sight: thousands of lines take longer than a frame.
  holder.repaint = () => {
    if (holder.inSight) holder.paintNow();
    else holder.stale = true;
  };
  holder.repaint();
  sight.observe(holder);
  return holder;
}

const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    target.inSight = isIntersecting;
    if (isIntersecting && target.stale) target.paintNow();
  }
});

// A figure of the page.
//   draw(width, holder)  puts its plots into the holder; called again when the width or the theme changes
//   describe()           its text alternative, in a sentence or two
//   rows()               the numbers it shows, as records with the same keys
//   repaint()            what to do when the selection changes (optional)
function makeFigure(id, { draw, describe, rows, repaint }) {
  const frame = document.getElementById(id);
  const holder = frame.querySelector(".plots");
  holder.setAttribute("role", "img");
  const buttons = element("div", { class: "buttons" });
  const button = (text, title, action) => {
    const made = element("button", { type: "button", title }, text);
    made.setAttribute("aria-label", `${title}: ${frame.dataset.title}`);
    made.onclick = action;
    buttons.append(made);
  };
  button("SVG", "Save this figure as SVG", () => save(`${id}.svg`, "image/svg+xml", figureSvg(frame)));
  button("CSV", "Save the numbers of this figure as CSV", () => save(`${id}.csv`, "text/csv", csv(rows())));
  frame.append(buttons, numbersBelow(frame, rows));
  const redraw = () => {
    const width = Math.max(260, Math.floor(holder.clientWidth));
    holder.querySelectorAll(".layers").forEach((layers) => sight.unobserve(layers));
    holder.replaceChildren();
    draw(width, holder);
    holder.setAttribute("aria-label", describe());
  };
  redraw();
  figures.push({ redraw, holder, width: () => Math.floor(holder.clientWidth) });
  onSelection(repaint ?? (() => holder.querySelectorAll(".layers").forEach((layers) => layers.repaint())));
  return redraw;
}

const figures = [];
const MOST_ROWS = 400; // of numbers below a figure; all are in the CSV

function numbersBelow(frame, rows) {
  const details = element("details", { class: "numbers" }, element("summary", {}, "The numbers as a table"));
  details.ontoggle = () => {
    if (!details.open) return;
    details.querySelector(".scroll")?.remove();
    const all = rows();
    const shown = all.slice(0, MOST_ROWS);
    const names = Object.keys(shown[0] ?? {});
    const text = (value) => typeof value === "number" ? number(value) : String(value ?? "");
    const more = all.length > shown.length ? ` (the first ${MOST_ROWS} of ${all.length}; the CSV has all)` : "";
    const table = element("table", {},
      element("caption", {}, `${frame.dataset.title}${more}`),
      element("thead", {}, element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...shown.map((row) => element("tr", {}, ...names.map((name) => element("td", {}, text(row[name])))))));
    details.append(element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "numbers" }, table));
  };
  return details;
}

// Records with the same keys as CSV.
function csv(rows) {
  const names = Object.keys(rows[0] ?? {});
  return csvTable(names, rows.map((row) => names.map((name) => row[name])));
}

// Names of columns and rows of cells as CSV; columns keep their order, whatever they are called.
function csvTable(names, rows) {
  return [names, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n");
}

// A text that a spreadsheet would take for a formula is kept a text.
function csvCell(value) {
  let text = value === null || value === undefined || Number.isNaN(value) ? "" : String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function save(name, type, text) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// All plots of a figure in one SVG, where they are on the page, canvases as pictures below them.
function figureSvg(frame) {
  const outer = frame.querySelector(".plots"), box = outer.getBoundingClientRect();
  const { paper, ink } = theme();
  const svg = d3.create("svg:svg").attr("xmlns", "http://www.w3.org/2000/svg").attr("width", box.width)
    .attr("height", box.height + 24).attr("viewBox", `0 0 ${box.width} ${box.height + 24}`)
    .attr("font-family", "system-ui, sans-serif").attr("font-size", 12).attr("fill", ink);
  svg.append("rect").attr("width", "100%").attr("height", "100%").attr("fill", paper);
  svg.append("text").attr("x", 4).attr("y", 15).attr("font-weight", 600).text(frame.dataset.title);
  const place = (part) => {
    const at = part.getBoundingClientRect();
    return [at.left - box.left, at.top - box.top + 24];
  };
  outer.querySelectorAll(".layers").forEach((layers) => layers.paintNow());
  for (const canvas of outer.querySelectorAll("canvas")) {
    const [x, y] = place(canvas);
    svg.append("image").attr("x", x).attr("y", y).attr("width", canvas.clientWidth).attr("height", canvas.clientHeight)
      .attr("href", canvas.toDataURL());
  }
  for (const part of outer.querySelectorAll("svg")) {
    if (part.parentElement.closest("svg")) continue;
    const [x, y] = place(part), copy = part.cloneNode(true);
    for (const [name, value] of [["x", x], ["y", y]]) copy.setAttribute(name, value);
    svg.node().append(copy);
  }
  for (const text of outer.querySelectorAll(".panel-title, .legend span")) {
    const [x, y] = place(text);
    svg.append("text").attr("x", x).attr("y", y + 14).text(text.textContent);
  }
  return new XMLSerializer().serializeToString(svg.node());
}

// Lets the reader choose what a figure shows; `titleOf(metric)` is what a choice is called.
function chooseMetric(id, metrics, titleOf, shown, redraw) {
  const list = document.getElementById(id);
  list.append(...metrics.map((metric) => element("option", { value: metric }, titleOf(metric))));
  list.value = shown.metric;
  list.onchange = () => { shown.metric = list.value; redraw(); };
}

// Lines of learners beside their names.
function legend(learners) {
  const list = element("ul", { class: "legend" });
  for (const { learner, colour, dash } of learners) {
    const line = d3.create("svg:svg").attr("width", 28).attr("height", 10).attr("aria-hidden", "true");
    line.append("line").attr("x1", 1).attr("x2", 27).attr("y1", 5).attr("y2", 5).attr("stroke", shade(colour))
      .attr("stroke-width", 2.5).attr("stroke-dasharray", DASHES[dash]);
    list.append(element("li", {}, line.node(), element("span", {}, learner)));
  }
  return list;
}

// Environment steps on an axis: 200k, 1.5M.
const stepsText = (value) => value === 0 ? "0" : d3.format("~s")(value);

const learnersOf = (list) => [...new Map(list.map((one) => [one.learner, one])).values()];

// Conditions by panel: those that share all but the learner are lines of one panel.
function panelsOf(list) {
  const panels = new Map();
  for (const one of list) panels.set(one.panel, [...(panels.get(one.panel) ?? []), one]);
  return [...panels];
}

// The width of one of several panels beside each other.
function panelWidth(width, count) {
  const across = Math.max(1, Math.min(count, Math.floor(width / 300)));
  return Math.floor((width - 16 * (across - 1)) / across);
}

const panelOf = (width, ...parts) => element("div", { style: `width:${width}px` }, ...parts);

const extent = (values, share = 0) => {
  const sorted = Float64Array.from(values).filter(Number.isFinite).sort();
  if (!sorted.length) return [0, 1];
  const at = (q) => sorted[Math.round(q * (sorted.length - 1))];
  const [low, high] = [at(share), at(1 - share)];
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
};
