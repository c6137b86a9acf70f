// A fifth operator by the commands of docs/operators.md: it joins, leads, posts and leaves while people transact; and node,
// contracts and observer name the same leaders.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { createPublicClient, createWalletClient, defineChain, http, parseEther, parseGwei, slice } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { committeeAbi, plan, registryEvents, scheduleAbi, seedBlock } from "../tools/observer/plans.mjs";
import { kindOf, schedule } from "../tools/observer/schedule.mjs";
import { ROTA, call, caughtUp, devnet, freePort, root, sleep, start, status, until } from "./support.mjs";

const run = promisify(execFile);
const EPOCH = 150; // half a minute
const MINUTES = 60_000;
const TURNS = 1_000;

let net, l1, dir, env, blocks, node, fifth, identity, traffic;

/** The blocks of the page that begin with `# run: NAME`, by name. */
async function documented() {
  const page = await readFile(join(root, "docs/operators.md"), "utf8");
  return Object.fromEntries([...page.matchAll(/```sh\n# run: (\w+)\n([\s\S]+?)```/g)].map(([, name, text]) => [name, text]));
}

/** Runs a block of the page as it is; resolves with what it printed. */
async function does(name, { cwd = dir, ...variables } = {}) {
  assert.ok(blocks[name], `docs/operators.md has a block ${name}`);
  const options = { cwd, env: { ...env, ...variables }, timeout: 2 * MINUTES };
  return (await run("bash", ["-euc", blocks[name]], options)).stdout.trim();
}

/** Transfers from one account, one after the other, until told to stop. */
function transact(index) {
  const chain = defineChain({
    id: net.chain_id,
    name: "rota devnet",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [net.operators[0].rpc] } },
  });
  const account = privateKeyToAccount(net.accounts[index].private_key);
  const wallet = createWalletClient({ chain, transport: http(), account });
  const fees = { maxFeePerGas: parseGwei("10"), maxPriorityFeePerGas: 1_000n };
  const hashes = [];
  let running = true;
  const loop = (async () => {
    for (let nonce = 0; running; nonce++) {
      hashes.push(await wallet.sendTransaction({ to: account.address, value: 1n, gas: 21_000n, nonce, ...fees }));
      await sleep(200);
    }
  })();
  return async () => {
    running = false;
    await loop;
    return hashes;
  };
}

/** Each hash has a place of its own in the chain. */
async function includedOnce(hashes) {
  const places = new Set();
  for (const hash of hashes) {
    const receipt = await until(`receipt of ${hash}`, () => call(net.operators[1].rpc, "eth_getTransactionReceipt", [hash]));
    assert.equal(receipt.status, "0x1");
    places.add(`${receipt.blockHash}:${receipt.transactionIndex}`);
  }
  assert.equal(places.size, hashes.length);
}

const turns = (epoch, first, count) => call(net.operators[0].rpc, "rota_schedule", [epoch, first, count]);
const flashblock = (height) => call(net.operators[0].rpc, "rota_getFlashblock", [height]);
const epochNow = async () => (await status(net.operators[0])).epoch;

before(
  async () => {
    blocks = await documented();
    net = await devnet({ options: ["--epoch-length", EPOCH, "--turn-length", 10] });
    l1 = createPublicClient({ transport: http(net.l1.rpc) });
    dir = await mkdtemp(join(tmpdir(), "rota-e2e-operator-"));
    for (const file of ["genesis.json", "rollup.json", "committee.json"]) await copyFile(join(net.dir, file), join(dir, file));
    await writeFile(join(dir, "governor.key"), `${net.accounts[0].private_key}\n`);
    await writeFile(
      join(dir, "extra.toml"),
      "l1_confirmations = 2\nl1_poll_ms = 500\nmax_rtt_ms = 25\ntrust_l1_bodies = true\n" +
        "poster_interval_s = 4\nposter_skip_timeout_s = 20\n",
    );
    env = {
      ...process.env,
      PATH: `${dirname(ROTA)}${delimiter}${process.env.PATH}`,
      L1: net.l1.rpc,
      BEACON: net.l1.beacon,
      REGISTRY: net.contracts.OperatorRegistry,
      POSTING_TURNS: net.contracts.PostingTurns,
      ENDPOINT: `127.0.0.1:${await freePort()}`,
      RPC_PORT: `${await freePort()}`,
      METRICS_PORT: `${await freePort()}`,
    };
    fifth = { name: "fifth", rpc: `http://127.0.0.1:${env.RPC_PORT}` };
    traffic = transact(5);
  },
  { timeout: 3 * MINUTES },
);

