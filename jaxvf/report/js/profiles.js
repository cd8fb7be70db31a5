// Performance profiles: the fraction of runs that end above each value.

const profiles = data.profiles.map((profile) => ({
  env: profile.env, at: unpack(profile.at),
  lines: profile.lines.map((line) => ({ one: conditions[line.condition], ...interval(line) })),
}));

function profilePoints(profile, line) {
  return Array.from(profile.at, (value, at) => ({ value, learner: line.one.learner, estimate: line.estimate[at], low: line.low[at], high: line.high[at] }));
}

function profilePanel(profile, panel, lines, width) {
  const { grid, context, faint, paper } = theme();
  const others = profile.lines.filter((line) => line.one.panel !== panel);
  return plot({
    width, height: Math.round(Math.min(300, Math.max(190, 0.62 * width))), marginLeft: 48, marginBottom: 36, marginTop: 10,
    x: { label: `${words(data.main)} above`, tickFormat: number, ticks: Math.floor(width / 80) },
    y: { domain: [0, 1], label: null, tickFormat: "%", ticks: 5 },
    marks: [
      Plot.gridY({ stroke: grid, strokeOpacity: 1, ticks: 5 }),
      ...others.map((line) => Plot.line(profilePoints(profile, line), { x: "value", y: "estimate", curve: "step-after", stroke: context, strokeWidth: 1, strokeOpacity: 0.6 })),
      ...lines.map((line) => Plot.areaY(profilePoints(profile, line), { x: "value", y1: "low", y2: "high", curve: "step-after", fill: shade(line.one.colour), fillOpacity: 0.18 })),
      ...lines.map((line) => Plot.line(profilePoints(profile, line), { x: "value", y: "estimate", curve: "step-after", stroke: shade(line.one.colour), strokeWidth: 2.2, strokeDasharray: DASHES[line.one.dash] })),
      Plot.tip(lines.flatMap((line) => profilePoints(profile, line)), Plot.pointer({ x: "value", y: "estimate", fill: paper, stroke: faint, title: (d) => `${d.learner}\n${percent(d.estimate)} of runs end above ${number(d.value)}` })),
    ],
  });
}

function drawProfiles(width, holder) {
  const panels = profiles.flatMap((profile) => [...d3.group(profile.lines, (line) => line.one.panel)].map(([panel, lines]) => ({ profile, panel, lines })));
  const each = panelWidth(width, panels.length);
  holder.append(legend(learnersOf(conditions)), element("div", { class: "panels" }, ...panels.map(({ profile, panel, lines }) =>
    panelOf(each, element("div", { class: "panel-title" }, panel), profilePanel(profile, panel, lines, each)))));
}

function startProfiles() {
  if (!profiles.length) return;
  makeFigure("profiles-figure", {
    draw: drawProfiles, repaint: () => {},
    describe: () => `Performance profiles: the fraction of runs whose last ${words(data.main)} is above each value, one line a condition.`,
    rows: () => profiles.flatMap((profile) => profile.lines.flatMap((line) => profilePoints(profile, line).map((d) => ({ condition: line.one.label, above: d.value, fraction: d.estimate, low: d.low, high: d.high })))),
  });
}
