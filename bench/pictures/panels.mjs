// What a report looks like: its figures as bars with their bounds, or as lines where their names count something up
// (`offered 250/s: …`, `10 operators: …`), and its samples as distributions.

import { bound } from "../peers/report.mjs";
import { COLOURS, bar, dot, line, path, short, text, ticks } from "./svg.mjs";

/** Figures that are left out where there are more than can be read. */
const SHOWN = {
  floor: /floor, three|to finalized|durable, p99|above|times|p50/,
  throughput: /certified|p50|p99|CPU of operators|sustained/,
};
/** Units of samples, if not milliseconds; and those that are no distribution. */
const SAMPLES = { engine: "us", idle: undefined, "poster-failover": "s", price: undefined };
/** A name that counts up: before, number, of what, and what is measured. */
const COUNTED = /^(?:offered )?(\d+)(\/s| operators| accounts): (.+?)(?:, \d+% of a core)?$/;
const AXES = { "/s": "offered, transactions per second", " operators": "operators", " accounts": "accounts in the state" };

/** Samples below which there is no distribution. */
const FEWEST = 15;

const BAR = 20;
const CHART = 190;
/** Room for names and for numbers. */
const [NAMES, NUMBERS] = [410, 100];
/** Room for a chart's scale, and for what its lines mean. */
const [SCALE, LEGEND] = [56, 250];

/** The panels of a report. */
export function panels({ benchmark, figures, samples = [] }) {
  const shown = SHOWN[benchmark] ? figures.filter(({ name }) => SHOWN[benchmark].test(name)) : figures;
  const counted = series(shown);
  const inLines = new Set(counted.flatMap((chart) => chart.lines.flatMap(({ figures }) => figures)));
  const units = grouped(shown.filter((figure) => !inLines.has(figure)), ({ unit }) => unit);
  const distributed = benchmark in SAMPLES ? SAMPLES[benchmark] : "ms";
  const curves = samples.filter(([, values]) => values.length >= FEWEST && values.every(Number.isFinite));
  return [
    ...[...units].map(([unit, figures]) => bars(unit, figures)),
    ...counted.map(lines),
    ...(distributed && curves.length > 0 ? [distribution(distributed, together(curves).slice(0, COLOURS))] : []),
  ];
}

/** Samples of one name are one distribution. */
const together = (samples) =>
  [...grouped(samples, ([name]) => name)].map(([name, all]) => [name, all.flatMap(([, values]) => values)]);

/** Charts of what is measured at three numbers at least: one for each axis and unit. */
function series(figures) {
  const points = figures.flatMap((figure) => {
    const found = COUNTED.exec(figure.name);
    return found ? [{ x: Number(found[1]), axis: found[2], what: found[3], figure }] : [];
  });
  const charts = grouped(points, ({ axis, figure }) => `${axis}\n${figure.unit}`);
  return [...charts.values()].flatMap((points) => {
    const whats = [...grouped(points, ({ what }) => what)].filter(([, points]) => points.length >= 3);
    const lines = whats.map(([what, points]) => ({
      what,
      points: points.map(({ x, figure }) => [x, figure.value]).sort(([a], [b]) => a - b),
      figures: points.map(({ figure }) => figure),
    }));
    const [{ axis, figure }] = points;
    return lines.length > 0 ? [{ axis, unit: figure.unit, lines }] : [];
  });
}

/** Horizontal bars, with a line at each bound. */
function bars(unit, figures) {
  const scale = ticks(Math.max(...figures.map(({ value }) => value), ...figures.map((figure) => bound(figure)?.at ?? 0)));
  const height = figures.length * BAR;
  const draw = (x, y, width) => {
    const room = width - NAMES - NUMBERS;
    const at = (value) => x + NAMES + (Math.max(value, 0) / scale.at(-1)) * room;
    const parts = scale.flatMap((tick) => [
      line(at(tick), y, at(tick), y + height, "rule"),
      text(at(tick), y + height + 14, short(tick), { at: "middle", as: "faint" }),
    ]);
    figures.forEach((figure, row) => {
      const top = y + row * BAR;
      parts.push(text(x + NAMES - 8, top + 14, clipped(figure.name, 64), { at: "end" }));
      parts.push(bar(at(0), top + 4, at(figure.value) - at(0), BAR - 8, "f0"));
      const target = bound(figure);
      const missed = target?.holds === false ? " over" : "";
      parts.push(text(x + NAMES + room + 8, top + 14, `${short(figure.value)} ${figure.unit}`, { as: `head${missed}` }));
      if (target) parts.push(line(at(target.at), top + 1, at(target.at), top + BAR - 1, "limit"));
    });
    return parts.join("\n");
  };
  const title = figures.some(({ target }) => target) ? `${unit} (dashed: the target)` : unit;
  return { title: title || "ratio", height: height + 20, draw };
}

