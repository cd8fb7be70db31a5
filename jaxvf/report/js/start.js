// Puts the page to work, section by section.

const THEMES = ["auto", "light", "dark"];

function startTheme() {
  const button = document.getElementById("theme"), root = document.documentElement;
  const redraw = () => figures.forEach((figure) => figure.redraw());
  button.onclick = () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "auto") + 1) % THEMES.length];
    root.dataset.theme = next;
    button.textContent = `Theme: ${next}`;
    redraw();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

// Figures are drawn to the pixel, so they are drawn again when there is more or less room.
function redrawWhenResized() {
  let timer = 0;
  let widths = figures.map((figure) => figure.width());
  addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const now = figures.map((figure) => figure.width());
      figures.forEach((figure, at) => { if (now[at] !== widths[at]) figure.redraw(); });
      widths = now;
    }, 150);
  });
}

function startHeadline() {
  document.querySelectorAll("[data-condition]").forEach((button) => {
    button.onclick = () => {
      const place = +button.dataset.condition, now = filters.get("condition");
      setFilter("condition", now?.size === 1 && now.has(place) ? null : new Set([place]));
    };
    onSelection(() => button.setAttribute("aria-pressed", String(filters.get("condition")?.has(+button.dataset.condition) ?? false)));
  });
  document.querySelectorAll("[data-table-csv]").forEach((button) => {
    button.onclick = () => {
      const [names, ...rows] = [...document.getElementById(button.dataset.tableCsv).rows].map((row) => [...row.cells].flatMap(tableCell));
      save(`${button.dataset.tableCsv}.csv`, "text/csv", csvTable(names, rows));
    };
  });
  document.querySelectorAll("[data-copy]").forEach((button) => {
    button.onclick = () => save(button.dataset.copy, "text/plain", document.getElementById(button.dataset.from).textContent);
  });
}

// A cell of a table as cells of its CSV: an interval is three numbers, under three names.
function tableCell(cell) {
  const { interval: name, numbers } = cell.dataset;
  if (name !== undefined) return [name, `${name}, low`, `${name}, high`];
  if (numbers !== undefined) return numbers.split(",").map((text) => text === "" ? NaN : +text);
  return [cell.dataset.text ?? cell.textContent.trim().replace(/\s+/g, " ")];
}

startTheme();
startHeadline();
startCurves();
startFilters();
startResponses();
startParallel();
startDistributions();
startProfiles();
startRuns();
redrawWhenResized();
document.getElementById("run-close").onclick = () => document.getElementById("run-dialog").close();
document.documentElement.dataset.drawn = "true";
requestAnimationFrame(() => setTimeout(() => performance.mark("report-drawn"))); // when the frame is out
