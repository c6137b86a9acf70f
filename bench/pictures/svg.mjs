// The parts of a picture: text, scales, axes, and the frame in which panels stand below each other. Readable on light and
// on dark: colours are classes, and the viewer's preference chooses.

export const WIDTH = 900;
/** Between a picture's edge and what is drawn. */
const MARGIN = 24;
const LINE = 18;

const LIGHT = {
  paper: "#ffffff", ink: "#1f2328", faint: "#6e7781", rule: "#d8dee4", limit: "#cf222e",
  series: ["#0969da", "#bc4c00", "#1a7f37", "#8250df", "#9a6700", "#bf3989", "#57606a", "#0a7d91"],
};
const DARK = {
  paper: "#0d1117", ink: "#e6edf3", faint: "#8b949e", rule: "#30363d", limit: "#ff7b72",
  series: ["#58a6ff", "#f0883e", "#56d364", "#bc8cff", "#e3b341", "#f778ba", "#8b949e", "#39c5cf"],
};
/** Colours of series. */
export const COLOURS = LIGHT.series.length;

const rules = ({ paper, ink, faint, rule, limit, series }) =>
  [
    `.paper{fill:${paper}}`,
    `text{fill:${ink}}.faint{fill:${faint}}`,
    `.rule{stroke:${rule}}.axis{stroke:${faint}}`,
    `.limit{stroke:${limit}}.over{fill:${limit}}`,
    ...series.map((colour, index) => `.f${index}{fill:${colour}}.s${index}{stroke:${colour};fill:none}`),
  ].join("");

const STYLE =
  `text{font:12px ui-sans-serif,system-ui,sans-serif}.title{font-size:17px;font-weight:600}.head{font-weight:600}` +
  `.s{stroke-width:2}.limit{stroke-width:1.5;stroke-dasharray:5 3;fill:none}`;

/** Text that may stand in SVG. */
export const escape = (text) =>
  `${text}`.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const round = (value) => Math.round(value * 10) / 10;

export const text = (x, y, what, { at = "start", as = "" } = {}) =>
  `<text x="${round(x)}" y="${round(y)}" text-anchor="${at}"${as && ` class="${as}"`}>${escape(what)}</text>`;

export const line = (x1, y1, x2, y2, as) =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${as}"/>`;

export const bar = (x, y, width, height, as) =>
  `<rect x="${round(x)}" y="${round(y)}" width="${round(Math.max(width, 0.5))}" height="${round(height)}" class="${as}"/>`;

export const path = (points, as) =>
  `<polyline points="${points.map(([x, y]) => `${round(x)},${round(y)}`).join(" ")}" class="s ${as}"/>`;

export const dot = (x, y, as) => `<circle cx="${round(x)}" cy="${round(y)}" r="3" class="${as}"/>`;

/** A number as short as it can be read. */
export function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return `${Number(value.toPrecision(size >= 100 ? 4 : 3))}`;
}

/** Round numbers from 0 to at least `largest`, about five. */
export function ticks(largest) {
  const rough = (largest > 0 ? largest : 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((step) => step >= rough * 0.999);
  const count = Math.max(1, Math.ceil((largest / step) * 0.999));
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

/** A whole picture: `{height, draw(x, y, width)}` panels below each other. */
export function picture(title, subtitle, panels) {
  const parts = [text(MARGIN, MARGIN + 12, title, { as: "title" })];
  let y = MARGIN + 12;
  for (const row of wrapped(subtitle, 130)) parts.push(text(MARGIN, (y += LINE), row, { as: "faint" }));
  for (const panel of panels) {
    y += 2 * LINE;
    parts.push(text(MARGIN, y, panel.title, { as: "head" }));
    y += LINE * 0.75;
    parts.push(panel.draw(MARGIN, y, WIDTH - 2 * MARGIN));
    y += panel.height;
  }
  return document(WIDTH, y + MARGIN, parts);
}

/** The file around what is drawn. */
export function document(width, height, parts, style = "") {
  const style_ = `${STYLE}${style}${rules(LIGHT)}@media(prefers-color-scheme:dark){${rules(DARK)}}`;
  const size = `width="${width}" height="${Math.ceil(height)}" viewBox="0 0 ${width} ${Math.ceil(height)}"`;
  const body = [`<style>${style_}</style>`, `<rect width="100%" height="100%" class="paper"/>`, ...parts].join("\n");
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">\n${body}\n</svg>\n`;
}

/** Words in rows of at most so many letters. */
export function wrapped(words, letters) {
  const rows = [""];
  for (const word of words.split(" ")) {
    const row = `${rows.at(-1)} ${word}`.trim();
    if (row.length > letters && rows.at(-1)) rows.push(word);
    else rows[rows.length - 1] = row;
  }
  return rows.filter((row) => row);
}
