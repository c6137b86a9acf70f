// `floor`: agreement on a wide-area map beside the least that it can take there: etcd's writes, alto's and Rota's
// finality.

import { sleep } from "../../e2e/support.mjs";
import * as alto from "./alto.mjs";
import * as etcd from "./etcd.mjs";
import { figure, quantile } from "./report.mjs";
import * as rota from "./rota.mjs";
import { finalityFloor, network, raftFloor, roundTrips } from "./wan.mjs";

export const MAP = "global-4";
/** A heartbeat of about the largest round trip and ten of them for an election, as etcd's documentation advises. */
const SETTINGS = { heartbeat: 230, election: 2_300 };
/** The best placed leader of the map. */
const LEADER = 0;
/** Writes a second at each member. */
const LIGHT = 10;
const LOADED = 125;

/** Does something on the map's network. */
async function on(map, act) {
  const net = await network(map);
  try {
    return await act(net.hosts);
  } finally {
    await net.down();
  }
}

/** Writes beside every member at once; the samples of each host, ms. */
async function writes(hosts, rate, seconds) {
  const cluster = await etcd.cluster(hosts, SETTINGS);
  try {
    await cluster.lead(LEADER);
    const samples = hosts.map(() => []);
    const clients = hosts.map((_, index) =>
      cluster.write(index, rate, (sent, answered) => samples[index].push(Number((answered - sent).toFixed(2)))),
    );
    await sleep(seconds * 1e3);
    await Promise.all(clients.map((client) => client.end()));
    if ((await cluster.leader()) !== LEADER) throw new Error("the leader has changed meanwhile");
    return samples;
  } finally {
    await cluster.down();
  }
}

const etcdSide = (rate) => ({
  words: `etcd, ${rate}/s a host`,
  floors: raftFloor(roundTrips(MAP), LEADER),
  run: async (seconds) => [await on(MAP, (hosts) => writes(hosts, rate, seconds))],
});

const altoSide = (leaders) => ({
  words: `alto, ${leaders} leader`,
  needs: "alto-validator",
  floors: [finalityFloor(roundTrips(MAP))],
  // Of all hosts together: leaders and observers both vary.
  run: async (seconds) => [[(await on(MAP, (hosts) => alto.finality(hosts, alto.LEADERS[leaders], seconds))).flat()]],
});

/** `rota bench floor --sockets` has its own seconds, and prints the simulator's figures and gates beside these. */
const rotaSide = (map, words, sample) => ({
  words,
  floors: [finalityFloor(roundTrips(map))],
  run: async () => [[Object.fromEntries((await rota.bench("floor", "--sockets")).samples)[sample]]],
});

export const sides = {
  "etcd-light": etcdSide(LIGHT),
  "etcd-loaded": etcdSide(LOADED),
  "alto-rotating": altoSide("rotating"),
  "alto-stable": altoSide("stable"),
  "rota-sockets": rotaSide(MAP, "Rota, 10 transfers/s", "sockets_global_4_ms"),
};

/** Each run's samples are a list for each floor. */
export const figures = ({ words, floors }, runs) =>
  floors.flatMap((floor, index) => {
    const p50 = quantile(runs.flatMap((samples) => samples[index]), 0.5);
    const what = floors.length > 1 ? `${words}, host ${index}` : words;
    return [
      figure(`${what}: p50`, p50, "ms"),
      figure(`${what}: p50 - floor of ${floor.toFixed(1)}`, p50 - floor, "ms"),
      figure(`${what}: p50 / floor`, (p50 / floor) * 100, "%"),
    ];
  });

export const conditions = async () => [
  ["map", `${MAP}; bench/wan: a namespace for each host, delays by packet, no jitter, no loss`],
  ["etcd", `${await etcd.version()}, a member on each host, fsync, 512 B values, a client beside each, leader on host ${LEADER} (the best placed)`],
  ["etcd_settings", `heartbeat ${SETTINGS.heartbeat} election ${SETTINGS.election}`],
  ["etcd_floor", "to the leader, to its majority and back"],
  ["alto", `${await alto.version()}, a validator on each host, empty blocks, from a block's timestamp to its finalization at each host`],
  ["rota", "an operator on each host, 10 transfers/s, fsync, from the leader's proposal to finalized at each operator"],
  ["alto_floor, rota_floor", "three one-way quorum hops, mean over leaders and hosts"],
];
