// Performance profiles: the fraction of runs that end above each value. They fall at values that occur, nowhere else.

const profiles = data.profiles.map((profile) => ({
  ...profile, lines: profile.lines.map((line) => ({ one: conditions[line.condition], at: unpack(line.at), ...interval(line) })),
}));
const shownProfiles = { metric: (profiles.find((profile) => profile.metric === firstMetric) ?? profiles[0])?.metric };

const profilesShown = () => profiles.filter((profile) => profile.metric === shownProfiles.metric);

// Where a value stands: of few values each has a place of its own, evenly spaced, so that 7.9 and 8 are two steps.
function profilePlace(profile, value) {
  if (!profile.few) return value;
  const place = d3.bisectLeft(profile.few, value);
  return place < profile.few.length && profile.few[place] === value ? place : place === 0 ? -0.6 : profile.few.length - 0.4;
}

// A step at each value of the line's own runs; the last one reaches to the end of the axis.
function profilePoints(profile, line) {
  const point = (value, at) => ({ value, x: profilePlace(profile, value), learner: line.one.learner, estimate: line.estimate[at], low: line.low[at], high: line.high[at] });
  return [...Array.from(line.at, point), point(profile.end, line.at.length - 1)];
}

function profilePanel(profile, panel, lines, width) {
  const { grid, context, faint, paper } = theme();
  const others = profile.lines.filter((line) => line.one.panel !== panel);
  const label = `${words(profile.metric)} above`;
  const x = profile.few
    ? { label, domain: [-0.6, profile.few.length - 0.4], ticks: d3.range(profile.few.length), tickFormat: (at) => number(profile.few[at]) }
    : { label, tickFormat: number, ticks: Math.floor(width / 80) };
  return plot({
    width, height: Math.round(Math.min(300, Math.max(190, 0.62 * width))), marginLeft: 48, marginBottom: 36, marginTop: 10,
    x, y: { domain: [0, 1], label: null, tickFormat: "%", ticks: 5 },
    marks: [
      Plot.gridY({ stroke: grid, strokeOpacity: 1, ticks: 5 }),
      ...others.map((line) => Plot.line(profilePoints(profile, line), { x: "x", y: "estimate", curve: "step-after", stroke: context, strokeWidth: 1, strokeOpacity: 0.6 })),
      ...lines.map((line) => Plot.areaY(profilePoints(profile, line), { x: "x", y1: "low", y2: "high", curve: "step-after", fill: shade(line.one.colour), fillOpacity: 0.18 })),
      ...lines.map((line) => Plot.line(profilePoints(profile, line), { x: "x", y: "estimate", curve: "step-after", stroke: shade(line.one.colour), strokeWidth: 2.2, strokeDasharray: DASHES[line.one.dash] })),
      Plot.tip(lines.flatMap((line) => profilePoints(profile, line)), Plot.pointer({ x: "x", y: "estimate", fill: paper, stroke: faint, title: (d) => `${d.learner}\n${percent(d.estimate)} of runs end above ${number(d.value)}` })),
    ],
  });
}

function drawProfiles(width, holder) {
  const panels = profilesShown().flatMap((profile) => [...d3.group(profile.lines, (line) => line.one.panel)].map(([panel, lines]) => ({ profile, panel, lines })));
  const each = panelWidth(width, panels.length);
  holder.append(legend(learnersOf(conditions)), element("div", { class: "panels" }, ...panels.map(({ profile, panel, lines }) =>
    panelOf(each, element("div", { class: "panel-title" }, panel), profilePanel(profile, panel, lines, each)))));
}

function startProfiles() {
  if (!profiles.length) return;
  const redraw = makeFigure("profiles-figure", {
    draw: drawProfiles, repaint: () => {},
    describe: () => `Performance profiles: the fraction of runs whose last ${words(shownProfiles.metric)} is above each value, one line a condition.`,
    rows: () => profilesShown().flatMap((profile) => profile.lines.flatMap((line) => profilePoints(profile, line).slice(0, -1).map((d) => ({ condition: line.one.label, metric: profile.metric, above: d.value, fraction: d.estimate, low: d.low, high: d.high })))),
  });
  chooseMetric("profile-metric", [...new Set(profiles.map((profile) => profile.metric))], words, shownProfiles, redraw);
}
