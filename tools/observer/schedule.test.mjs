// The observer names the leaders that node and contracts name: the shared vectors.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { kindOf, regularTurns, schedule } from "./schedule.mjs";

const load = (strategy) =>
  JSON.parse(readFileSync(new URL(`../../vectors/schedule/${strategy}.json`, import.meta.url)));

for (const strategy of ["round-robin", "weighted"]) {
  test(`${strategy}: the leaders of the vectors`, () => {
    const { kind, cases } = load(strategy);
    assert.equal(kindOf(strategy), kind);
    let most = 0;
    for (const { seats, regularTurns, epochs } of cases) {
      for (const { epoch, seed, leaders } of epochs) {
        const { leader, table, turns, standing } = schedule({ epoch, strategy, seed, regularTurns, seats });
        const expected = [...Buffer.from(leaders.slice(2), "hex")];
        assert.deepEqual(expected.map((_, turn) => seats.indexOf(leader(turn))), expected);
        most = Math.max(most, expected.length);
        for (const { operator } of seats) {
          const own = turns(operator);
          assert.ok(own.every((turn) => table[turn].operator === operator));
          assert.equal(standing(operator), own.length > 0 ? "scheduled" : "unscheduled");
        }
        assert.equal(seats.flatMap(({ operator }) => turns(operator)).length, regularTurns);
        assert.equal(standing(`0x${"00".repeat(20)}`), "unknown");
      }
    }
    assert.equal(most, 1000);
  });
}

test("malformed plans are refused", () => {
  const { seats, regularTurns } = load("weighted").cases.find(({ seats }) => seats.length === 4);
  const plan = { epoch: 3, strategy: "weighted", seed: `0x${"07".repeat(32)}`, regularTurns, seats };
  schedule(plan);
  const changed = (index, change) => seats.map((seat, at) => (at === index ? { ...seat, ...change } : seat));
  for (const [change, message] of [
    [{ strategy: "toString" }, /strategy/],
    [{ regularTurns: 0 }, /regular turns/],
    [{ regularTurns: 4097 }, /regular turns/],
    [{ seats: [] }, /0 seats/],
    [{ seats: Array(129).fill(seats[0]) }, /129 seats/],
    [{ seats: seats.toReversed() }, /seat 1 is out of order/],
    [{ seats: changed(2, { identity: seats[1].identity }) }, /seat 2 is out of order/],
    [{ seats: changed(0, { weight: 0 }) }, /seat 0 has weight/],
    [{ seats: changed(3, { weight: 2 ** 32 + 1 }) }, /seat 3 has weight/],
  ]) {
    assert.throws(() => schedule({ ...plan, ...change }), { name: "RangeError", message });
  }
});

test("regular turns are a third more than needed", () => {
  assert.equal(regularTurns(300, 50), 8);
  assert.equal(regularTurns(301, 50), 10);
});
