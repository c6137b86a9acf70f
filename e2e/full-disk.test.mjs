// An operator's disk runs full: it says so and stops, the others go on, nothing certified is lost.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { ROTA, call, caughtUp, devnet, execute, height, rota, sameBlocks, signed, until } from "./support.mjs";

const run = promisify(execFile);
const VICTIM = "operator-3";
/** For a shell: runs its arguments so that writes beyond a limit of file sizes fail instead of killing. */
const FAIL_WRITES = 'trap "" XFSZ; exec "$@"';
let net, victim, witness, disk;

before(
  async () => {
    net = await devnet();
    [witness, , , victim] = net.operators;
    await net.stop(VICTIM);
    disk = await smallDisk(join(net.dir, VICTIM));
    await caughtUp(victim, witness);
  },
  { timeout: 120_000 },
);

after(async () => {
  await net?.stop(VICTIM);
  await disk?.remove();
  await net?.down();
});

/** Puts the node's data where space can run out, and starts it: a small file system where mounting is allowed, else a
 * limit of file sizes, which fails the same writes. */
async function smallDisk(dir) {
  const data = join(dir, "data");
  const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=256m", "tmpfs", await emptied(data)]).then(
    () => true,
    () => false,
  );
  await cp(join(dir, "saved"), data, { recursive: true });
  if (!mounted) return limited(dir);
  await net.restart(VICTIM);
  const ballast = join(data, "ballast");
  return {
    why: /No space left on device/,
    fill: () => filled(ballast),
    start: (command) => rota(...command),
    empty: () => rm(ballast),
    remove: () => run("umount", [data]),
  };
}

async function emptied(data) {
  await rename(data, join(data, "..", "saved"));
  await mkdir(data);
  return data;
}

async function filled(path) {
  const file = await open(path, "w");
  const block = Buffer.alloc(1 << 16, 1);
  // Smaller and smaller pieces, down to the last page.
  for (let size = block.length; size >= 4096; ) {
    const written = await file.write(block, 0, size).then(
      ({ bytesWritten }) => bytesWritten === size,
      ({ code }) => assert.equal(code, "ENOSPC"),
    );
    if (!written) size /= 2;
  }
  await file.close();
}

/** The limit holds for the log too, which therefore must be the smaller file. */
async function limited(dir) {
  await run("sh", ["-c", FAIL_WRITES, "sh", ...net.commandLine("restart", VICTIM)]);
  return {
    why: /File too large/,
    async fill() {
      const { size } = await stat(join(dir, "log"));
      await run("prlimit", ["--pid", await net.pid(VICTIM), `--fsize=${size + (32 << 10)}:`].map(String));
    },
    start: (command) => execute("sh", "-c", `ulimit -f 64; ${FAIL_WRITES}`, "sh", ROTA, ...command),
    empty: async () => {},
    remove: async () => {},
  };
}

let acknowledged, seen;

test("the operator stops with a clear message", async () => {
  const raw = await signed(net, 0, { nonce: 0 });
  acknowledged = await call(victim.rpc, "eth_sendRawTransaction", [raw]);
  await until("receipt", () => call(victim.rpc, "eth_getTransactionReceipt", [acknowledged]));
  seen = await height(victim);
  await disk.fill();
  await until("the operator stops", async () => (await net.pid(VICTIM)) === null, 30_000);
  const last = (await net.log(VICTIM)).trimEnd().split("\n").at(-1);
  assert.match(last, /^error: storage failed: .*operator-3\/data can't be written: /);
  assert.match(last, disk.why);
});

test("started again without space it stops again", async () => {
  const command = ["node", "--config", join(net.dir, VICTIM, "config.toml")];
  const { code, stderr } = await disk.start(command);
  assert.equal(code, 1, stderr);
  const last = stderr.trimEnd().split("\n").at(-1);
  assert.match(last, /^error: .*operator-3\/data/);
  assert.match(last, disk.why);
});

test("the others go on", async () => {
  const now = await height(witness);
  await until("twenty more heights", async () => (await height(witness)) > now + 20);
  const raw = await signed(net, 0, { nonce: 1 });
  await call(witness.rpc, "eth_sendRawTransaction", [raw]);
  for (const { name } of net.operators.slice(0, 3)) assert.ok(await net.pid(name), name);
});

test("with space again it starts, has lost nothing, and catches up", async () => {
  await disk.empty();
  await net.restart(VICTIM);
  const first = await until("it answers", () => height(victim));
  assert.ok(first >= seen, `height ${seen} was certified before, ${first} is after`);
  await caughtUp(victim, witness);
  await sameBlocks(victim, witness);
  const receipts = [victim, witness].map(({ rpc }) => call(rpc, "eth_getTransactionReceipt", [acknowledged]));
  const [ours, theirs] = await Promise.all(receipts);
  assert.equal(ours.status, "0x1");
  assert.deepEqual(ours, theirs);
});
