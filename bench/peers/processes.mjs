// Child processes of a benchmark, on this host or on one of the network's, which end with it whatever happens.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, closeSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { promisify } from "node:util";

const exec = promisify(execFile);

/** Where `install.sh` puts the peers, and runs have their files. */
export const WORK = join(import.meta.dirname, ".work");
export const program = (name) => join(WORK, "bin", name);

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** What must come before a program's name for it to run on a host; nothing for this one. */
const on = (namespace) => (namespace ? ["nsenter", `--net=${namespace}`] : []);

const track = (child) => {
  running.add(child);
  const ended = once(child, "exit").finally(() => running.delete(child));
  // Whoever waits for it hears of errors; nobody has to.
  ended.catch(() => {});
  const signal = (name) => child.kill(name);
  return {
    pid: child.pid,
    child,
    signal,
    alive: () => child.exitCode === null && child.signalCode === null,
    async kill() {
      signal("SIGKILL");
      await ended;
    },
    /** Its end; after a grace time by force. */
    async stop(graceMs = 3_000) {
      signal("SIGTERM");
      const force = setTimeout(() => signal("SIGKILL"), graceMs);
      await ended;
      clearTimeout(force);
    },
  };
};

/** Starts a program whose output goes to the end of a file. */
export function start(command, args, log, namespace) {
  const file = openSync(log, "a");
  const [first, ...rest] = [...on(namespace), command, ...args.map(String)];
  const child = spawn(first, rest, { stdio: ["ignore", file, file] });
  closeSync(file);
  return track(child);
}

/** Starts a program whose lines are handed to `line`; it ends when `end` closes its input. */
export function listen(command, args, line, namespace) {
  const [first, ...rest] = [...on(namespace), command, ...args.map(String)];
  const child = spawn(first, rest, { stdio: ["pipe", "pipe", "inherit"] });
  createInterface({ input: child.stdout }).on("line", line);
  const tracked = track(child);
  return {
    ...tracked,
    async end() {
      child.stdin.end();
      if (tracked.alive()) await once(child, "exit");
    },
  };
}

/** Runs a program to a good end; what it printed. */
export async function run(command, args, namespace) {
  const [first, ...rest] = [...on(namespace), command, ...args.map(String)];
  return (await exec(first, rest, { timeout: 60_000, maxBuffer: 1 << 26 })).stdout;
}
