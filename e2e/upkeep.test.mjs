// What people do by hand on L1 while no node does it for them: passing posting turns on, changing an operator's entry,
// deploying the contracts beside a chain.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inbox, postingAccount } from "./inbox.mjs";
import { call, devnet, does, freePort, rota, until } from "./support.mjs";

const MINUTE = 60_000;
/** L1 blocks before a silent poster can be skipped on a devnet. */
const TENURE = 5;

let net, l1, key, turns, registry;

before(
  async () => {
    net = await devnet();
    l1 = inbox(net);
    key = join(net.dir, "somebody.key");
    await writeFile(key, `${net.accounts[2].private_key}\n`);
    turns = ["--l1", net.l1.rpc, "--posting-turns", net.contracts.PostingTurns];
    registry = ["--l1", net.l1.rpc, "--registry", net.contracts.OperatorRegistry];
    await until("a posting turn", async () => (await l1.turns()).length > 0, MINUTE, 500);
    // From now on nobody is there but L1.
    await net.kill("all");
  },
  { timeout: 3 * MINUTE },
);

after(() => net?.down());

const own = (number) => {
  const file = (name) => join(net.dir, `operator-${number}`, name);
  return [...registry, "--keys", file("keys"), "--password-file", file("password")];
};
/** An operator's account, which is its posting address, as JSON has it. */
const address = (number) => postingAccount(number).address.toLowerCase();
const entries = async () => JSON.parse(await does("operator", "list", ...registry, "--json"));
const entry = async (number) => (await entries()).find(({ account }) => account === address(number));
const current = async () => (await l1.turns()).at(-1);

test("a turn that is over is rotated, and not before", { timeout: 3 * MINUTE }, async () => {
  const rotate = ["operator", "rotate", ...turns, "--key-file", key];
  const { number, end } = await current();
  if ((await l1.head()) < end - 2) {
    const { code, stderr } = await rota(...rotate);
    assert.equal(code, 1);
    assert.match(stderr, /turn/);
  }
  await until("the end of the turn", async () => (await l1.head()) >= end, MINUTE, 500);
  assert.match(await does(...rotate), new RegExp(`turn ${number + 1}: 0x\\w{40} posts with 0x`));
  assert.equal((await current()).number, number + 1);
});

test("more than a third of the members pass a silent poster's turn on", { timeout: 3 * MINUTE }, async () => {
  const { number, posting, start } = await current();
  await until("its tenure", async () => (await l1.head()) >= start + TENURE, MINUTE, 500);
  const others = [0, 1, 2, 3].filter((k) => address(k) !== posting);
  const signatures = [];
  for (const k of others.slice(0, 2))
    signatures.push((await does("operator", "attest-skip", ...own(k), "--posting-turns", net.contracts.PostingTurns)).trim());
  const skip = (list) =>
    rota("operator", "skip", ...turns, "--key-file", key, "--turn", number, "--signatures", list.join());
  const one = await skip(signatures.slice(0, 1));
  assert.equal(one.code, 1, "one of four is not enough");
  const both = await skip(signatures);
  assert.equal(both.code, 0, both.stderr);
  assert.match(both.stdout, new RegExp(`turn ${number} is skipped`));
  const next = await current();
  assert.equal(next.number, number + 1);
  assert.notEqual(next.posting, posting);
});

test("an operator moves, and takes new keys", { timeout: 2 * MINUTE }, async () => {
  const before = await entry(3);
  const endpoint = `127.0.0.1:${await freePort()}`;
  assert.match(await does("operator", "set-endpoint", ...own(3), "--endpoint", endpoint), /is at 127/);
  assert.deepEqual(await entry(3), { ...before, endpoint });
  assert.notEqual(before.endpoint, endpoint);

  const [dir, password] = [join(net.dir, "new-keys"), join(net.dir, "operator-3/password")];
  const made = JSON.parse(await does("keys", "new", "--dir", dir, "--password-file", password));
  assert.match(await does("operator", "rotate-keys", ...own(3), "--new-keys", dir), new RegExp(made.identity));
  assert.deepEqual(await entry(3), { ...before, endpoint, identity: made.identity });
  const again = await rota("operator", "rotate-keys", ...own(2), "--new-keys", dir);
  assert.equal(again.code, 1, "keys are one operator's");
});

test("the contracts are deployed beside a chain, and nobody's key is asked for", { timeout: 2 * MINUTE }, async () => {
  const [governor, systemConfig] = [net.accounts[3].address, net.contracts.SystemConfig];
  const options = ["--l1", net.l1.rpc, "--key-file", key, "--system-config", systemConfig, "--governor", governor];
  const deployed = JSON.parse(await does("deploy", ...options, "--json"));
  assert.equal(deployed.l1ChainId, 900);
  const addresses = Object.values(deployed.contracts);
  assert.equal(addresses.length, 5);
  for (const address of addresses) assert.notEqual(await call(net.l1.rpc, "eth_getCode", [address, "latest"]), "0x");
  // Here the chain's SystemConfig is PostingTurns' already; elsewhere it is the chain's governor's.
  const signers = deployed.toSign.map(({ from, to }) => [from, to].map((address) => address.toLowerCase()));
  const lower = (list) => list.map((address) => address.toLowerCase());
  const { OperatorRegistry, PostingTurns } = deployed.contracts;
  assert.deepEqual(signers, [
    lower([governor, OperatorRegistry]),
    lower([net.contracts.PostingTurns, systemConfig]),
  ]);
  assert.match(deployed.toSign[1].call, new RegExp(`transferOwnership\\(${PostingTurns}`, "i"));
  const wrong = await rota("deploy", ...options.with(5, governor));
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /is no SystemConfig/);
});
