// The stock OP Stack judges a chain that changes hands: while posting turns pass, the committee changes twice, the
// strategy is switched, and batches go out as call data and as blobs, the stock verifier derives every block equal, the
// stock fault-proof program confirms the output roots from L1 alone, and nobody's batches count but the poster's.

import assert from "node:assert/strict";
import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  concat,
  createWalletClient,
  defineChain,
  encodeFunctionData,
  getContractAddress,
  http,
  keccak256,
  pad,
  parseAbi,
  parseEther,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { faultProof } from "./fault-proof.mjs";
import { inbox, postingAccount } from "./inbox.mjs";
import { probe } from "./probe.mjs";
import { call, caughtUp, devnet, does, signed, sleep, status, until } from "./support.mjs";
import { verifier } from "./verifier.mjs";

const EPOCH = 50; // 10 s
const MINUTES = 60_000;
const RECIPIENT = "0x00000000000000000000000000000000000de105";
const CARRIERS = { calldata: 2, blobs: 3 }; // transaction types

let net, stock, l1, operator, traffic;
/** Account of a user that never was an operator. */
let stranger;
/** Height of the first flashblock after each change. */
const changes = {};
/** L2 blocks around each batch that others had copied before it counted, and what carried it. */
const copied = [];

const schedule = (epoch) => call(operator.rpc, "rota_schedule", [epoch, 0, 1]);
const epochNow = async () => (await status(operator)).epoch;
const block = (number) => call(operator.rpc, "eth_getBlockByNumber", [`0x${number.toString(16)}`, false]);
/** The account behind a posting address. */
const operatorOf = (posting) =>
  [0, 1, 2, 3, 4].map(postingAccount).find(({ address }) => address.toLowerCase() === posting);

/** Waits for a committee of this size; resolves with the first epoch that has it. */
async function seats(count) {
  const has = async (epoch) => (await schedule(epoch)).committee.length === count;
  let epoch = await until(
    `${count} seats`,
    async () => {
      const now = await epochNow();
      return (await has(now)) && now;
    },
    3 * MINUTES,
    250,
  );
  while (await has(epoch - 1)) epoch--;
  return epoch;
}

/** The operators' carriers, restarted one after the other: blobs for every second one in the order of posting turns. */
async function chooseCarriers() {
  const order = net.operators.map(({ name, identity }) => ({ name, identity }));
  order.sort((a, b) => (a.identity < b.identity ? -1 : 1));
  for (const [index, { name }] of order.entries()) {
    const carrier = Object.keys(CARRIERS)[index % 2];
    await appendFile(join(net.dir, name, "config.toml"), `poster_carrier = "${carrier}"\n`);
    await net.restart(name);
    const [node, other] = [name, order[(index + 1) % 4].name].map((n) => net.operators.find((o) => o.name === n));
    await caughtUp(node, other, 30_000);
  }
}

/** A contract, then transfers and calls from one account until told to stop; resolves with their hashes. */
function transact(index) {
  const address = getContractAddress({ from: net.accounts[index].address, nonce: 0n });
  const hashes = [];
  let running = true;
  const loop = (async () => {
    for (let nonce = 0; running; nonce++) {
      const data = encodeFunctionData({ abi: probe.abi, functionName: "set", args: [1_000n + BigInt(nonce)] });
      const creation = { to: undefined, value: 0n, data: probe.bytecode, gas: 1_000_000n };
      const fields = nonce === 0 ? creation : nonce % 2 === 0 ? {} : { to: address, value: 0n, data, gas: 100_000n };
      hashes.push(await call(operator.rpc, "eth_sendRawTransaction", [await signed(net, index, { nonce, ...fields })]));
      await sleep(200);
    }
  })();
  return async () => {
    running = false;
    await loop;
    return hashes;
  };
}

/** Two ether from L1 to somebody on L2. */
async function deposit(to) {
  const account = privateKeyToAccount(net.accounts[7].private_key);
  const nativeCurrency = { name: "Ether", symbol: "ETH", decimals: 18 };
  const chain = defineChain({ id: 900, name: "l1", nativeCurrency, rpcUrls: { default: { http: [net.l1.rpc] } } });
  await createWalletClient({ chain, transport: http(), account }).writeContract({
    address: net.contracts.OptimismPortal,
    abi: parseAbi(["function depositTransaction(address,uint256,uint64,bool,bytes) payable"]),
    functionName: "depositTransaction",
    args: [to, parseEther("2"), 100_000n, false, "0x"],
    value: parseEther("2"),
  });
}

/** Waits until the stock verifier is past an L1 block, and so has derived all that is in it. */
const derived = (l1Block) =>
  until(`stock verifier past L1 block ${l1Block}`, async () => (await stock.l1()).number > l1Block, 60_000, 250);

