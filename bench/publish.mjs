#!/usr/bin/env node
// Writes the lines of docs/benchmarks.md, and draws its pictures, from measured reports.
//
//   rota bench all --json --samples > reports.jsonl
//   node bench/profile.mjs --keep stacks.folded
//   node bench/publish.mjs reports.jsonl [more.jsonl ...] [--stacks stacks.folded] [--page docs/benchmarks.md]
//
// Of reports with the same name the last one counts. Its lines go where the page says `<!-- rota NAME -->`, its picture
// into pictures/NAME.svg beside the page, that of the stacks into pictures/flame-throughput.svg. The peers' reports are
// published by bench/peers/bench.mjs in the same way.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { flame } from "./pictures/flame.mjs";
import { PAGE, draw, publish } from "./pictures/page.mjs";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { stacks: { type: "string" }, page: { type: "string", default: PAGE } },
});
if (positionals.length === 0 && !values.stacks) {
  console.error("usage: node bench/publish.mjs REPORTS.jsonl ... [--stacks FOLDED] [--page FILE]");
  process.exit(2);
}

const lines = positionals.flatMap((file) => readFileSync(file, "utf8").split("\n").filter((line) => line.trim()));
const reports = new Map(lines.map((line) => JSON.parse(line)).map((report) => [report.benchmark, report]));
for (const report of reports.values()) publish(report, "rota", values.page);
if (values.stacks) draw("flame-throughput", flame(readFileSync(values.stacks, "utf8")), values.page);
