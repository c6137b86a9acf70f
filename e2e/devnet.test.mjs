// The real devnet from a wallet's, an exchange's and an attacker's side, with a stock verifier equal throughout.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Contract, ContractFactory, JsonRpcProvider, NonceManager, Wallet } from "ethers";
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  http,
  keccak256,
  parseAbi,
  parseEther,
  parseGwei,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import WebSocket from "ws";
import { probe } from "./probe.mjs";
import { call, cast, devnet, height, signed, sleep, until } from "./support.mjs";
import { verifier } from "./verifier.mjs";

let net, stock, chain, client, wallets;

before(
  async () => {
    net = await devnet();
    stock = await verifier(net);
    chain = defineChain({
      id: net.chain_id,
      name: "rota devnet",
      nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
      rpcUrls: { default: { http: [net.operators[0].rpc] } },
    });
    client = createPublicClient({ chain, transport: http(), pollingInterval: 100 });
    wallets = net.accounts.map(({ private_key }) =>
      createWalletClient({ chain, transport: http(), account: privateKeyToAccount(private_key) }),
    );
  },
  { timeout: 180_000 },
);

after(async () => {
  await stock?.stop();
  await net?.down();
});

/** The stock verifier must derive everything that is certified by now. */
async function derivedByStock() {
  const number = Number(await client.getBlockNumber());
  const compared = await stock.agrees(number, net.operators[0].rpc);
  assert.equal(compared, number + 1);
}

describe("wallets", () => {
  test("viem: transfer, deployment, logs, call, estimate", async () => {
    const [alice] = wallets;
    const to = "0x00000000000000000000000000000000000a11ce";
    const hash = await alice.sendTransaction({ to, value: parseEther("1") });
    const receipt = await client.waitForTransactionReceipt({ hash, timeout: 10_000 });
    assert.equal(receipt.status, "success");
    assert.equal(await client.getBalance({ address: to }), parseEther("1"));

    const deployment = await alice.deployContract(probe);
    const { contractAddress } = await client.waitForTransactionReceipt({ hash: deployment, timeout: 10_000 });
    const at = { address: contractAddress, abi: probe.abi };
    const set = await alice.writeContract({ ...at, functionName: "set", args: [7n] });
    const { blockNumber, logs } = await client.waitForTransactionReceipt({ hash: set, timeout: 10_000 });
    assert.equal(logs.length, 1);
    assert.equal(await client.readContract({ ...at, functionName: "value" }), 7n);
    const found = await client.getContractEvents({ ...at, eventName: "Set", fromBlock: blockNumber });
    assert.deepEqual(found.map((log) => log.args.value), [7n]);
    const reverted = client.simulateContract({ ...at, functionName: "set", args: [13n], account: alice.account });
    await assert.rejects(reverted, /unlucky/);
    const gas = await client.estimateContractGas({ ...at, functionName: "set", args: [8n], account: alice.account });
    assert.ok(gas > 21_000n && gas < 100_000n, `estimate ${gas}`);
  });

  test("ethers: deployment, transaction, call", async () => {
    const provider = new JsonRpcProvider(net.operators[1].rpc, undefined, { pollingInterval: 100 });
    const signer = new NonceManager(new Wallet(net.accounts[1].private_key, provider));
    const deployed = await new ContractFactory(probe.abi, probe.bytecode, signer).deploy();
    await deployed.waitForDeployment();
    const contract = new Contract(await deployed.getAddress(), probe.abi, signer);
    const receipt = await (await contract.set(5n)).wait();
    assert.equal(receipt.status, 1);
    assert.equal(await contract.value(), 5n);
    provider.destroy();
  });

  test("cast: send, receipt, balance", async () => {
    const url = ["--rpc-url", net.operators[2].rpc];
    const to = "0x000000000000000000000000000000000000ca57";
    const sent = await cast("send", to, "--value", "1gwei", "--private-key", net.accounts[2].private_key, "--json", ...url);
    const { transactionHash, status } = JSON.parse(sent);
    assert.equal(Number(status), 1);
    assert.equal(await cast("balance", to, ...url), "1000000000");
    assert.match(await cast("receipt", transactionHash, ...url), /l1Fee/);
  });

  test("eth_sendRawTransactionSync answers with the receipt", async () => {
    const [, , , dan] = wallets;
    const request = await dan.prepareTransactionRequest({ to: dan.account.address, value: 1n });
    const raw = await dan.signTransaction(request);
    const receipt = await call(net.operators[0].rpc, "eth_sendRawTransactionSync", [raw]);
    assert.equal(receipt.transactionHash, keccak256(raw));
    assert.equal(receipt.status, "0x1");
  });

  test("errors are the ones that wallets know", async () => {
    const [alice] = wallets;
    const { rpc } = net.operators[0];
    const sign = (fields) => alice.signTransaction({ to: alice.account.address, gas: 21_000n, type: "eip1559", ...fields });
    const fees = { maxFeePerGas: parseGwei("10"), maxPriorityFeePerGas: 1n };
    const send = async (fields) => call(rpc, "eth_sendRawTransaction", [await sign({ ...fees, ...fields })]);
    const nonce = await client.getTransactionCount({ address: alice.account.address });
    await assert.rejects(send({ nonce: 0 }), /nonce too low/);
    await assert.rejects(send({ nonce, value: parseEther("100000000") }), /insufficient funds/);
    await assert.rejects(call(rpc, "eth_sendRawTransaction", ["0x7ef8a0"]), /not supported/);
    await assert.rejects(call(rpc, "eth_noSuchMethod"), { code: -32601 });
    await assert.rejects(call(rpc, "eth_getBalance", ["nonsense", "latest"]), { code: -32602 });
  });

  test("flashblocks arrive by subscription", async () => {
    const socket = new WebSocket(net.operators[3].ws);
    const heights = [];
    await new Promise((done, fail) => {
      socket.on("error", fail);
      socket.on("open", () =>
        socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "rota_subscribe", params: ["flashblocks"] })),
      );
      socket.on("message", (data) => {
        const message = JSON.parse(data);
        if (message.error) fail(new Error(message.error.message));
        if (message.params) heights.push(Number(message.params.result.header.height));
        if (heights.length === 10) done();
      });
    });
    socket.close();
    assert.deepEqual(heights, heights.map((_, i) => heights[0] + i), "every height once, in order");
  });

  test("a deposit through OptimismPortal2 arrives on L2", async () => {
    const [alice] = wallets;
    const l1Chain = { ...chain, id: Number(await call(net.l1.rpc, "eth_chainId")) };
    const l1 = createWalletClient({ chain: l1Chain, transport: http(net.l1.rpc), account: alice.account });
    const to = "0x00000000000000000000000000000000000de105";
    await l1.writeContract({
      address: net.contracts.OptimismPortal,
      abi: parseAbi(["function depositTransaction(address,uint256,uint64,bool,bytes) payable"]),
      functionName: "depositTransaction",
      args: [to, parseEther("2"), 100_000n, false, "0x"],
      value: parseEther("2"),
    });
    await until("deposit on L2", async () => (await client.getBalance({ address: to })) === parseEther("2"), 60_000);
  });

  test("the stock verifier derives the same blocks", { timeout: 180_000 }, derivedByStock);
});

