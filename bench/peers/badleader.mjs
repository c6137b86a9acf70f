// `badleader`: the leader is not dead but bad; how long the chain stands still, or that it halts.

import { LIMIT_MS, longestGap } from "./gap.mjs";
import * as opstack from "./opstack.mjs";
import { figure, quantile } from "./report.mjs";
import * as rota from "./rota.mjs";
import { sleep } from "../../e2e/support.mjs";

const SEQUENCERS = 3;
const BLOCK_MS = 1_000;

const signal = (name, ...which) => (node) => which.forEach((process) => node[process].signal(name));
const engine = (mode) => (node) => {
  node.proxy.mode = mode;
};

/** What is done to the leader, and what mends it. */
const FAULTS = {
  silent: {
    words: "silent: all stopped (SIGSTOP)",
    does: signal("SIGSTOP", "conductor", "opNode", "geth"),
    mends: signal("SIGCONT", "geth", "opNode", "conductor"),
  },
  "frozen-node": {
    words: "its op-node stopped",
    does: signal("SIGSTOP", "opNode"),
    mends: signal("SIGCONT", "opNode"),
  },
  "frozen-engine": {
    words: "its op-geth stopped",
    does: signal("SIGSTOP", "geth"),
    mends: signal("SIGCONT", "geth"),
  },
  nothing: { words: "half-dead: builds nothing", does: engine("nothing"), mends: engine("honest") },
  invalid: { words: "builds invalid blocks", does: engine("invalid"), mends: engine("honest") },
};

async function bad({ does, mends }, conductor, rounds) {
  const gaps = [];
  let cluster;
  try {
    while (gaps.length < rounds) {
      cluster ??= await opstack.stack({ count: SEQUENCERS, conductor, proxied: true });
      const leader = await cluster.leader();
      const witness = (leader + 1) % SEQUENCERS;
      gaps.push(await longestGap(cluster, witness, BLOCK_MS, () => does(cluster.nodes[leader])));
      mends(cluster.nodes[leader]);
      if (gaps.at(-1) >= LIMIT_MS) {
        await cluster.down();
        cluster = undefined;
      } else {
        await cluster.settled();
        await sleep(2_000);
      }
    }
    return gaps;
  } finally {
    await cluster?.down();
  }
}

/** Rota's leader stopped whole; it has its own number of rounds. Its engine is in the same process. */
async function withRota() {
  const { samples } = await rota.bench("takeover", "--fault", "stop");
  return Object.fromEntries(samples).gap_within_epoch_ms;
}

/** The sides: one for each fault and settings of op-conductor, and Rota's. */
const conductors = (prefix, words, settings) =>
  Object.entries(FAULTS).map(([name, fault]) => [
    `${prefix}-${name}`,
    { words: `op-conductor, ${words}, ${fault.words}`, run: (rounds) => bad(fault, settings, rounds) },
  ]);
export const sides = Object.fromEntries([
  ...conductors("conductor", "defaults", opstack.DEFAULTS),
  ...conductors("conductor-tuned", "tuned", opstack.TUNED),
  ["rota-silent", { words: `Rota, ${FAULTS.silent.words}`, run: withRota }],
]);

/** Figures of a side from its samples: a halt has no length. */
export function figures({ words }, gaps) {
  const ended = gaps.filter((gap) => gap < LIMIT_MS);
  const halts = figure(`${words}: halts, of ${gaps.length}`, gaps.length - ended.length, "halts");
  return ended.length === 0 ? [halts] : [figure(`${words}: gap, p50`, quantile(ended, 0.5), "ms"), halts];
}

/** The conditions of the comparison. */
export const conditions = async () => [
  ["op-conductor", `${await opstack.versions()}, ${SEQUENCERS} sequencers, blocks of 1 s, heads of a follower's op-geth`],
  ["op-conductor_defaults", opstack.settings(opstack.DEFAULTS)],
  ["op-conductor_tuned", opstack.settings(opstack.TUNED)],
  ["nominal_gap", "op-conductor 1000 ms, Rota 200 ms"],
  ["halt", `no block for ${LIMIT_MS / 1e3} s`],
  ["nothing", "the leader's engine answers everything but engine_getPayload"],
  ["invalid", "the leader's engine builds payloads with a wrong state root and the hash that goes with it"],
];
