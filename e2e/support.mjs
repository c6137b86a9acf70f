// A devnet of its own for a test run: brought up by the real binary in a directory of its own, driven by its command line.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parseGwei } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const run = promisify(execFile);

export const root = fileURLToPath(new URL("..", import.meta.url));
export const ROTA = join(root, "target/release/rota");
const CAST = join(root, "node_modules/@foundry-rs/cast-linux-amd64/bin/cast");

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Below the range that outgoing connections take theirs from: none of those takes a port before its listener does. */
const [FIRST_PORT, LAST_PORT] = [20_000, 31_999];
let nextPort = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));

const canListen = (port) =>
  new Promise((done) => {
    const server = createServer();
    server.on("error", () => done(false));
    server.listen(port, "127.0.0.1", () => server.close(() => done(true)));
  });

/** A port for a process that starts later: nobody listens on it, and it was not given out before. */
export async function freePort() {
  for (let tried = FIRST_PORT; tried <= LAST_PORT; tried++) {
    const port = nextPort;
    nextPort = port === LAST_PORT ? FIRST_PORT : port + 1;
    if (await canListen(port)) return port;
  }
  throw new Error(`no free port from ${FIRST_PORT} to ${LAST_PORT}`);
}

/** Polls until `probe` returns something other than undefined, null or false; its errors count as "not yet". */
export async function until(what, probe, timeoutMs = 30_000, everyMs = 100) {
  const deadline = Date.now() + timeoutMs;
  let last;
  while (Date.now() < deadline) {
    try {
      const found = await probe();
      if (found !== undefined && found !== null && found !== false) return found;
    } catch (error) {
      last = error;
    }
    await sleep(everyMs);
  }
  throw new Error(`timed out after ${timeoutMs} ms: ${what}${last ? ` (${last.message})` : ""}`);
}

/** One JSON-RPC call; throws the server's error with its code. */
export async function call(url, method, params = [], timeoutMs = 10_000) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const body = JSON.parse(await response.text());
  if (body.error) throw Object.assign(new Error(`${method}: ${body.error.message}`), { code: body.error.code });
  return body.result;
}

/** foundry's cast. */
export const cast = async (...args) => (await run(CAST, args.map(String), { timeout: 60_000 })).stdout.trim();

/** Runs a program to its end, also a bad one: exit code and what it said. A minute at most. */
export async function execute(program, ...args) {
  try {
    const { stdout, stderr } = await run(program, args.map(String), { timeout: 60_000 });
    return { code: 0, stdout, stderr };
  } catch ({ code, signal, stdout, stderr }) {
    return { code: code ?? signal, stdout, stderr };
  }
}

/** Runs the binary to its end, also a bad one. */
export const rota = (...args) => execute(ROTA, ...args);

/** Runs the binary to a good end; resolves with what it printed. */
export async function does(...args) {
  const { code, stdout, stderr } = await rota(...args);
  if (code !== 0) throw new Error(`rota ${args[0]}: exit ${code}: ${stderr}`);
  return stdout;
}

/** A signed transfer of 1 wei to oneself from account `index` of a devnet; `fields` say otherwise. */
export const signed = ({ accounts, chain_id: chainId }, index, fields) => {
  const account = privateKeyToAccount(accounts[index].private_key);
  const fees = { maxFeePerGas: parseGwei("10"), maxPriorityFeePerGas: 1_000n };
  const transfer = { to: account.address, value: 1n, gas: 21_000n, type: "eip1559", chainId, ...fees };
  return account.signTransaction({ ...transfer, ...fields });
};

/** `rota_status` of a node. */
export const status = ({ rpc }) => call(rpc, "rota_status");

/** The newest certified height of a node. */
export const height = async (node) => (await status(node)).heads.certifiedHeight;

/** Waits until a node has certified what another has, but for five flashblocks; resolves with the other's height. */
export async function caughtUp(node, other, timeoutMs) {
  let target;
  const there = async () => {
    target = await height(other);
    return (await height(node)) + 5 >= target;
  };
  await until(`${node.name} where ${other.name} is`, there, timeoutMs);
  return target;
}

/** Compares the blocks of two nodes one by one, up to the newest that the first one has; resolves with their number. */
export async function sameBlocks(node, other, from = 0) {
  const newest = Number(await call(node.rpc, "eth_blockNumber"));
  for (let number = from; number <= newest; number++) {
    const params = [`0x${number.toString(16)}`, false];
    const [ours, theirs] = await Promise.all([node, other].map(({ rpc }) => call(rpc, "eth_getBlockByNumber", params)));
    if (ours?.hash === undefined || ours.hash !== theirs?.hash)
      throw new Error(`block ${number}: ${ours?.hash} at ${node.name}, ${theirs?.hash} at ${other.name}`);
  }
  return newest + 1 - from;
}

/** A long-running child whose output goes to a file; `stop` ends it by its pid. */
export async function start(command, args, log) {
  const file = await open(log, "a");
  const child = spawn(command, args.map(String), { stdio: ["ignore", file.fd, file.fd] });
  const ended = new Promise((done) => child.once("exit", done));
  await file.close();
  return {
    pid: child.pid,
    alive: () => child.exitCode === null && child.signalCode === null,
    async stop(graceMs = 5_000) {
      child.kill("SIGTERM");
      const killer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await ended;
      clearTimeout(killer);
    },
  };
}

const split = ([program, ...args]) => [program, args];

/** Brings a devnet up, in a directory of its own below `base`, and returns what drives it. */
export async function devnet({ base, options = [] } = {}) {
  const dir = base ?? (await mkdtemp(join(tmpdir(), "rota-e2e-")));
  const commandLine = (...args) => [ROTA, "devnet", ...args.map(String), "--dir", dir];
  const command = async (...args) => (await run(...split(commandLine(...args)))).stdout;
  await command("up", "--detach", ...options);
  const manifest = async () => JSON.parse(await readFile(join(dir, "devnet.json"), "utf8"));
  const info = await manifest();
  return {
    dir,
    ...info,
    commandLine,
    kill: (k) => command("kill", k),
    stop: (k) => command("stop", k),
    restart: (k) => command("restart", k),
    /** Adds a follower and resolves with its entry. */
    async follow() {
      await command("follow");
      return (await manifest()).followers.at(-1);
    },
    /** Adds an operator, a member at once and seated an epoch or two later, and resolves with its entry. */
    async join() {
      await command("join");
      return (await manifest()).operators.at(-1);
    },
    /** The process of a node; null if it does not run. */
    async pid(name) {
      const { operators, followers } = JSON.parse(await command("status", "--json"));
      return [...operators, ...followers].find((node) => node.name === name).pid;
    },
    log: (name) => readFile(join(dir, name, "log"), "utf8"),
    async down() {
      await command("down");
      if (!process.env.ROTA_E2E_KEEP) await rm(dir, { recursive: true, force: true });
    },
  };
}
