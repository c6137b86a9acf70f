// A report on a page: its picture, and its lines between `<!-- OF NAME -->` and `<!-- end -->`.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "../peers/report.mjs";
import { panels } from "./panels.mjs";
import { picture } from "./svg.mjs";

export const PAGE = join(import.meta.dirname, "../../docs/benchmarks.md");
/** Beside the page. */
const PICTURES = "pictures";

/** Writes a picture of the page; its path from there. */
export function draw(name, svg, page = PAGE) {
  const [path, directory] = [`${PICTURES}/${name}.svg`, join(dirname(page), PICTURES)];
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `${name}.svg`), svg);
  console.error(`${path}: ${Math.ceil(svg.length / 1e3)} kB`);
  return path;
}

/** Replaces what stands between two marks of a file; an error if it has no place for it. */
export function replace(file, begin, end, text) {
  const document = readFileSync(file, "utf8");
  const from = document.indexOf(begin);
  const to = document.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`${file} has no place for it: ${begin}`);
  writeFileSync(file, document.slice(0, from + begin.length) + text + document.slice(to));
}

/** Draws a report of `rota` or of the `peers`, and writes its lines where the page has its place. */
export function publish(report, of, page = PAGE) {
  const { benchmark } = report;
  const drawn = panels(report);
  const svg = drawn.length > 0 && picture(benchmark, subtitle(report), drawn);
  const path = svg && draw(of === "rota" ? benchmark : `${of}-${benchmark}`, svg, page);
  const shown = path ? `\n![${benchmark}](${path})\n` : "";
  replace(page, `<!-- ${of} ${benchmark} -->\n`, "<!-- end -->", `\`\`\`text\n${text(report)}\n\`\`\`\n${shown}`);
}

/** The conditions that a reader wants beside a picture. */
function subtitle({ conditions }) {
  const told = new Map(conditions);
  const shown = ["operators", "network", "seconds_per_rate", "cores", "load_average_at_end", "version"];
  return shown.filter((name) => told.has(name)).map((name) => `${name.replaceAll("_", " ")}: ${told.get(name)}`).join(" · ");
}
