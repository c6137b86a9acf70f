// A node without a vote beside a running chain: it joins, catches up, serves, forwards, and survives kill -9.

import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { keccak256 } from "viem";
import { call, caughtUp, devnet, height, sameBlocks, signed, sleep, status, until } from "./support.mjs";

let net, operator, follower;

before(
  async () => {
    net = await devnet();
    operator = net.operators[1];
    // History to catch up with.
    for (let nonce = 0; nonce < 20; nonce++) {
      await call(operator.rpc, "eth_sendRawTransaction", [await signed(net, 0, { nonce })]);
    }
    follower = await net.follow();
  },
  { timeout: 180_000 },
);

after(() => net?.down());

/** Sends a transfer to the follower alone; resolves with its receipt at an operator. */
async function forwarded(nonce) {
  const raw = await signed(net, 1, { nonce });
  assert.equal(await call(follower.rpc, "eth_sendRawTransaction", [raw]), keccak256(raw));
  return until("receipt at an operator", () => call(operator.rpc, "eth_getTransactionReceipt", [keccak256(raw)]));
}

test("a follower joins a running chain and serves the same blocks", async () => {
  assert.deepEqual(await readdir(join(net.dir, follower.name, "keys")), ["identity.json"], "it has no voting key");
  const { role, signing, chainId } = await status(follower);
  assert.deepEqual({ role, signing, chainId }, { role: "follower", signing: false, chainId: net.chain_id });
  await caughtUp(follower, operator);
  assert.ok((await sameBlocks(follower, operator)) > 3);
  const [ours, theirs] = await Promise.all(
    [follower, operator].map(({ rpc }) => call(rpc, "eth_getBalance", [net.accounts[0].address, "0x3"])),
  );
  assert.equal(ours, theirs, "it has the state of past blocks too");
});

test("letting it in stopped nobody: every operator runs and the chain goes on", async () => {
  for (const node of net.operators) assert.ok(await net.pid(node.name), node.name);
  const now = await height(operator);
  await until("ten more heights", async () => (await height(operator)) >= now + 10);
  const identities = (nodes) => nodes.map(({ identity }) => identity).sort();
  const { committee } = await status(operator);
  assert.deepEqual(identities(committee), identities(net.operators), "it is no member of the committee");
});

test("a transaction sent to the follower is included", async () => {
  const receipt = await forwarded(0);
  assert.equal(receipt.status, "0x1");
  await caughtUp(follower, operator);
  const own = await until("receipt here", () => call(follower.rpc, "eth_getTransactionReceipt", [receipt.transactionHash]));
  assert.deepEqual(own, receipt);
});

test("a transaction that is no good is refused by the follower itself", async () => {
  const stale = await signed(net, 1, { nonce: 0, value: 2n });
  await assert.rejects(call(follower.rpc, "eth_sendRawTransaction", [stale]), { code: -32000, message: /nonce too low/ });
});

test("killed without warning it catches up again", async () => {
  await net.kill(follower.name);
  const missed = await height(operator);
  await until("the chain goes on without it", async () => (await height(operator)) > missed + 15);
  await net.restart(follower.name);
  await caughtUp(follower, operator);
  await sameBlocks(follower, operator);
  assert.equal((await forwarded(1)).status, "0x1");
});

test("with an empty disk it starts over from genesis", async () => {
  await net.kill(follower.name);
  await rm(join(net.dir, follower.name, "data"), { recursive: true });
  await net.restart(follower.name);
  await until("its first blocks", () => height(follower));
  await caughtUp(follower, operator, 60_000);
  await sameBlocks(follower, operator);
});

test("operators restart without the follower, which finds them again", async () => {
  await net.restart(1);
  await sleep(500);
  await caughtUp(operator, net.operators[2]);
  await caughtUp(follower, operator);
});
