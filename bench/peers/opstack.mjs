// Stock sequencers of an OP Stack chain on the devnet's L1: op-geth and op-node, several of them under op-conductor.

import { execFile, spawnSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import WebSocket from "ws";
import { call, devnet, freePort, sleep, until } from "../../e2e/support.mjs";
import { mnemonicToAccount } from "viem/accounts";
import { engineProxy } from "./engine-proxy.mjs";
import { WORK, program, start } from "./processes.mjs";

const run = promisify(execFile);

/** An inbox that nobody writes to: what the devnet's operator posted is no part of this chain. */
const INBOX = "0xff000000000000000000000000000000000c0de1";
const MNEMONIC = "test test test test test test test test test test test junk";
/** Without any, op-node looks its default ones up by name, and ends if it cannot. This one is nobody. */
const BOOTNODE =
  "enode://5d61f43cc8554929af6ea535d941bab90347e2cdcf801b53bb741ce422fa31ee755c06496b347f4932cd7f0cb1033297868490db6fc6a260055bd5994b31c42d@127.0.0.1:1";

/** op-conductor's own defaults, its health checks as often as they can be, and a head at most 3 blocks old. */
export const DEFAULTS = { heartbeat: "1s", lease: "500ms", unsafeInterval: 3 };
/** As fast as it runs stably: a heartbeat must survive a pause of the machine. */
export const TUNED = { heartbeat: "300ms", lease: "150ms", unsafeInterval: 2 };

/** Settings in words. */
export const settings = ({ heartbeat, lease, unsafeInterval }) =>
  `heartbeat ${heartbeat} lease ${lease} unsafe-interval ${unsafeInterval}s`;

/** Versions of the modules that the programs are built from. */
export async function versions() {
  const module = await readFile(join(import.meta.dirname, "../../interop/go.mod"), "utf8");
  const [, optimism] = module.match(/ethereum-optimism\/optimism (v\S+)/);
  const [, geth] = module.match(/op-geth (v\S+)/);
  return `optimism-${optimism},op-geth-${geth}`;
}

/** A sequencer's key for gossip: the one that SystemConfig names. */
const signer = () => Buffer.from(mnemonicToAccount(MNEMONIC, { addressIndex: 10 }).getHdKey().privateKey).toString("hex");

/** The devnet's L1 and files, its operator stopped before it has sequenced more than a few blocks. */
async function base(dir) {
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const chain = await devnet({ base: join(dir, "l1"), options: ["--operators", "1"] });
  // It is a process of its own: not even an interrupted benchmark leaves it behind.
  const [rota, args] = [chain.commandLine("down")[0], chain.commandLine("down").slice(1)];
  const end = () => spawnSync(rota, args);
  process.once("exit", end);
  const down = chain.down;
  chain.down = async () => {
    process.off("exit", end);
    await down();
  };
  await chain.kill("all");
  const rollup = JSON.parse(await readFile(join(chain.dir, "rollup.json"), "utf8"));
  await writeFile(join(dir, "rollup.json"), JSON.stringify({ ...rollup, batch_inbox_address: INBOX }));
  await writeFile(join(dir, "jwt.hex"), "11".repeat(32));
  return chain;
}

/**
 * Starts a chain of its own with `count` sequencers. `conductor` has the settings of op-conductor; without it there is
 * one sequencer, which needs none. `proxied` puts a proxy before every engine. `gethFlags` are added to op-geth's.
 */
export async function stack({ count, conductor, proxied = false, gethFlags = [] }) {
  const dir = join(WORK, "run/stack");
  const chain = await base(dir);
  const genesis = join(chain.dir, "genesis.json");
  const ports = () => Promise.all(Array.from({ length: 7 }, freePort));
  const nodes = [];

  const geth = async (node) => {
    const [http, ws, auth] = node.ports;
    const args = ["--datadir", node.data, "--networkid", chain.chain_id, "--nodiscover", "--maxpeers", 0, "--port", 0]
      .concat(["--ipcdisable", "--syncmode", "full", "--gcmode", "archive", "--state.scheme", "hash"])
      .concat(["--http", "--http.addr", "127.0.0.1", "--http.port", http, "--http.api", "eth,net,web3,txpool"])
      .concat(["--ws", "--ws.addr", "127.0.0.1", "--ws.port", ws, "--ws.api", "eth,net"])
      .concat(["--authrpc.addr", "127.0.0.1", "--authrpc.port", auth, "--authrpc.jwtsecret", join(dir, "jwt.hex")])
      .concat(["--rollup.disabletxpoolgossip=true", ...gethFlags]);
    node.geth = start(program("geth"), args, join(node.dir, "geth.log"));
    await until("op-geth answers", () => call(node.rpc, "eth_chainId"));
  };

  const opNode = async (node) => {
    const [, , auth, rpc, p2p, conductorPort] = node.ports;
    const engine = node.proxy?.url ?? `http://127.0.0.1:${auth}`;
    const args = ["--l1", chain.l1.rpc.replace("http://", "ws://"), "--l1.beacon", chain.l1.beacon]
      .concat(["--l1.rpckind", "standard", "--l1.trustrpc", "--l1.epoch-poll-interval", "4s", "--l2", engine])
      .concat(["--l2.jwt-secret", join(dir, "jwt.hex"), "--rollup.config", join(dir, "rollup.json")])
      .concat(["--rollup.l1-chain-config", join(chain.dir, "l1-config.json")])
      .concat(["--rpc.addr", "127.0.0.1", "--rpc.port", rpc, "--rpc.enable-admin"])
      .concat(["--sequencer.enabled", "--sequencer.l1-confs", 0]);
    if (conductor) {
      const peers = nodes.filter((peer) => peer !== node && peer.peerId);
      const known = peers.map((peer) => `/ip4/127.0.0.1/tcp/${peer.ports[4]}/p2p/${peer.peerId}`);
      args.push("--sequencer.stopped", "--conductor.enabled");
      args.push("--conductor.rpc", `http://127.0.0.1:${conductorPort}`, "--p2p.sequencer.key", signer());
      args.push("--p2p.listen.ip", "127.0.0.1", "--p2p.listen.tcp", p2p, "--p2p.no-discovery");
      args.push("--p2p.bootnodes", BOOTNODE, "--p2p.priv.path", join(node.dir, "p2p.key"), "--p2p.ban.peers=false");
      args.push("--p2p.peerstore.path", "memory", "--p2p.discovery.path", "memory");
      if (known.length > 0) args.push("--p2p.static", known.join(","));
    } else {
      args.push("--p2p.disable");
    }
    node.opNode = start(program("op-node"), args, join(node.dir, "op-node.log"));
    await until("op-node answers", () => call(node.nodeRpc, "optimism_version"));
    if (conductor) node.peerId = (await call(node.nodeRpc, "opp2p_self")).peerID;
  };

  const opConductor = async (node, first) => {
    const [, , , , , rpc, raft] = node.ports;
    const args = ["--consensus.addr", "127.0.0.1", "--consensus.port", raft, "--raft.server.id", node.name]
      .concat(["--raft.storage.dir", join(node.dir, "raft"), ...(first ? ["--raft.bootstrap"] : [])])
      .concat(["--raft.heartbeat-timeout", conductor.heartbeat, "--raft.lease-timeout", conductor.lease])
      .concat(["--node.rpc", node.nodeRpc, "--execution.rpc", node.rpc, "--healthcheck.interval", 1])
      .concat(["--healthcheck.unsafe-interval", conductor.unsafeInterval, "--healthcheck.min-peer-count", 1])
      .concat(["--rollup.config", join(dir, "rollup.json"), "--rpc.addr", "127.0.0.1", "--rpc.port", rpc])
      .concat(["--rpc.enable-admin", "--paused"]);
    node.conductor = start(program("op-conductor"), args, join(node.dir, "op-conductor.log"));
    await until("op-conductor answers", () => call(node.conductorRpc, "conductor_paused"));
  };

  const create = async (index) => {
    const mine = await ports();
    const [http, ws, auth, rpc, , conductorPort] = mine;
    const url = (port) => `http://127.0.0.1:${port}`;
    const node = { name: `s${index}`, dir: join(dir, `s${index}`), data: join(dir, `s${index}`, "geth"), ports: mine };
    Object.assign(node, { rpc: url(http), ws: `ws://127.0.0.1:${ws}`, nodeRpc: url(rpc), conductorRpc: url(conductorPort) });
    await mkdir(node.dir, { recursive: true });
    await writeFile(join(node.dir, "p2p.key"), (index + 1).toString(16).padStart(2, "0").repeat(32));
    await run(program("geth"), ["init", "--state.scheme", "hash", "--datadir", node.data, genesis]);
    if (proxied) node.proxy = await engineProxy(url(auth));
    nodes.push(node);
    await geth(node);
    await opNode(node);
  };

  /** Whose conductor leads and whose op-node sequences. */
  const leaderNow = async (except) => {
    for (const [index, node] of nodes.entries()) {
      if (index === except) continue;
      const asks = [call(node.conductorRpc, "conductor_leader", [], 500), call(node.nodeRpc, "admin_sequencerActive", [], 500)];
      const [leads, active] = await Promise.allSettled(asks);
      if (leads.value && active.value) return { index };
    }
    return undefined;
  };

  const head = async (node) => Number(await call(node.rpc, "eth_blockNumber"));
  /** Seconds that the newest block lies behind the clock. */
  const age = async (node) =>
    Date.now() / 1e3 - Number((await call(node.rpc, "eth_getBlockByNumber", ["latest", false])).timestamp);

  for (let index = 0; index < count; index++) await create(index);
  if (conductor) {
    for (const [index, node] of nodes.entries()) await opConductor(node, index === 0);
    await until("a raft leader", () => call(nodes[0].conductorRpc, "conductor_leader"));
    for (const node of nodes.slice(1)) {
      const voter = [node.name, `127.0.0.1:${node.ports[6]}`, 0];
      await call(nodes[0].conductorRpc, "conductor_addServerAsVoter", voter);
    }
    // A conductor starts a sequencer only after a first payload is in the log.
    const start = async () => {
      const { unsafe_l2: newest } = await call(nodes[0].nodeRpc, "optimism_syncStatus");
      await call(nodes[0].nodeRpc, "admin_startSequencer", [newest.hash]);
      return true;
    };
    await until("the first sequencer starts", start);
  }
  for (const node of nodes) await until("the chain has caught up", async () => (await age(node)) < 2.5, 90_000);
  if (conductor) {
    for (const node of nodes) await call(node.conductorRpc, "conductor_resume");
    // While the chain caught up they were not healthy, and hand leadership on until they know that they are.
    for (const node of nodes) await until(`${node.name} is healthy`, () => call(node.conductorRpc, "conductor_sequencerHealthy"));
    await until("a sequencer leads", () => leaderNow());
  }

  const processes = (node) => [node.conductor, node.opNode, node.geth].filter(Boolean);
  return {
    dir,
    chain,
    nodes,
    head: (index) => head(nodes[index]),
    leader: async (except) => (await until("a sequencer leads", () => leaderNow(except), 60_000)).index,
    /** kill -9 of all that a sequencer runs. */
    kill: (index) => Promise.all(processes(nodes[index]).map((process) => process.kill())),
    /** Starts a killed sequencer again on its data; returns when it is at the tip. */
    async restart(index) {
      const node = nodes[index];
      await geth(node);
      await opNode(node);
      await opConductor(node, false);
      await call(node.conductorRpc, "conductor_resume");
      await this.settled();
    },
    /** Waits until every sequencer is at the tip and one leads. */
    async settled() {
      for (const node of nodes) await until(`${node.name} is at the tip`, async () => (await age(node)) < 2.5, 90_000);
      await until("a sequencer leads", () => leaderNow(), 60_000);
    },
    /** Calls `seen` with the Unix ms at which each new block is the head of an op-geth; resolves with what ends it. */
    async watch(index, seen) {
      const socket = new WebSocket(nodes[index].ws);
      await new Promise((done, fail) => socket.once("open", done).once("error", fail));
      socket.on("message", (data) => JSON.parse(data).method === "eth_subscription" && seen(performance.timeOrigin + performance.now()));
      socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["newHeads"] }));
      return { end: async () => socket.terminate() };
    },
    async down() {
      await Promise.all(nodes.flatMap((node) => processes(node).map((process) => process.alive() && process.stop())));
      nodes.forEach(({ proxy }) => proxy?.close());
      await chain.down();
      await sleep(100);
    },
  };
}