/** What a chart with two axes consists of, around its lines. */
function chart(x, y, width, { across, up, xs, labels }) {
  const room = width - SCALE - LEGEND;
  const left = x + SCALE;
  const atY = (value) => y + CHART - (value / up.at(-1)) * CHART;
  const atX = (value) => left + xs(value) * room;
  const parts = up.flatMap((tick) => [
    line(left, atY(tick), left + room, atY(tick), "rule"),
    text(left - 6, atY(tick) + 4, short(tick), { at: "end", as: "faint" }),
  ]);
  for (const tick of labels) {
    parts.push(line(atX(tick), y + CHART, atX(tick), y + CHART + 4, "axis"));
    parts.push(text(atX(tick), y + CHART + 17, short(tick), { at: "middle", as: "faint" }));
  }
  parts.push(text(left + room / 2, y + CHART + 34, across, { at: "middle", as: "faint" }));
  const legend = (index, name) =>
    bar(left + room + 16, y + 6 + index * 18, 12, 3, `f${index % COLOURS}`) +
    text(left + room + 34, y + 12 + index * 18, clipped(name, 36));
  return { parts, atX, atY, legend };
}

/** Lines over what is counted up; accounts, of which there are ten times more each time, on a logarithmic scale. */
function lines({ axis, unit, lines }) {
  const up = ticks(Math.max(...lines.flatMap(({ points }) => points.map(([, value]) => value))));
  const labels = [...new Set(lines.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const place = labels.at(-1) / labels[0] > 50 ? Math.log : (value) => value;
  const span = [place(labels[0]), place(labels.at(-1))];
  const xs = (value) => (place(value) - span[0]) / (span[1] - span[0]);
  const draw = (x, y, width) => {
    // Labels that would stand on each other are left out.
    const apart = labels.filter((value, index) => index === 0 || xs(value) - xs(labels[index - 1]) > 0.04 || index === labels.length - 1);
    const { parts, atX, atY, legend } = chart(x, y, width, { across: AXES[axis], up, xs, labels: apart });
    lines.forEach(({ what, points }, index) => {
      const drawn = points.map(([value, height]) => [atX(value), atY(height)]);
      parts.push(path(drawn, `s${index % COLOURS}`), ...drawn.map(([px, py]) => dot(px, py, `f${index % COLOURS}`)));
      parts.push(legend(index, what));
    });
    return parts.join("\n");
  };
  const title = lines.length === 1 ? `${lines[0].what}, ${unit}` : unit;
  return { title, height: Math.max(CHART + 44, 20 + lines.length * 18), draw };
}

/** Cumulative distributions: which part was at most so long. */
function distribution(unit, samples) {
  const sorted = samples.map(([name, values]) => [name, [...values].sort((a, b) => a - b)]);
  const scale = ticks(Math.max(...sorted.map(([, values]) => values.at(-1))));
  const draw = (x, y, width) => {
    const xs = (value) => value / scale.at(-1);
    const percents = [0, 25, 50, 75, 100];
    const { parts, atX, atY, legend } = chart(x, y, width, { across: unit, up: percents, xs, labels: scale });
    sorted.forEach(([name, values], index) => {
      // Two hundred points show all that can be seen.
      const step = Math.max(1, Math.floor(values.length / 200));
      const points = values.flatMap((value, rank) =>
        rank % step === 0 || rank === values.length - 1 ? [[atX(value), atY(((rank + 1) / values.length) * 100)]] : [],
      );
      parts.push(path([[atX(values[0]), atY(0)], ...points], `s${index % COLOURS}`), legend(index, `${name} (${values.length})`));
    });
    return parts.join("\n");
  };
  return { title: "distribution: % at most", height: Math.max(CHART + 44, 20 + samples.length * 18), draw };
}

/** What is too long loses its middle. */
function clipped(name, letters) {
  if (name.length <= letters) return name;
  const half = Math.floor((letters - 1) / 2);
  return `${name.slice(0, half)}…${name.slice(-half)}`;
}

/** By their keys, in the order in which these first come. */
function grouped(items, key) {
  const groups = new Map();
  for (const item of items) {
    const its = key(item);
    if (!groups.has(its)) groups.set(its, []);
    groups.get(its).push(item);
  }
  return groups;
}
