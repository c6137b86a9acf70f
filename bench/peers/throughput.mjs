// `throughput`: the load of `rota bench throughput` on one stock sequencer, and on Rota in turns with it.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as opstack from "./opstack.mjs";
import { figure, quantile } from "./report.mjs";
import * as rota from "./rota.mjs";

/** A pool that does not drop what waits for its block, and a block that is built anew while it is open. */
const TUNED = ["--txpool.globalslots", 100_000, "--txpool.globalqueue", 100_000, "--txpool.accountslots", 10_000]
  .concat(["--txpool.accountqueue", 10_000, "--miner.recommit", "200ms", "--cache", 2_048]);
/** Clients of the load, each with a connection of its own: as many as the operators that it is beside. */
const CLIENTS = 4;
/** Bounds on the p99 from submission to inclusion, ms. */
const BOUNDS = [1_000, 2_000];

/** What each offered rate gave, by the figures of the report. */
function rates({ figures }) {
  const found = new Map();
  for (const { name, value } of figures) {
    const [, rate, what] = name.match(/^offered (\d+)\/s: (certified|p99 to certified|included)$/) ?? [];
    if (rate) found.set(rate, { ...found.get(rate), [what]: value });
  }
  return [...found].map(([rate, { certified, included, ...rest }]) => [Number(rate), certified, rest["p99 to certified"], included]);
}

async function stock(gethFlags, times) {
  const runs = [];
  while (runs.length < times) {
    const chain = await opstack.stack({ count: 1, gethFlags });
    try {
      const [{ rpc, ws }] = chain.nodes;
      const operators = Array.from({ length: CLIENTS }, () => ({ identity: `0x${"00".repeat(32)}`, rpc, ws }));
      await writeFile(join(chain.dir, "devnet.json"), JSON.stringify({ ...chain.chain, operators }));
      runs.push(rates(await rota.bench("throughput", "--stock", chain.dir)));
    } finally {
      await chain.down();
    }
  }
  return runs;
}

async function ours(operators, times) {
  const runs = [];
  while (runs.length < times) runs.push(rates(await rota.bench("throughput", "--operators", operators)));
  return runs;
}

export const sides = {
  "op-geth-defaults": { words: "op-geth + op-node, defaults", run: (times) => stock([], times) },
  "op-geth-tuned": { words: "op-geth + op-node, tuned", run: (times) => stock(TUNED, times) },
  "rota-1": { words: "Rota, 1 operator", run: (times) => ours(1, times) },
  "rota-4": { words: "Rota, 4 operators", run: (times) => ours(4, times) },
};

/** The highest rate that was offered and of which everything was included within a bound; 0 if there is none. */
const sustained = (run, bound) =>
  Math.max(0, ...run.filter(([, , p99, included]) => included === 100 && p99 <= bound).map(([rate]) => rate));

export const figures = ({ words }, runs) => [
  ...BOUNDS.map((bound) =>
    figure(`${words}: p99 <= ${bound / 1e3} s`, quantile(runs.map((run) => sustained(run, bound)), 0.5), "tx/s"),
  ),
  figure(`${words}: p99 at ${runs[0][0][0]}/s`, quantile(runs.map(([[, , p99]]) => p99), 0.5), "ms"),
];

export const conditions = async () => [
  ["op-geth", `${await opstack.versions()}, one sequencer, blocks of 1 s`],
  ["tuned", TUNED.join(" ").replaceAll("--", "")],
  ["load", `rota bench throughput: the same signed transfers, senders and rates, over ${CLIENTS} connections`],
  ["included", "until a client hears of the head (op-geth) or the certified flashblock (Rota) that has the transaction"],
];
