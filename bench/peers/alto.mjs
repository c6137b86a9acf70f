// A set of stock alto validators, one on each host of a network: the same consensus as Rota's, with nothing to execute.

import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sleep, until } from "../../e2e/support.mjs";
import { WORK, program, run, start } from "./processes.mjs";

/** The published version, as install.sh pins it. */
export async function version() {
  const script = await readFile(join(import.meta.dirname, "install.sh"), "utf8");
  return `alto ${script.match(/^alto_version=(\S+)$/m)[1]}`;
}

const PORT = 3000;
/** What `deploy generate` takes for the leaders of a set: a new one in each view, or one for 50 views, as Rota has. */
export const LEADERS = {
  rotating: ["--leader-mode", "rotating", "--leader-delay-ms", 0],
  stable: ["--leader-mode", "stable", "--leader-delay-ms", 100]
    .concat(["--leader-term-length", 50, "--leader-optimistic-views", 48]),
};
/** Before that long after the start nothing counts: connections are made, leaders find each other. */
const WARM_UP_MS = 10_000;

/** Runs validators for a time; for each host the ms from each block's proposal until the host has it finalized. */
export async function finality(hosts, leaders, seconds) {
  const dir = join(WORK, "run/alto");
  await rm(dir, { recursive: true, force: true });
  const set = ["--peers", hosts.length, "--bootstrappers", hosts.length, "--worker-threads", 2]
    .concat(["--log-level", "info", "--mailbox-size", 16_384, "--deque-size", 256, "--signature-threads", 1])
    .concat([...leaders, "--output", dir, "local", "--start-port", PORT]);
  await run(program("alto-deploy"), ["generate", ...set]);
  const peers = join(dir, "peers.yaml");
  // The set's addresses are on loopback, with ports that tell the validators apart.
  const addresses = (await readFile(peers, "utf8")).match(/^ *['"]?[0-9a-f]{64}['"]?: .*$/gm) ?? [];
  if (addresses.length !== hosts.length) throw new Error(`${peers} has ${addresses.length} addresses`);
  const moved = addresses.map((line, index) => line.replace("127.0.0.1", hosts[index].address));
  await writeFile(peers, ["addresses:", ...moved, ""].join("\n"));
  const names = addresses.map((line) => line.match(/[0-9a-f]{64}/)[0]);
  if ((await readdir(dir)).filter((file) => names.includes(file.replace(".yaml", ""))).length !== hosts.length)
    throw new Error(`${dir} does not have a configuration for each validator`);

  const logs = names.map((name) => join(dir, `${name}.log`));
  const validators = names.map((name, index) =>
    start(program("alto-validator"), ["--peers", peers, "--config", join(dir, `${name}.yaml`)], logs[index], hosts[index].namespace),
  );
  try {
    const finalized = async (log) => blocks(await readFile(log, "utf8"));
    for (const log of logs) await until("alto finalizes", async () => (await finalized(log)).length > 0, 60_000, 500);
    const from = Date.now() + WARM_UP_MS;
    await sleep(WARM_UP_MS + seconds * 1e3);
    const all = await Promise.all(logs.map(finalized));
    return all.map((list) => list.filter(({ proposed }) => proposed > from).map(({ proposed, at }) => at - proposed));
  } finally {
    await Promise.all(validators.map((validator) => validator.stop()));
  }
}

/** The lines "finalized block" of a log: when it was written, and the block's timestamp, both Unix ms. */
function blocks(log) {
  const lines = log.replace(/\x1b\[[0-9;]*m/g, "").matchAll(/^(\S+Z) .*finalized block.* timestamp=(\d+)/gm);
  return [...lines].map(([, at, proposed]) => ({ at: precise(at), proposed: Number(proposed) }));
}

/** Unix ms of an ISO time, with its fraction of a millisecond. */
const precise = (iso) => {
  const [whole, fraction] = iso.replace("Z", "").split(".");
  return Date.parse(`${whole}Z`) + Number(`0.${fraction ?? 0}`) * 1e3;
};
