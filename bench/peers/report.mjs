// What a benchmark of the peers prints: the lines of `rota bench` (crates/rota/src/bench/report.rs), with its conditions.

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** The `q`-quantile (0 to 1) by nearest rank; 0 without samples. */
export function quantile(samples, q) {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(Math.ceil(q * sorted.length), 1) - 1] ?? 0;
}

/** One measured figure. The peers have no targets: those are Rota's. */
export const figure = (name, value, unit) => ({ name, value, unit });

/** The load average of the last minute. */
export const load = () => readFileSync("/proc/loadavg", "utf8").split(" ")[0];

/** A finished benchmark: figures, [name, value] pairs of conditions, and the raw samples by name. */
export const report = (benchmark, figures, conditions, samples) => ({
  benchmark,
  figures,
  conditions: [...conditions, ["cores", availableParallelism()]],
  holds: true,
  samples,
});

/** What a target asks of a figure, in words, and whether a value does it. */
const TARGETS = {
  at_most: { words: (bound) => `target <= ${bound}: gate`, holds: (value, bound) => value <= bound },
  at_least: { words: (bound) => `target >= ${bound}: gate`, holds: (value, bound) => value >= bound },
  expect_at_most: { words: (bound) => `expected <= ${bound}`, holds: (value, bound) => value <= bound },
  expect_at_least: { words: (bound) => `expected >= ${bound}`, holds: (value, bound) => value >= bound },
};

/** A figure's bound, the words for it, and whether it holds; nothing without a target. */
export function bound({ value, unit, target }) {
  if (!target) return undefined;
  const [[kind, at]] = Object.entries(target);
  const { words, holds } = TARGETS[kind];
  return { at, words: words(`${at} ${unit}`), holds: holds(value, at) };
}

function line(figure) {
  const { name, value, unit } = figure;
  const target = bound(figure);
  const verdict = target ? (target.holds ? "holds" : "DOES NOT HOLD") : "";
  const told = `${name.padEnd(60)} ${value.toFixed(1).padStart(12)} ${unit.padEnd(8)} ${(target?.words ?? "").padEnd(32)} ${verdict}`;
  return `  ${told}`.trimEnd();
}

/** The text of a report; its samples too if asked for. */
export function text({ benchmark, figures, conditions, holds, samples }, withSamples = false) {
  const lines = figures.map(line);
  lines.push(`  conditions: ${conditions.map(([name, value]) => `${name}=${value}`).join(" ")}`);
  if (withSamples)
    for (const [name, values] of samples)
      lines.push(`  samples ${name}: ${values.map((value) => value.toFixed?.(1) ?? JSON.stringify(value)).join(" ")}`);
  return [benchmark, ...lines, `  holds: ${holds}`].join("\n");
}