after(async () => {
  await traffic?.().catch(() => {});
  await node?.stop();
  await net?.down();
  if (dir && !process.env.ROTA_E2E_KEEP) await rm(dir, { recursive: true, force: true });
});

test("from an empty machine to a candidate in sync", { timeout: 5 * MINUTES }, async () => {
  const entry = JSON.parse(await does("keys"));
  identity = entry.identity;
  env.ACCOUNT = entry.posting_address;
  await call(net.l1.rpc, "anvil_setBalance", [env.ACCOUNT, `0x${parseEther("10").toString(16)}`]);
  await assert.rejects(does("join"), /is not admitted/, "nobody joins uninvited");
  assert.match(await does("admit"), /may join/);
  assert.match(await does("join"), /is a candidate/);
  await does("configure");
  node = await start("bash", ["-c", `cd "$0" && PATH="$1" && ${blocks.node}`, dir, env.PATH], join(dir, "log"));
  await until("the fifth node answers", () => status(fifth));
  await caughtUp(fifth, net.operators[0], 3 * MINUTES);
  const { committee } = await turns(null, null, 1);
  assert.ok(!committee.some((member) => member.identity === identity), "a candidate has no seat");
});

test("attested by more than a third it becomes a member and leads", { timeout: 6 * MINUTES }, async () => {
  const member = (k) => ({ cwd: join(net.dir, net.operators[k].name), CANDIDATE_RPC: fifth.rpc, RPC: net.operators[k].rpc });
  const signatures = [await does("attest", member(2)), await does("attest", member(0))];
  await assert.rejects(does("activate", { SIGNATURES: signatures[0] }), /more than a third must/);
  assert.match(await does("activate", { SIGNATURES: signatures.join() }), /is a member/);
  const listed = await does("look");
  assert.match(listed, new RegExp(`${env.ACCOUNT} +member +${identity}`, "i"));

  const planned = async () => (await turns(null, 0, 20)).turns.some(({ leader }) => leader === identity);
  await until("it has turns in the schedule", planned, 3 * MINUTES, 500);
  const led = async () => (await flashblock((await status(net.operators[0])).heads.certifiedHeight)).header.leader === identity;
  await until("it leads a flashblock", led, 2 * MINUTES, 200);
});

test("it posts in its posting turn", { timeout: 6 * MINUTES }, async () => {
  let seen = Number(await l1.getBlockNumber());
  const posted = async () => {
    for (const head = Number(await l1.getBlockNumber()); seen < head; seen++) {
      const block = await l1.getBlock({ blockNumber: BigInt(seen + 1), includeTransactions: true });
      const batch = ({ from, to }) =>
        from === env.ACCOUNT.toLowerCase() && to === net.contracts.BatchInbox.toLowerCase();
      if (block.transactions.some(batch)) return true;
    }
    return false;
  };
  await until("its batch on L1", posted, 5 * MINUTES, 1_000);
});

/** The last L2 block of an epoch: its time, and its origin as the L1 info deposit has it (specs: number at bytes 28 to 36). */
async function lastBlock(epoch) {
  const { header } = await flashblock((epoch + 1) * EPOCH - 1);
  const params = [`0x${header.blockNumber.toString(16)}`, true];
  const { timestamp, transactions } = await call(net.operators[0].rpc, "eth_getBlockByNumber", params);
  return { timestamp: Number(timestamp), origin: Number(slice(transactions[0].input, 28, 36)) };
}

