// What the peers' benchmarks compute by themselves: floors, quantiles, lines.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { test } from "node:test";
import { engineProxy } from "./engine-proxy.mjs";
import { figure, quantile, report, text } from "./report.mjs";
import { finalityFloor, raftFloor, roundTrips } from "./wan.mjs";

const even = (hosts, trip) => hosts.map((from) => hosts.map((to) => (from === to ? 0 : trip)));

test("three hops of equal length are the floor of finality", () => {
  // The leader has its own votes at once, but two more of four have to come: every hop counts for everybody else.
  const floor = finalityFloor(even([0, 1, 2, 3], 100));
  assert.ok(floor > 100 && floor <= 150, `${floor}`);
});

test("the maps' floors are those of the simulator", () => {
  const floor = (map) => Number(finalityFloor(roundTrips(map)).toFixed(1));
  assert.deepEqual([floor("global-4"), floor("transatlantic-7")], [166.2, 99.4]);
  assert.deepEqual(raftFloor(roundTrips("global-4"), 0).map(Math.round), [93, 157, 186, 243]);
});

test("the maps are the recorded table's", () => {
  const { regions, rtt_ms: table } = JSON.parse(readFileSync(new URL("../../vectors/latency/regions.json", import.meta.url)));
  for (const map of ["global-4", "transatlantic-7"]) {
    const lines = readFileSync(new URL(`../wan/maps/${map}.txt`, import.meta.url), "utf8").trim().split("\n").slice(1);
    const rows = lines.map((line) => line.split(/\s+/));
    const places = rows.map(([region]) => regions.indexOf(region));
    rows.forEach(([, ...trips], from) =>
      trips.forEach((trip, to) => from === to || assert.equal(Number(trip), table[places[from]][places[to]], map)),
    );
  }
});

test("quantiles are nearest rank", () => {
  const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.deepEqual([0.5, 0.99, 1].map((q) => quantile(samples, q)), [50, 99, 100]);
  assert.equal(quantile([], 0.5), 0);
});

test("lines are those of rota bench", () => {
  const lines = text(report("takeover", [figure("longest gap, p50", 12.34, "ms")], [["kills", 3]], [["a", [1, 2]]]), true);
  assert.match(lines, /^takeover\n {2}longest gap, p50 {53}12\.3 ms\n {2}conditions: kills=3 cores=\d+\n {2}samples a: 1\.0 2\.0\n {2}holds: true$/);
});

test("a bad engine answers, but has no payload or a wrong one", async () => {
  const payload = {
    executionPayload: {
      parentHash: `0x${"11".repeat(32)}`, feeRecipient: `0x${"22".repeat(20)}`, stateRoot: `0x${"33".repeat(32)}`,
      receiptsRoot: `0x${"44".repeat(32)}`, logsBloom: `0x${"00".repeat(256)}`, prevRandao: `0x${"55".repeat(32)}`,
      blockNumber: "0x1", gasLimit: "0xbebc200", gasUsed: "0xb000", timestamp: "0x68e7f3a0", extraData: "0x00",
      baseFeePerGas: "0x3b9aca00", blockHash: `0x${"66".repeat(32)}`, transactions: ["0x7e00"], withdrawals: [],
      blobGasUsed: "0x0", excessBlobGas: "0x0", withdrawalsRoot: `0x${"77".repeat(32)}`,
    },
    parentBeaconBlockRoot: `0x${"88".repeat(32)}`,
  };
  const engine = createServer((_, response) => response.end(JSON.stringify({ jsonrpc: "2.0", id: 1, result: payload })));
  engine.listen(0, "127.0.0.1");
  await once(engine, "listening");
  const proxy = await engineProxy(`http://127.0.0.1:${engine.address().port}`);
  const ask = async (method) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 7, method, params: [] });
    return fetch(proxy.url, { method: "POST", body });
  };
  assert.deepEqual((await (await ask("engine_getPayloadV4")).json()).result, payload);
  proxy.mode = "nothing";
  assert.equal((await (await ask("engine_getPayloadV4")).json()).error.code, -38001);
  assert.deepEqual((await (await ask("engine_forkchoiceUpdatedV3")).json()).result, payload);
  proxy.mode = "invalid";
  // It refuses to spoil what it cannot rebuild: the hash here is not this block's.
  assert.equal((await ask("engine_getPayloadV4")).status, 502);
  proxy.close();
  engine.close();
});
