#!/usr/bin/env node
// Draws the pictures of docs/benchmarks.md from measured reports.
//
//   rota bench all --json --samples > reports.jsonl
//   node bench/profile.mjs --keep stacks.folded
//   node bench/pictures.mjs reports.jsonl [more.jsonl ...] [--stacks stacks.folded] [--out docs/pictures]
//   node bench/peers/bench.mjs takeover --publish --json --samples > peers.jsonl
//   node bench/pictures.mjs peers.jsonl --prefix peers-
//
// Of reports with the same name the last one is drawn. A picture for each that has something to draw: NAME.svg, and of
// the stacks flame-throughput.svg.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { flame } from "./pictures/flame.mjs";
import { panels } from "./pictures/panels.mjs";
import { picture } from "./pictures/svg.mjs";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    stacks: { type: "string" },
    prefix: { type: "string", default: "" },
    out: { type: "string", default: join(import.meta.dirname, "../docs/pictures") },
  },
});
if (positionals.length === 0 && !values.stacks) {
  console.error("usage: node bench/pictures.mjs REPORTS.jsonl ... [--stacks FOLDED] [--prefix P] [--out DIR]");
  process.exit(2);
}

const lines = positionals.flatMap((file) => readFileSync(file, "utf8").split("\n").filter((line) => line.trim()));
const reports = new Map(lines.map((line) => JSON.parse(line)).map((report) => [report.benchmark, report]));
mkdirSync(values.out, { recursive: true });
for (const report of reports.values()) {
  const drawn = panels(report);
  if (drawn.length > 0) write(`${values.prefix}${report.benchmark}`, picture(report.benchmark, subtitle(report), drawn));
}
if (values.stacks) write("flame-throughput", flame(readFileSync(values.stacks, "utf8")));

function write(name, svg) {
  const file = join(values.out, `${name}.svg`);
  writeFileSync(file, svg);
  console.log(`${file}: ${Math.ceil(svg.length / 1e3)} kB`);
}

/** The conditions that a reader wants beside a picture. */
function subtitle({ conditions }) {
  const told = new Map(conditions);
  const shown = ["operators", "network", "seconds_per_rate", "cores", "load_average_at_end", "version"];
  return shown.filter((name) => told.has(name)).map((name) => `${name.replaceAll("_", " ")}: ${told.get(name)}`).join(" · ");
}
