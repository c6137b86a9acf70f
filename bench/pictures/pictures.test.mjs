// Pictures are drawn from recorded reports and stacks.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { flame } from "./flame.mjs";
import { panels } from "./panels.mjs";
import { ticks } from "./svg.mjs";

const RECORDED = join(import.meta.dirname, "reports.jsonl");
const reports = new Map(
  readFileSync(RECORDED, "utf8").trim().split("\n").map(JSON.parse).map((report) => [report.benchmark, report]),
);
const drawn = (name) => panels(reports.get(name));
const titles = (name) => drawn(name).map(({ title }) => title);
const count = (text, part) => text.split(part).length - 1;

test("every report has its picture, which is well formed, and its lines where the page has a place for them", () => {
  const out = mkdtempSync(join(tmpdir(), "rota-pictures-"));
  try {
    const [stacks, page] = [join(out, "stacks.folded"), join(out, "page.md")];
    writeFileSync(stacks, "operators;EVM;main;run 900\nL1;other;main 100\n");
    const others = ["latency", "growth"].map((name) => `<!-- rota ${name} -->\n<!-- end -->\n`).join("");
    writeFileSync(page, `${others}Before.\n<!-- rota throughput -->\nold\n<!-- end -->\nAfter.\n`);
    const publish = join(import.meta.dirname, "../publish.mjs");
    execFileSync(process.execPath, [publish, RECORDED, "--stacks", stacks, "--page", page], { stdio: "ignore" });
    const files = readdirSync(join(out, "pictures"));
    assert.deepEqual(files.sort(), ["flame-throughput.svg", "growth.svg", "latency.svg", "throughput.svg"]);
    for (const file of files) {
      const svg = readFileSync(join(out, "pictures", file), "utf8");
      assert.match(svg, /^<svg xmlns=.*\n[^]*<\/svg>\n$/);
      assert.match(svg, /prefers-color-scheme:dark/);
      assert.doesNotMatch(svg, /NaN|undefined|Infinity/, file);
      for (const name of ["text", "g", "svg", "title", "style"])
        assert.equal(count(svg, `<${name}>`) + count(svg, `<${name} `), count(svg, `</${name}>`), `${file}: ${name}`);
    }
    const [before, begin, fence, name, ...rest] = readFileSync(page, "utf8").match(/Before[^]*/)[0].split("\n");
    assert.deepEqual([before, begin, fence, name], ["Before.", "<!-- rota throughput -->", "```text", "throughput"]);
    assert.ok(rest.some((line) => /^ {2}sustained.* tx\/s +target >= 4000 tx\/s: gate +(holds|DOES NOT HOLD)$/.test(line)));
    assert.deepEqual(rest.slice(-6), ["```", "", "![throughput](pictures/throughput.svg)", "<!-- end -->", "After.", ""]);
    writeFileSync(page, others);
    assert.throws(() => execFileSync(process.execPath, [publish, RECORDED, "--page", page], { stdio: "pipe" }), /no place for it: <!-- rota throughput/);
  } finally {
    rmSync(out, { recursive: true });
  }
});

test("bars have their bounds, and say where one is missed", () => {
  assert.deepEqual(titles("latency"), ["ms (dashed: the target)", "distribution: % at most"]);
  const [bars] = drawn("latency").map((panel) => panel.draw(0, 0, 800));
  assert.equal(count(bars, 'class="limit"'), 2);
  assert.equal(count(bars, 'class="head over"'), 1);
  assert.match(bars, /class="head over">445\.7 ms</);
});

test("an expectation is drawn like a gate, and what the peers measure under a name of ours too", () => {
  const figures = ["etcd: p50", "etcd: p50 - floor of 93.0"].map((name, row) => ({ name, unit: "ms", value: 5, target: { expect_at_most: 4 + 2 * row } }));
  const [bars] = panels({ benchmark: "floor", figures }).map((panel) => panel.draw(0, 0, 800));
  assert.equal(count(bars, 'class="limit"'), 2);
  assert.equal(count(bars, 'class="head over"'), 1);
});

test("what counts up is drawn as lines", () => {
  assert.deepEqual(titles("throughput"), ["tx/s (dashed: the target)", "certified, tx/s", "p99 to certified, ms", "CPU of operators, us/tx"]);
  const lines = drawn("throughput")[3].draw(0, 0, 800);
  assert.equal(count(lines, "<circle"), 3);
  assert.match(lines, />CPU of operators</);
  assert.match(lines, />offered, transactions per second</);
});

test("ten times more each time is as far each time", () => {
  const [, x] = drawn("growth")
    .map((panel) => [...panel.draw(0, 0, 800).matchAll(/<circle cx="([\d.]+)"/g)].map(([, at]) => Number(at)))
    .toSorted((a, b) => a[1] - b[1]);
  assert.ok(Math.abs(x[1] - x[0] - (x[2] - x[1])) < 0.3, `${x}`);
});

test("scales are round and reach the largest", () => {
  for (const largest of [0, 0.3, 7, 99, 100, 101, 4321]) {
    const scale = ticks(largest);
    assert.ok(scale.at(-1) >= largest && scale[0] === 0 && scale.length <= 8, `${largest}: ${scale}`);
  }
});

test("what is too narrow belongs to what is below it, and the file stays small", () => {
  const narrow = flame("a;b 999\na;c 1\n");
  assert.match(narrow, />b 99\.9%</);
  assert.doesNotMatch(narrow, />c 0/);
  const deep = Array.from({ length: 150 }, (_, stack) =>
    `who;cause ${stack};${Array.from({ length: 60 }, (_, depth) => `${"function".repeat(12)}::${stack}::${depth}`).join(";")} 10`,
  );
  assert.ok(flame(deep.join("\n")).length < 300_000);
});
