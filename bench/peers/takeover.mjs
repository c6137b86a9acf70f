// `takeover`: the leader is killed; the longest gap between acknowledged writes, or between new blocks at a follower.

import { LIMIT_MS, longestGap } from "./gap.mjs";
import * as etcd from "./etcd.mjs";
import * as opstack from "./opstack.mjs";
import { figure, quantile } from "./report.mjs";
import * as rota from "./rota.mjs";
import { sleep } from "../../e2e/support.mjs";
import { network } from "./wan.mjs";

const MEMBERS = 4;
const SEQUENCERS = 3;
const WRITES_PER_S = 100;
const BLOCK_MS = 1_000;
export const MAP = "global-4";

/** As short as it is stable on loopback. */
const ETCD_TUNED = { heartbeat: 25, election: 250 };
/** What etcd's documentation advises for the map's largest round trip. */
const ETCD_ADVISED = { heartbeat: 230, election: 2_300 };

/** Kills the leader `kills` times; the gaps in ms. */
async function kills(cluster, count, rounds, everyMs) {
  const gaps = [];
  while (gaps.length < rounds) {
    const victim = await cluster.leader();
    const witness = (victim + 1) % count;
    let moved = false;
    const kill = async () => {
      moved = (await cluster.leader()) !== victim;
      if (!moved) await cluster.kill(victim);
    };
    const gap = await longestGap(cluster, witness, everyMs, kill);
    // Somebody else has come to lead while the moment was awaited: nobody was killed.
    if (moved) continue;
    gaps.push(gap);
    if (gaps.at(-1) >= LIMIT_MS) break;
    await cluster.restart(victim);
    await sleep(2_000);
  }
  return gaps;
}

async function withEtcd(settings, rounds, map) {
  const net = map && (await network(map));
  try {
    const hosts = net?.hosts ?? Array.from({ length: MEMBERS });
    const cluster = await etcd.cluster(hosts, settings);
    cluster.watch = async (index, seen) => cluster.write(index, WRITES_PER_S, (_, answered) => seen(answered));
    try {
      return await kills(cluster, hosts.length, rounds, 1_000 / WRITES_PER_S + 100);
    } finally {
      await cluster.down();
    }
  } finally {
    await net?.down();
  }
}

async function withConductor(settings, rounds) {
  const cluster = await opstack.stack({ count: SEQUENCERS, conductor: settings });
  try {
    return await kills(cluster, SEQUENCERS, rounds, BLOCK_MS);
  } finally {
    await cluster.down();
  }
}

/** Rota's own benchmark, for runs that alternate with the peers'. It has its own number of kills. */
async function withRota(...options) {
  const { samples } = await rota.bench("takeover", ...options);
  return Object.fromEntries(samples).gap_within_epoch_ms;
}

const { heartbeat, election } = ETCD_TUNED;
/** The sides: what runs, by the name of its samples. */
export const sides = {
  "etcd-defaults": { words: "etcd, defaults", run: (rounds) => withEtcd(etcd.DEFAULTS, rounds) },
  "etcd-tuned": { words: `etcd, ${heartbeat}/${election} ms`, run: (rounds) => withEtcd(ETCD_TUNED, rounds) },
  "conductor-defaults": { words: "op-conductor, defaults", run: (rounds) => withConductor(opstack.DEFAULTS, rounds) },
  "conductor-tuned": { words: "op-conductor, tuned", run: (rounds) => withConductor(opstack.TUNED, rounds) },
  "etcd-map-defaults": { words: `etcd, ${MAP}, defaults`, run: (rounds) => withEtcd(etcd.DEFAULTS, rounds, MAP) },
  "etcd-map-advised": { words: `etcd, ${MAP}, as advised`, run: (rounds) => withEtcd(ETCD_ADVISED, rounds, MAP) },
  rota: { words: "Rota, within an epoch", run: () => withRota() },
  "rota-map": { words: `Rota, ${MAP}, within an epoch`, run: () => withRota("--sockets") },
};

/** Figures of a side from its samples. */
export const figures = ({ words }, gaps) => [
  figure(`${words}: longest gap, p50`, quantile(gaps, 0.5), "ms"),
  figure(`${words}: longest gap, max`, quantile(gaps, 1), "ms"),
];

const { heartbeat: slow, election: patient } = ETCD_ADVISED;

/** The conditions of the comparison. */
export const conditions = async () => [
  ["kill", "kill -9 of all of the leader's processes at a random moment"],
  ["etcd", `${await etcd.version()}, ${MEMBERS} members, fsync, ${WRITES_PER_S} writes/s of 512 B to a survivor, open loop`],
  ["etcd_tuned", `heartbeat ${heartbeat} election ${election}`],
  ["etcd_advised", `heartbeat ${slow} election ${patient}`],
  ["op-conductor", `${await opstack.versions()}, ${SEQUENCERS} sequencers, blocks of 1 s, heads of a follower's op-geth`],
  ["op-conductor_defaults", opstack.settings(opstack.DEFAULTS)],
  ["op-conductor_tuned", opstack.settings(opstack.TUNED)],
  ["nominal_gap", "etcd 10 ms, op-conductor 1000 ms, Rota 200 ms"],
];
