// The network of bench/wan, and what a map says of the least that agreement can take on it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { listen, program } from "./processes.mjs";

const file = (map) => join(import.meta.dirname, "../wan/maps", `${map}.txt`);

/** Round trips of a map in ms, `[from][to]`, symmetric as the router makes them. */
export function roundTrips(map) {
  const rows = readFileSync(file(map), "utf8")
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim().split(/\s+/).slice(1).map(Number))
    .filter((row) => row.length > 0);
  return rows.map((row, from) => row.map((_, to) => (rows[from][to] + rows[to][from]) / 2));
}

/** Starts the network of a map: its hosts, each a region, an address and a namespace; `down` ends it. */
export async function network(map) {
  const count = roundTrips(map).length;
  const hosts = [];
  let child;
  await new Promise((done, fail) => {
    child = listen(program("rota-wan"), [file(map)], (line) => {
      const [region, address, namespace] = line.split(" ");
      if (hosts.push({ region, address, namespace }) === count) done();
    });
    child.child.once("exit", (code) => fail(new Error(`the network of ${map} ended with ${code}`)));
  });
  return { hosts, down: () => child.end() };
}

/** What a leader waits for at least: the answers of a majority of the members, itself one of them. */
export function majority(trips, leader) {
  const others = trips[leader].filter((_, member) => member !== leader).sort((a, b) => a - b);
  return others[Math.floor(trips.length / 2) - 1];
}

/** The least that a write through each member takes: to the leader, to its majority and back. */
export const raftFloor = (trips, leader) =>
  trips.map((row, member) => (member === leader ? 0 : row[leader]) + majority(trips, leader));

/**
 * The least that Byzantine finality takes: three one-way hops to a quorum, the mean over leaders and observers. Votes go
 * to everybody, certificates are passed on.
 */
export function finalityFloor(trips) {
  const hosts = trips.map((_, host) => host);
  const quorum = hosts.length - Math.floor((hosts.length - 1) / 3);
  const way = (from, to) => (from === to ? 0 : trips[from][to] / 2);
  /** When each host has a certificate of votes that were sent at these times. */
  const certificate = (sent) => {
    const own = hosts.map((to) => hosts.map((from) => sent[from] + way(from, to)).sort((a, b) => a - b)[quorum - 1]);
    return hosts.map((to) => Math.min(...hosts.map((from) => own[from] + way(from, to))));
  };
  const final = hosts.map((leader) => certificate(certificate(hosts.map((host) => way(leader, host)))));
  return final.flat().reduce((sum, at) => sum + at, 0) / hosts.length ** 2;
}