/** What a node has read of the inbox, at an L1 block or later. */
const read = (node, l1Block) =>
  until(`${node.name} at L1 block ${l1Block}`, async () => {
    const now = await status(node);
    return now.inbox?.number >= l1Block && now;
  });

/** Transactions to the inbox by others than the batcher that a node has counted. */
async function strangers({ metrics }) {
  const text = await (await fetch(metrics)).text();
  return Number(/^\S*inbox_ignored\S*reason="stranger"\S* (\d+)$/m.exec(text)?.[1] ?? 0);
}

/**
 * Takes a batch of the poster out of L1's pool, lets others send the very same bytes instead, shows that nothing comes
 * of it anywhere, and then sends the poster's own after all, which counts. `others` are beside the previous poster.
 */
async function copies(carrier, others) {
  const batch = await until(
    `a batch in ${carrier}`,
    async () => {
      const [previous, turn] = (await l1.turns()).slice(-2);
      const left = turn.end - (await l1.head());
      if (left < 8) return false;
      const waiting = await l1.waiting(turn.posting);
      if (!waiting || Number(waiting.type) !== CARRIERS[carrier]) return false;
      return (await l1.drop(waiting)) && { ...waiting, previous };
    },
    3 * MINUTES,
    50,
  );
  const seen = await Promise.all(net.operators.map(strangers));
  const senders = [operatorOf(batch.previous.posting), ...others];
  const hashes = [];
  for (const sender of senders) hashes.push(await l1.send(await l1.copy(batch, sender)));
  const places = await Promise.all(hashes.map(l1.included));
  const landed = Math.max(...places);

  await derived(landed);
  const posted = await stock.safeAfter(Math.min(...places) - 1);
  assert.equal(await stock.safeAfter(landed), posted, "the stock verifier's safe head stays");
  const log = await stock.log();
  for (const hash of hashes) assert.match(log, new RegExp(`unauthorized submitter.*${hash}`));
  for (const [index, node] of net.operators.entries()) {
    assert.equal((await read(node, landed)).posted, posted, `${node.name}'s posted head stays`);
    assert.equal(await strangers(node), seen[index] + senders.length, `${node.name} has counted them`);
  }

  const counts = await l1.included(await l1.send(batch.raw));
  await derived(counts);
  const safe = await stock.safeAfter(counts);
  assert.ok(safe > posted, `${safe} after ${posted}: the same bytes count from the poster`);
  copied.push({ carrier, from: posted, to: safe });
}

before(
  async () => {
    net = await devnet({ options: ["--epoch-length", EPOCH, "--turn-length", 10] });
    operator = net.operators[0];
    stranger = privateKeyToAccount(net.accounts[9].private_key);
    l1 = inbox(net);
    stock = await verifier(net);
    await chooseCarriers();
    traffic = transact(5);
  },
  { timeout: 3 * MINUTES },
);

after(async () => {
  await traffic?.().catch(() => {});
  await stock?.stop();
  await net?.down();
});

test("an operator joins and the strategy is switched", { timeout: 4 * MINUTES }, async () => {
  const now = await epochNow();
  const key = join(net.dir, "governor.key");
  await writeFile(key, `${net.accounts[0].private_key}\n`);
  const registry = ["--l1", net.l1.rpc, "--registry", net.contracts.OperatorRegistry];
  const announced = ["--key-file", key, "--strategy", "weighted", "--from-epoch", now + 3];
  await does("governor", "announce-schedule", ...registry, ...announced);
  await deposit(RECIPIENT);
  net.operators.push(await net.join());
  changes.joined = EPOCH * (await seats(5));
  await until("the weighted epoch", async () => (await epochNow()) >= now + 3, 2 * MINUTES, 500);
  assert.equal((await schedule(now + 2)).strategy, "round-robin");
  assert.equal((await schedule(now + 3)).strategy, "weighted");
  changes.weighted = EPOCH * (now + 3);
});

test("a member gives notice", { timeout: 4 * MINUTES }, async () => {
  // Its posting key is its account too: in its own posting turn, command and node would use the same nonces.
  const leaver = postingAccount(4).address.toLowerCase();
  const others = async () => {
    const { posting, end } = (await l1.turns()).at(-1);
    return posting !== leaver && end - (await l1.head()) > 3;
  };
  await until("the posting turn of another", others, MINUTES, 250);
  const own = (file) => join(net.dir, "operator-4", file);
  const registry = ["--l1", net.l1.rpc, "--registry", net.contracts.OperatorRegistry];
  await does("operator", "leave", ...registry, "--keys", own("keys"), "--password-file", own("password"));
});

test("blobs of the old poster and of a stranger count nowhere", { timeout: 4 * MINUTES }, async () => {
  await copies("blobs", [stranger]);
});

