import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { mutated } from "./apply.mjs";
import { mutations } from "./mutations.mjs";

const root = join(import.meta.dirname, "../..");
const read = (file) => readFileSync(join(root, file), "utf8");

test("every guard is where its mutation looks for it, once, and every mutation has a switch", () => {
  const files = mutated(mutations, read);
  for (const { name } of mutations) {
    assert.ok([...files.values()].some((source) => source.includes(`::mutant("${name}")`)), name);
  }
  assert.equal(new Set(mutations.map(({ name }) => name)).size, mutations.length);
});

test("every scenario and every invariant has a guard whose absence it must notice", () => {
  const watched = mutations.flatMap(({ watches }) => watches);
  const list = read("crates/rota-sim/src/scenarios/mod.rs").match(/for_each_scenario \{(.*?)\n\}/s)[1];
  const scenarios = [...list.matchAll(/(\w+) = \d+,/g)].map(([, name]) => name);
  assert.ok(scenarios.length > 50);
  const missing = scenarios.filter((name) => !watched.includes(name));
  const strangers = watched.map((by) => by.scenario ?? by).filter((by) => typeof by === "string" && !scenarios.includes(by));
  const names = [...read("crates/rota-sim/src/invariants.rs").matchAll(/^ {4}\w+ = "([\w-]+)", "/gm)].map(([, name]) => name);
  assert.ok(names.length >= 14);
  const unseen = names.filter((name) => !watched.some(({ invariant }) => invariant === name));
  assert.deepEqual(mutations.filter(({ watches, unnoticed }) => watches.length === 0 && !unnoticed), []);
  assert.deepEqual({ missing, strangers, unseen }, { missing: [], strangers: [], unseen: [] });
});

test("a text that is missing, or there twice, is named", () => {
  const of = (source) => () => mutated([{ name: "m", edits: [["a.rs", "x > 1", "MUTANT"]], watches: [] }], () => source);
  assert.throws(of("x > 2"), /mutation m: this is missing in a\.rs/);
  assert.throws(of("x > 1; x > 1"), /more than once/);
  assert.match(of("if x > 1 {}")().get("a.rs"), /^if rota_types::mutant\("m"\) \{\}$/);
});
