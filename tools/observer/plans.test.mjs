import assert from "node:assert/strict";
import { test } from "node:test";
import { plan } from "./plans.mjs";
import { kindOf } from "./schedule.mjs";

const id = (byte) => `0x${byte.toString(16).padStart(64, "0")}`;
const account = (byte) => `0x${byte.toString(16).padStart(40, "0")}`;
const changed = (byte, status, leavesAt = 0n) => ({
  eventName: "OperatorChanged",
  args: { operator: account(byte), entry: { identity: id(100 - byte), weight: 1n, reserve: false, status, leavesAt } },
});
const announced = (strategy, fromEpoch) => ({ eventName: "ScheduleAnnounced", args: { kind: kindOf(strategy), fromEpoch } });
const rhythm = { epochLength: 300, turnLength: 50, strategy: "round-robin" };
const of = (events, epoch = 7, fixedAt = 50) => plan({ epoch, events, fixedAt, seed: id(9), rhythm });

test("members and those whose notice runs have seats, in ascending order of identity", () => {
  const events = [changed(1, 1), changed(1, 2), changed(2, 2), changed(3, 1), changed(4, 3, 51n), changed(5, 3, 50n), changed(6, 4)];
  assert.deepEqual(of(events).seats.map(({ operator }) => operator), [4, 2, 1].map(account));
  assert.equal(of(events).regularTurns, 8);
});

test("the newest announcement in force names the strategy", () => {
  assert.equal(of([changed(1, 2)]).strategy, "round-robin");
  const events = [changed(1, 2), announced("weighted", 7n)];
  assert.equal(of(events, 6).strategy, "round-robin");
  assert.equal(of(events, 7).strategy, "weighted");
  assert.equal(of([...events, announced("round-robin", 3n)], 7).strategy, "round-robin");
});
