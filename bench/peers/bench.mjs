#!/usr/bin/env node
// The peers' side of the benchmarks:  node bench/peers/bench.mjs NAME [options]
//
//   NAME            takeover | badleader | throughput | floor
//   --side S        only this side (may be repeated); its samples are added to those of earlier runs
//   --rounds R      how often each side is run, in turns (A B C A B C ...); 2
//   --times T       kills, faults or seconds in each run; each benchmark has its own default
//   --report        run nothing: print what has been measured
//   --publish       the same, and write it into docs/benchmarks.md, with a picture
//   --json, --samples  as `rota bench` has them
//
// Samples are kept in bench/peers/.work/samples/NAME.jsonl, a line for each run of a side, until a run of all sides.

import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { publish } from "../pictures/page.mjs";
import * as badleader from "./badleader.mjs";
import * as floor from "./floor.mjs";
import { WORK, program } from "./processes.mjs";
import { load, report, text } from "./report.mjs";
import * as takeover from "./takeover.mjs";
import * as throughput from "./throughput.mjs";

const BENCHMARKS = {
  takeover: { ...takeover, times: 5 },
  badleader: { ...badleader, times: 2 },
  throughput: { ...throughput, times: 1 },
  floor: { ...floor, times: 20 },
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    side: { type: "string", multiple: true },
    rounds: { type: "string", default: "2" },
    times: { type: "string" },
    report: { type: "boolean" },
    publish: { type: "boolean" },
    json: { type: "boolean" },
    samples: { type: "boolean" },
  },
});
const [name] = positionals;
const benchmark = BENCHMARKS[name];
const unknown = (values.side ?? []).find((side) => !(side in (benchmark?.sides ?? {})));
if (!benchmark || unknown) {
  const known = benchmark ? Object.keys(benchmark.sides) : Object.keys(BENCHMARKS);
  console.error(`${unknown ?? name ?? "nothing"}: no such ${benchmark ? "side" : "benchmark"}; there are ${known.join(", ")}`);
  process.exit(2);
}

mkdirSync(join(WORK, "samples"), { recursive: true });
const file = join(WORK, "samples", `${name}.jsonl`);
if (!values.report && !values.publish) await measure();
const lines = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").map(JSON.parse) : [];
if (lines.length === 0) {
  console.error(`${name}: nothing has been measured`);
  process.exit(1);
}
const result = await gathered();
if (values.publish) publish(result, "peers");
console.log(values.json ? JSON.stringify({ ...result, samples: values.samples ? result.samples : undefined }) : text(result, values.samples));

/** Runs the sides in turns; every run's samples are kept at once. */
async function measure() {
  const sides = values.side ?? Object.keys(benchmark.sides);
  if (!values.side) rmSync(file, { force: true });
  for (let round = 0; round < Number(values.rounds); round++)
    for (const side of sides) {
      const { needs } = benchmark.sides[side];
      if (needs && !existsSync(program(needs))) {
        console.error(`${name} ${side}: left out, ${needs} is not installed (bench/peers/install.sh)`);
        continue;
      }
      const before = load();
      const samples = await benchmark.sides[side].run(Number(values.times ?? benchmark.times));
      const line = { side, samples, load: [before, load()].map(Number) };
      appendFileSync(file, `${JSON.stringify(line)}\n`);
      console.error(`${name} ${side}: ${JSON.stringify(samples).slice(0, 200)}`);
    }
}

/** One report of all that was measured. */
async function gathered() {
  const measured = Object.entries(benchmark.sides)
    .map(([side, what]) => [side, what, lines.filter((line) => line.side === side)])
    .filter(([, , runs]) => runs.length > 0);
  const figures = measured.flatMap(([, what, runs]) => benchmark.figures(what, runs.flatMap(({ samples }) => samples)));
  const loads = lines.flatMap((line) => line.load);
  const conditions = [
    ...(await benchmark.conditions()),
    ["runs", measured.map(([side, , runs]) => `${side} ${runs.length} with ${runs.flatMap((run) => run.samples).length} in all`).join(", ")],
    ["load_average", `${Math.min(...loads)} to ${Math.max(...loads)}`],
  ];
  const samples = measured.map(([side, , runs]) => [side, runs.flatMap((run) => run.samples)]);
  return report(name, figures, conditions, samples);
}
