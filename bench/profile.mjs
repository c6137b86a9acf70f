#!/usr/bin/env node
// Where the CPU goes: runs `rota bench throughput` at one rate under `perf` and prints what each cause costs a transaction,
// for the operators, the load generator and L1, and the hottest functions. Needs Linux's perf and the right to use it.
//
//   node bench/profile.mjs [--rate 3000] [--seconds 10] [--operators 4] [--keep FOLDED]
//
// --keep writes the collapsed stacks, one a line with its microseconds, as flame graph tools read them.

import { spawn, execFileSync } from "node:child_process";
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const FREQUENCY = 199;

/** Causes in order: a sample belongs to the first one that any of its frames matches. */
const CAUSES = [
  ["senders' signatures", /recover_ecdsa|secp256k1_|recover_signer/],
  ["EVM", /EmbeddedDraft.*(extend|open)|Executor.*transact/],
  ["tries, roots, seal", /EmbeddedDraft.*finish|rota_execution.*(seal|trie|state)/],
  ["posting: KZG, compression", /kzg|brotli|rota_batch/],
  ["BLS votes and certificates", /blst|bls12381|blst_/],
  ["store: state, blocks, indexes", /fjall|lsm_tree|FjallStore|rota_node.*ledger/],
  ["consensus' journals", /commonware_storage|commonware_runtime.*storage/],
  ["RPC", /jsonrpsee|soketto|hyper|serde_json/],
  ["p2p: transport", /commonware_p2p|commonware_stream|chacha20|poly1305|commonware_runtime.*network/],
  ["pool: admission, order, copies", /rota_node.*(mempool|gossip|peers)|rayon/],
  ["propose, verify, certify", /rota_node.*application|rota_execution/],
  ["consensus", /commonware_consensus|commonware_broadcast|commonware_resolver|rota_consensus|commonware_/],
  ["stages, metrics, feed", /rota_node.*(rpc|metrics|feed|node)/],
  ["L1 view and poster", /rota_l1|reqwest|alloy_/],
  ["waking and scheduling threads", /futex|tokio.*(park|runtime)|schedule|epoll|mio|std.*thread/],
];

const { values: options } = parseArgs({
  options: {
    rate: { type: "string", default: "3000" },
    seconds: { type: "string", default: "10" },
    operators: { type: "string", default: "4" },
    binary: { type: "string", default: "target/release/rota" },
    keep: { type: "string" },
  },
});
const [rate, seconds] = [Number(options.rate), Number(options.seconds)];

const scratch = mkdtempSync(join(tmpdir(), "rota-profile-"));
try {
  const { report, groups } = await record();
  process.stderr.write(report);
  tell(await stacks(), groups);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** Runs the benchmark, and perf while it offers its load. */
async function record() {
  const args = ["bench", "throughput", "--operators", options.operators, "--rate", `${rate}`, "--seconds", `${seconds}`];
  const bench = spawn(options.binary, args, { stdio: ["ignore", "pipe", "pipe"] });
  let report = "";
  bench.stdout.on("data", (data) => (report += data));
  const ended = new Promise((resolve) => bench.on("close", resolve));
  let groups;
  for await (const line of createInterface({ input: bench.stderr })) {
    if (line !== `offering ${rate}/s for ${seconds} s`) continue;
    const directory = join(tmpdir(), `rota-bench-${bench.pid}`);
    const devnet = JSON.parse(readFileSync(join(directory, "devnet.json")));
    const l1 = Number(readFileSync(join(directory, "l1/pid")));
    groups = new Map([[bench.pid, "load"], [l1, "L1"], ...devnet.operators.map(({ pid }) => [pid, "operators"])]);
    const perf = ["record", "-q", "-e", "cpu-clock", "-F", `${FREQUENCY}`, "--call-graph", "dwarf,16384"];
    const pids = [...groups.keys()].join(",");
    execFileSync("perf", [...perf, "-p", pids, "-o", join(scratch, "perf.data"), "--", "sleep", `${seconds}`], {
      stdio: "ignore",
    });
  }
  await ended;
  if (!groups) throw new Error(`the benchmark offered no load\n${report}`);
  return { report, groups };
}

/** The samples: pid and frames, innermost first. */
async function stacks() {
  const text = join(scratch, "stacks");
  const script = `perf script -i ${join(scratch, "perf.data")} --no-inline -F pid,ip,sym > ${text} 2>/dev/null`;
  execFileSync("sh", ["-c", script]);
  const samples = [];
  let sample;
  for await (const line of createInterface({ input: createReadStream(text) })) {
    const head = /^\s*(\d+)\s*$/.exec(line);
    if (head) samples.push((sample = { pid: Number(head[1]), frames: [] }));
    else if (line.trim()) sample.frames.push(line.trim().replace(/^[0-9a-f]+ /, "").replace(/::h[0-9a-f]{16}$/, ""));
  }
  return samples;
}

/** Prints the tables. */
function tell(samples, groups) {
  const each = 1e6 / FREQUENCY / (rate * seconds);
  const rows = new Map();
  const hottest = new Map();
  const folded = new Map();
  for (const { pid, frames } of samples) {
    const who = groups.get(pid) ?? "operators";
    const cause = CAUSES.find(([, pattern]) => frames.some((frame) => pattern.test(frame)))?.[0] ?? "other";
    const row = rows.get(cause) ?? rows.set(cause, { operators: 0, load: 0, L1: 0 }).get(cause);
    row[who] += each;
    if (who === "operators") hottest.set(frames[0], (hottest.get(frames[0]) ?? 0) + each);
    const stack = [who, cause, ...frames.toReversed()].join(";");
    folded.set(stack, (folded.get(stack) ?? 0) + 1e6 / FREQUENCY);
  }
  const number = (value) => value.toFixed(1).padStart(9);
  console.log(`microseconds of CPU for a transaction at ${rate}/s, ${options.operators} operators together`);
  console.log(`${"".padEnd(34)}operators     load       L1`);
  const total = { operators: 0, load: 0, L1: 0 };
  for (const [cause, row] of [...rows].sort(([, a], [, b]) => b.operators - a.operators)) {
    console.log(`${cause.padEnd(34)}${number(row.operators)}${number(row.load)}${number(row.L1)}`);
    for (const who of Object.keys(total)) total[who] += row[who];
  }
  console.log(`${"together".padEnd(34)}${number(total.operators)}${number(total.load)}${number(total.L1)}`);
  console.log("\nhottest functions of the operators");
  for (const [name, cost] of [...hottest].sort(([, a], [, b]) => b - a).slice(0, 40)) {
    console.log(`${number(cost)}  ${name.slice(0, 110)}`);
  }
  if (options.keep) {
    const lines = [...folded].map(([stack, micros]) => `${stack} ${Math.round(micros)}`);
    writeFileSync(options.keep, `${lines.join("\n")}\n`);
  }
}
