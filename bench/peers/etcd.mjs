// A cluster of stock etcd members, on loopback or one on each host of a network.

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { freePort, sleep, until } from "../../e2e/support.mjs";
import { WORK, listen, program, run, start } from "./processes.mjs";

const CLIENT = join(import.meta.dirname, "etcd-client.mjs");

/** `heartbeat` and `election` in ms as etcd's flags have them; its own defaults are 100 and 1000. */
export const DEFAULTS = { heartbeat: 100, election: 1_000 };

/** What `etcd --version` says first. */
export const version = async () => (await run(program("etcd"), ["--version"])).split("\n")[0].replace(/.*: /, "");

/** Starts a cluster; `hosts` are those of a network, or as many `undefined` as there are members on loopback. */
export async function cluster(hosts, { heartbeat, election }) {
  const base = join(WORK, "run/etcd");
  await rm(base, { recursive: true, force: true });
  await mkdir(base, { recursive: true });
  const members = [];
  for (const [index, host] of hosts.entries()) {
    const address = host?.address ?? "127.0.0.1";
    const [client, peer] = host ? [2379, 2380] : [await freePort(), await freePort()];
    const [url, peerUrl] = [`http://${address}:${client}`, `http://${address}:${peer}`];
    members.push({ name: `m${index}`, url, peerUrl, namespace: host?.namespace, region: host?.region });
  }
  const everybody = members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
  const launch = (member, state) => {
    const { name, url, peerUrl, namespace } = member;
    const args = ["--name", name, "--data-dir", join(base, name), "--listen-client-urls", url]
      .concat(["--advertise-client-urls", url, "--listen-peer-urls", peerUrl])
      .concat(["--initial-advertise-peer-urls", peerUrl, "--initial-cluster", everybody])
      .concat(["--initial-cluster-state", state, "--initial-cluster-token", "rota-bench"])
      .concat(["--heartbeat-interval", heartbeat, "--election-timeout", election])
      .concat(["--logger", "zap", "--log-level", "warn"]);
    member.process = start(program("etcd"), args, join(base, `${name}.log`), namespace);
  };
  members.forEach((member) => launch(member, "new"));

  const ask = async (index, ...args) => {
    const { url, namespace } = members[index];
    return run(process.execPath, [CLIENT, args[0], url, ...args.slice(1)], namespace);
  };
  const status = async (index) => JSON.parse(await ask(index, "leader"));
  const ids = [];
  for (const index of members.keys())
    ids.push(await until(`etcd ${index} answers`, async () => (await status(index)).member));
  const leader = (at = 0) =>
    until("etcd has a leader", async () => {
      const found = ids.indexOf((await status(at)).leader);
      return found < 0 ? undefined : { index: found };
    }).then(({ index }) => index);
  await leader();
  return {
    members,
    leader,
    /** Makes a member the leader. */
    async lead(index) {
      const now = await leader();
      if (now !== index) await ask(now, "move", ids[index]);
      await until(`etcd ${index} leads`, async () => (await leader()) === index);
    },
    kill: (index) => members[index].process.kill(),
    /** Starts a member again on its data, and waits until it follows. */
    async restart(index) {
      launch(members[index], "existing");
      await until(`etcd ${index} is back`, async () => (await status(index)).leader !== "0");
    },
    /** Writes beside a member at `rate` a second; `ack` hears when a write was sent and answered, Unix ms. */
    write: (index, rate, ack) =>
      listen(
        process.execPath,
        [CLIENT, "write", members[index].url, rate],
        (line) => ack(...line.split(" ").map(Number)),
        members[index].namespace,
      ),
    async down() {
      await Promise.all(members.map(({ process }) => process.stop()));
      await sleep(100);
    },
  };
}