test("the member is gone", { timeout: 4 * MINUTES }, async () => {
  changes.left = EPOCH * (await seats(4));
  await net.stop("operator-4");
  net.operators.pop();
});

test("call data of the old poster and of one that has left count nowhere", { timeout: 4 * MINUTES }, async () => {
  await copies("calldata", [postingAccount(4)]);
});

test("the stock verifier derives every block equal", { timeout: 4 * MINUTES }, async (t) => {
  const hashes = await traffic();
  traffic = undefined;
  const receipts = [];
  for (const hash of hashes) {
    const receipt = () => call(operator.rpc, "eth_getTransactionReceipt", [hash]);
    receipts.push(await until(`receipt of ${hash}`, receipt));
  }
  assert.ok(receipts.every((receipt) => receipt.status === "0x1"));
  assert.equal(BigInt(await call(operator.rpc, "eth_getBalance", [RECIPIENT, "latest"])), parseEther("2"));
  const number = Number(await call(operator.rpc, "eth_blockNumber"));
  const blocks = await stock.agrees(number, operator.rpc);
  assert.equal(blocks, number + 1);

  // What the posters' batches in each L1 block have made safe.
  const turns = await l1.turns();
  const newest = (await stock.l1()).number - 1;
  const carried = { 2: 0, 3: 0 };
  const posters = new Set();
  for (const transaction of await l1.transactions(turns[0].start, newest)) {
    const turn = turns.findLast(({ start }) => start <= transaction.number);
    if (transaction.from !== turn.posting) continue;
    // Nothing is safe before the first batch.
    const before = await stock.safeAfter(transaction.number - 1).catch(() => 0);
    if ((await stock.safeAfter(transaction.number)) === before) continue;
    carried[transaction.type] += 1;
    posters.add(turn.number);
  }
  // Nodes judge the inbox as stock derivation does.
  for (const node of net.operators) {
    const { inbox: at, posted, conditions } = await status(node);
    await derived(at.number);
    assert.equal(await stock.safeAfter(at.number), posted, `${node.name} at L1 block ${at.number}`);
    assert.ok(!conditions.some((condition) => /not certified|overruled/.test(condition)), conditions.join());
  }
  assert.ok(carried[CARRIERS.calldata] > 0 && carried[CARRIERS.blobs] > 0, JSON.stringify(carried));
  assert.ok(posters.size >= 3, `batches of ${posters.size} posting turns`);
  t.diagnostic(
    `${blocks} blocks equal, 0 differ; ${hashes.length} transactions; batches of ${posters.size} posting turns: ` +
      `${carried[2]} of call data, ${carried[3]} of blobs; ${await epochNow()} epochs, committees of 4, 5 and 4`,
  );
});

test("the stock fault-proof program confirms the output roots and no others", { timeout: 4 * MINUTES }, async (t) => {
  const blockAt = async (height) => (await call(operator.rpc, "rota_getFlashblock", [height])).header.blockNumber;
  const around = async (height) => [Number(await blockAt(height)) - 3, Number(await blockAt(height)) + 3];
  const turns = (await l1.turns()).slice(1, -1);
  const ranges = [["the whole chain", 0, await stock.safeAfter((await stock.l1()).number - 1)]];
  for (const [name, height] of Object.entries(changes)) ranges.push([name, ...(await around(height))]);
  for (const { number, start } of turns)
    ranges.push([`rotation to turn ${number}`, (await stock.safeAfter(start)) - 3, await stock.safeAfter(start + 8)]);
  for (const { carrier, from, to } of copied) ranges.push([`copied ${carrier}`, from - 1, to]);

  const judge = await faultProof(net, stock);
  let blocks = 0;
  for (const [name, from, to] of ranges) {
    const { outputRoot } = await stock.output(to);
    const { hash, stateRoot, withdrawalsRoot } = await block(to);
    assert.equal(outputRoot, keccak256(concat([pad("0x"), stateRoot, withdrawalsRoot, hash])), `output of block ${to}`);
    const right = await judge(from, to, outputRoot);
    assert.equal(right.code, 0, `${name}, ${from} to ${to}: ${right.stdout}${right.stderr}`);
    const wrongRoot = `0x${(BigInt(outputRoot) ^ 1n).toString(16).padStart(64, "0")}`;
    const wrong = await judge(from, to, wrongRoot);
    assert.equal(wrong.code, 1, `${name}, ${from} to ${to}: a wrong claim passes`);
    assert.match(wrong.stdout + wrong.stderr, /invalid claim/);
    blocks += to - from;
  }
  const shown = ranges.map(([name, from, to]) => `${name} ${from}-${to}`).join(", ");
  t.diagnostic(`${ranges.length} claims confirmed over ${blocks} blocks, as many wrong ones rejected: ${shown}`);
});
