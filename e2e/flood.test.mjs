// An operator's RPC is flooded in every way we know: the chain goes on, the others don't notice, a wallet of another
// address is answered during and after each flood, and what the flooded node holds stays bounded: memory, connections.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { Worker } from "node:worker_threads";
import { keccak256 } from "viem";
import { call, devnet, height, signed, sleep, until } from "./support.mjs";

/** How long each flood lasts. */
const FLOOD_MS = 3_000;
/** As long as this if the machine is too slow for what is to be shown. */
const FLOOD_MAX_MS = 25_000;
/** Longest time without a new height, as another operator sees it: five flashblocks, and the floods share its cores. */
const GAP_MS = 2_000;
/** Resident memory of the flooded node, MB: some 200 without a flood; 256 of answers that wait to be read, 256
 * connections with a request each, and as much again that the allocator keeps of answers that are gone. */
const MEMORY_MB = 2_000;
/** Resident memory of an operator that is not flooded, MB. */
const UNAFFECTED_MB = 500;
/** Open files of the flooded node: 256 connections, those that are about to end, the stores', the other operators'. */
const FILES = 1_000;
/** How long a wallet may wait for its answer. */
const PATIENCE_MS = 10_000;

/** The floods, and how many connections of each the node ends and counts at least. */
const FLOODS = {
  silent: 2_500,
  slow: 1_000,
  oversized: 0,
  deep: 0,
  transactions: 0,
  logs: 0,
  batches: 0,
  subscriptions: 0,
  answers: 100,
};

/** Returns as many zeros as the first word of its call data says; without call data it computes until its gas is gone. */
const CREATION = "0x7036600c575b5f5f20506004565b5f355ff35f526011600ff3";

let net, target, witness, pids, contract;
let nonce = 0;

before(
  async () => {
    net = await devnet();
    [target, witness] = net.operators;
    pids = { target: await net.pid(target.name), witness: await net.pid(witness.name) };
    const creation = await signed(net, 0, { nonce: 0, to: undefined, value: 0n, gas: 200_000n, data: CREATION });
    const hash = await until("a chain", () => call(target.rpc, "eth_sendRawTransaction", [creation]));
    const receipt = await until("a contract", () => call(target.rpc, "eth_getTransactionReceipt", [hash]));
    contract = receipt.contractAddress;
    const zeros = await call(target.rpc, "eth_call", [{ to: contract, data: `0x${"5".padStart(64, "0")}` }, "latest"]);
    assert.equal(zeros, "0x0000000000");
  },
  { timeout: 120_000 },
);

after(() => net?.down());

async function residentMb(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) / 1024;
}

/** Connections that the flooded node has ended, as its metrics count them. */
async function ended() {
  const text = await (await fetch(target.metrics)).text();
  return [...text.matchAll(/rpc_ended_connections_total\{.*\} (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Watches until `stopped`; the most of everything: heights are new ones, the gap is the longest time without any. */
async function watch(stopped) {
  const seen = { heights: 0, gapMs: 0, memoryMb: 0, witnessMb: 0, files: 0, walletMs: 0, transactions: 0 };
  const most = (what, value) => (seen[what] = Math.max(seen[what], value));
  const chain = async () => {
    let [last, since] = [await height(witness), performance.now()];
    const first = last;
    while (!stopped()) {
      await sleep(20);
      const now = await height(witness);
      most("gapMs", performance.now() - since);
      if (now > last) [last, since] = [now, performance.now()];
    }
    seen.heights = last - first;
  };
  const bounds = async () => {
    while (!stopped()) {
      most("memoryMb", await residentMb(pids.target));
      most("witnessMb", await residentMb(pids.witness));
      most("files", (await readdir(`/proc/${pids.target}/fd`)).length);
      await sleep(50);
    }
  };
  const wallet = async () => {
    while (!stopped()) {
      const began = performance.now();
      await transfer();
      most("walletMs", performance.now() - began);
      seen.transactions++;
      await sleep(250);
    }
  };
  await Promise.all([chain(), bounds(), wallet()]);
  return seen;
}

/** A wallet's transfer, sent to the flooded node; resolves when it has the hash. */
async function transfer() {
  const raw = await signed(net, 1, { nonce });
  // A node that is busy says so, and a wallet asks again.
  const hash = await until("the wallet is answered", () => send(raw), PATIENCE_MS, 100);
  nonce++;
  return hash;
}

async function send(raw) {
  try {
    return await call(target.rpc, "eth_sendRawTransaction", [raw], PATIENCE_MS);
  } catch (error) {
    // The answer to an earlier try was lost, or it is here and on its way.
    if (/already known|nonce too low|not replicated yet/.test(error.message)) return keccak256(raw);
    throw error;
  }
}

for (const [flood, refused] of Object.entries(FLOODS)) {
  test(`flood: ${flood}`, { timeout: 60_000 }, async (t) => {
    const transactions = await Promise.all([0, 1, 2].map((n) => signed(net, 2, { nonce: n })));
    const port = Number(new URL(target.rpc).port);
    const worker = new Worker(new URL("./flood.mjs", import.meta.url), { workerData: { flood, port, transactions, contract } });
    const endedBefore = await ended();
    let sent = { done: 0 };
    let failed;
    worker.on("message", (counts) => (sent = counts)).on("error", (error) => (failed = error));
    const began = performance.now();
    const lasted = () => performance.now() - began;
    // As the node counts them: who doesn't read doesn't notice.
    let closed = 0;
    const counting = setInterval(async () => (closed = (await ended()) - endedBefore), 500);
    const shownEnough = () => lasted() > FLOOD_MS && closed >= refused;
    const seen = await watch(() => failed || shownEnough() || lasted() > FLOOD_MAX_MS);
    const floodMs = lasted();
    clearInterval(counting);
    await worker.terminate();
    assert.ifError(failed);
    const shown = Object.entries(seen).map(([what, number]) => `${what} ${Math.round(number)}`);
    t.diagnostic(`${flood}: ${sent.done} times, ${closed} connections ended; ${shown.join(", ")}`);

    assert.ok(sent.done > 10, `only ${sent.done} times`);
    assert.ok(closed >= refused, `only ${closed} connections were ended`);
    assert.ok(seen.heights > floodMs / 400, `${seen.heights} heights in ${Math.round(floodMs)} ms`);
    assert.ok(seen.gapMs < GAP_MS, `${seen.gapMs} ms without a new height`);
    assert.ok(seen.memoryMb < MEMORY_MB, `${seen.memoryMb} MB`);
    assert.ok(seen.witnessMb < UNAFFECTED_MB, `${seen.witnessMb} MB of an operator that is not flooded`);
    assert.ok(seen.files < FILES, `${seen.files} open files`);
    assert.ok(seen.transactions > 0, "the wallet was served");

    assert.equal(await net.pid(target.name), pids.target, "it is still the same process");
    const hash = await transfer();
    await until("certified", () => call(witness.rpc, "eth_getTransactionReceipt", [hash]), 10_000);
  });
}
