// A devnet of its own for a test run: brought up by the real binary in a directory of its own, driven by its command line.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

export const root = fileURLToPath(new URL("..", import.meta.url));
const ROTA = join(root, "target/release/rota");
const CAST = join(root, "node_modules/@foundry-rs/cast-linux-amd64/bin/cast");

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A port that was free a moment ago. */
export const freePort = () =>
  new Promise((done, fail) => {
    const server = createServer();
    server.on("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

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

/** Brings a devnet up and returns what drives it. */
export async function devnet(...options) {
  const dir = await mkdtemp(join(tmpdir(), "rota-e2e-"));
  const command = async (...args) => (await run(ROTA, ["devnet", ...args.map(String), "--dir", dir])).stdout;
  await command("up", "--detach", ...options);
  const info = JSON.parse(await readFile(join(dir, "devnet.json"), "utf8"));
  return {
    dir,
    ...info,
    kill: (k) => command("kill", k),
    stop: (k) => command("stop", k),
    restart: (k) => command("restart", k),
    async down() {
      await command("down");
      if (!process.env.ROTA_E2E_KEEP) await rm(dir, { recursive: true, force: true });
    },
  };
}