/** Sends transfers from each of these accounts until stopped; returns the hashes that were answered. */
function load(accounts, urls) {
  let running = true;
  const answered = [];
  const loops = accounts.map(async (account, index) => {
    const { address } = net.accounts[account];
    let nonce = await client.getTransactionCount({ address, blockTag: "pending" });
    while (running) {
      // Signed by the account itself: a wallet would ask its operator for the chain id, and that one may be dead.
      const raw = await signed(net, account, { to: "0x000000000000000000000000000000000010ad00", nonce });
      try {
        answered.push(await call(urls[index % urls.length], "eth_sendRawTransaction", [raw], 5_000));
        nonce++;
      } catch (error) {
        // Not answered: the same transaction goes to the next operator, which may know it already.
        if (/already known|nonce too low/.test(error.message)) nonce++;
        else urls = [...urls.slice(1), urls[0]];
      }
      await sleep(20);
    }
  });
  return async () => {
    running = false;
    await Promise.all(loops);
    return answered;
  };
}

/** Every hash has exactly one place in the chain. */
async function includedOnce(hashes, rpc) {
  const places = new Set();
  for (const hash of hashes) {
    const receipt = await until(`receipt of ${hash}`, () => call(rpc, "eth_getTransactionReceipt", [hash]), 20_000);
    places.add(`${receipt.blockHash}:${receipt.transactionIndex}`);
  }
  assert.equal(places.size, hashes.length);
}

describe("survival", () => {
  test("the leader dies under load and every returned hash is included exactly once", { timeout: 240_000 }, async () => {
    const stop = load([4, 5, 6, 7, 8, 9], net.operators.map(({ rpc }) => rpc));
    await sleep(3_000);
    const status = await call(net.operators[0].rpc, "rota_status");
    const leader = net.operators.findIndex(({ identity }) => identity === status.leader.leader);
    assert.notEqual(leader, -1, JSON.stringify(status.leader));
    await net.kill(leader);
    await sleep(5_000);
    const answered = await stop();
    assert.ok(answered.length > 50, `${answered.length} transactions answered`);
    const witness = net.operators[(leader + 1) % net.operators.length];
    await includedOnce(answered, witness.rpc);
    await net.restart(leader);
    const target = await height(witness);
    await until("the killed operator catches up", async () => (await height(net.operators[leader])) >= target);
  });

  test("everybody is killed at once and the chain goes on from where it was", { timeout: 240_000 }, async () => {
    const before = Math.max(...(await Promise.all(net.operators.map(height))));
    const tip = await client.getBlock({ blockTag: "latest" });
    await net.kill("all");
    await net.restart("all");
    await until("new heights", async () => (await height(net.operators[0])) > before + 5);
    assert.equal((await client.getBlock({ blockNumber: tip.number })).hash, tip.hash);
    const hash = await wallets[0].sendTransaction({ to: wallets[1].account.address, value: 1n });
    const receipt = await client.waitForTransactionReceipt({ hash, timeout: 15_000 });
    assert.equal(receipt.status, "success");
  });

  test("the stock verifier still derives the same blocks", { timeout: 240_000 }, derivedByStock);
});