/** What the events make of the committee is what the contract shows in one call: nobody comes or goes meanwhile. */
async function sameMembers({ seats }, { origin }) {
  const [operators, members] = await l1.readContract({ address: env.REGISTRY, abi: committeeAbi, functionName: "committee" });
  const later = await l1.getLogs({ address: env.REGISTRY, events: registryEvents, fromBlock: BigInt(origin + 1) });
  assert.deepEqual(later.filter(({ eventName }) => eventName === "OperatorChanged"), []);
  const shown = operators.map((operator, index) => ({ operator, ...members[index] }));
  const fields = ({ operator, identity, weight, reserve }) => ({ operator, identity, weight, reserve });
  assert.deepEqual(shown.map(fields), seats.map(fields));
}

/** Node, contract and observer on the first turns of an epoch; resolves with the strategy. */
async function sameLeaders(epoch) {
  const answer = await turns(epoch, 0, TURNS);
  // All else is L1's own: the certified chain says only which origins the two epochs before ended with.
  const [before, fixing] = [await lastBlock(epoch - 3), await lastBlock(epoch - 2)];
  const blockNumber = BigInt(seedBlock(before.origin, fixing.origin));
  const { mixHash: seed } = await l1.getBlock({ blockNumber });
  assert.equal(seed, answer.seed, `seed, from L1 block ${blockNumber}`);
  const toBlock = BigInt(fixing.origin);
  const events = await l1.getLogs({ address: env.REGISTRY, events: registryEvents, fromBlock: 0n, toBlock });
  const committee = JSON.parse(await readFile(join(dir, "committee.json"), "utf8"));
  const rhythm = { epochLength: EPOCH, turnLength: 10, strategy: committee.strategy };
  const made = plan({ epoch, events, fixedAt: fixing.timestamp, seed, rhythm });
  await sameMembers(made, fixing);
  const observer = schedule(made);
  const address = net.contracts[made.strategy === "weighted" ? "Weighted" : "RoundRobin"];
  const args = { ...made, epoch: BigInt(epoch), kind: kindOf(made.strategy) };
  for (let turn = 0; turn < TURNS; turn += 50) {
    const some = Array.from({ length: 50 }, (_, index) => turn + index);
    const ask = (t) =>
      l1.readContract({ address, abi: scheduleAbi, functionName: "leader", args: [args, BigInt(t)] });
    const contract = await Promise.all(some.map(ask));
    assert.deepEqual(contract, some.map((t) => observer.leader(t).operator), `contract, turns from ${turn}`);
    const node = answer.turns.slice(turn, turn + 50).map(({ leader }) => leader);
    assert.deepEqual(node, some.map((t) => observer.leader(t).identity), `node, turns from ${turn}`);
  }
  assert.equal(answer.turns.length, TURNS);
  return { strategy: made.strategy, seats: made.seats.length };
}

test("node, contract and observer name the same leaders in both strategies", { timeout: 6 * MINUTES }, async () => {
  const now = await epochNow();
  assert.deepEqual(await sameLeaders(now), { strategy: "round-robin", seats: 5 });
  assert.match(await does("announce", { EPOCH: `${now + 3}` }), /weighted from epoch/);
  await until("the weighted epoch", async () => (await epochNow()) >= now + 3, 4 * MINUTES, 500);
  assert.deepEqual(await sameLeaders(now + 3), { strategy: "weighted", seats: 5 });
});

test("it leaves, and nobody lost a transaction", { timeout: 8 * MINUTES }, async () => {
  assert.match(await does("leave"), /leaves; a member until/);
  await assert.rejects(does("finish"), /the notice runs until/);
  const seated = async (epoch) => (await turns(epoch, 0, 1)).committee.some((member) => member.identity === identity);
  const gone = async () => {
    const epoch = await epochNow();
    return !(await seated(epoch)) && !(await seated(epoch + 1));
  };
  await until("no committee has it", gone, 6 * MINUTES, 1_000);
  assert.match(await does("finish"), /has left/);
  await node.stop();
  const before = (await status(net.operators[0])).heads.certifiedHeight;
  await until("the chain goes on", async () => (await status(net.operators[0])).heads.certifiedHeight > before + 2 * 50);
  const hashes = await traffic();
  traffic = undefined;
  assert.ok(hashes.length > 100, `${hashes.length} transactions`);
  await includedOnce(hashes);
});
