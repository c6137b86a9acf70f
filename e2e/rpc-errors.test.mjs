// What clients send wrong: the real server answers with the codes and words that wallets know, and goes on.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { mnemonicToAccount } from "viem/accounts";
import { keccak256, parseEther, parseGwei } from "viem";
import WebSocket from "ws";
import { call, devnet, height, signed, until } from "./support.mjs";

let net, url;

before(
  async () => {
    net = await devnet();
    url = net.operators[0].rpc;
  },
  { timeout: 120_000 },
);

after(() => net?.down());

/** Posts a body as it is; HTTP status and what was answered, parsed if it is JSON. */
async function post(body, headers = { "content-type": "application/json" }) {
  const response = await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  try {
    return { status: response.status, answer: JSON.parse(text) };
  } catch {
    return { status: response.status, text };
  }
}

const request = (id, method = "eth_chainId", params = []) => ({ jsonrpc: "2.0", id, method, params });
const send = (raw) => call(url, "eth_sendRawTransaction", [raw]);
/** Refuses with the code that geth has for everything about transactions. */
const refuses = (raw, message) => assert.rejects(send(raw), { code: -32000, message });

describe("requests", () => {
  test("what is no JSON is a parse error, what is no request an invalid one", async () => {
    for (const body of ["{", "", "7", "\0\xff", '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"']) {
      const { answer, status } = await post(body);
      assert.equal(answer?.error.code, -32700, `${status} for ${JSON.stringify(body)}`);
    }
    for (const body of ['{"jsonrpc":"2.0","id":1}', '{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}']) {
      assert.equal((await post(body)).answer?.error.code, -32600, body);
    }
  });

  test("an unknown method, missing and wrong parameters", async () => {
    await assert.rejects(call(url, "eth_noSuchMethod"), { code: -32601 });
    for (const params of [[], ["nonsense", "latest"], ["0x01", "latest"], [{}, "latest"], [net.accounts[0].address, "newest"]]) {
      await assert.rejects(call(url, "eth_getBalance", params), { code: -32602 }, JSON.stringify(params));
    }
    await assert.rejects(call(url, "eth_getBalance", [net.accounts[0].address, "0xffffff"]), { code: -32000 });
    await assert.rejects(call(url, "rota_getCertificate", ["sideways"]), { code: -32602 });
  });

  test("a body above the limit is refused, one below it is read", async () => {
    // rpc_max_request_bytes: 1 MiB.
    const filled = (bytes) => JSON.stringify(request(1, "web3_sha3", [`0x${"00".repeat(bytes / 2)}`]));
    const { status, answer } = await post(filled(2 << 20));
    assert.ok(status === 413 || answer?.error.code === -32007, `${status} ${JSON.stringify(answer)}`);
    assert.ok((await post(filled(900 << 10))).answer, "within the limit");
  });

  test("a batch above the limit is refused, one of its size is answered", async () => {
    const batch = (size) => JSON.stringify(Array.from({ length: size }, (_, id) => request(id)));
    assert.equal((await post(batch(100))).answer.length, 100);
    assert.equal((await post(batch(101))).answer.error.code, -32010);
    assert.equal((await post("[]")).answer.error.code, -32600);
    const mixed = await post(JSON.stringify([request(1), { nonsense: true }, request(2, "eth_noSuchMethod")]));
    assert.deepEqual(mixed.answer.map(({ error }) => error?.code), [undefined, -32600, -32601]);
  });

  test("garbage on a WebSocket is answered, and the socket stays open", async () => {
    const socket = new WebSocket(net.operators[0].ws);
    await new Promise((done, fail) => socket.once("open", done).once("error", fail));
    const ask = (text) =>
      new Promise((done, fail) => {
        socket.once("message", (data) => done(JSON.parse(data))).once("close", () => fail(new Error("closed")));
        socket.send(text);
      });
    assert.equal((await ask("{")).error.code, -32700);
    assert.equal((await ask(JSON.stringify(request(1, "eth_subscribe", ["nothing"])))).error.code, -32602);
    assert.equal((await ask(JSON.stringify(request(2)))).result, "0x385");
    socket.close();
  });
});

describe("transactions", () => {
  test("of another chain, or of none", async () => {
    await refuses(await signed(net, 0, { nonce: 0, chainId: 1 }), /invalid chain id/);
    const legacy = { type: "legacy", gasPrice: parseGwei("10"), maxFeePerGas: undefined, maxPriorityFeePerGas: undefined };
    await refuses(await signed(net, 0, { nonce: 0, ...legacy, chainId: undefined }), /invalid chain id/);
  });

  test("underpriced: below the base fee's floor, and a replacement that pays no more", async () => {
    await refuses(await signed(net, 0, { nonce: 0, maxFeePerGas: 0n, maxPriorityFeePerGas: 0n }), /underpriced/);
    // A gap keeps it in the pool.
    await send(await signed(net, 1, { nonce: 5 }));
    await refuses(await signed(net, 1, { nonce: 5, value: 2n }), /replacement transaction underpriced/);
    await refuses(await signed(net, 1, { nonce: 5 }), /already known/);
  });

  test("nonce too low", async () => {
    const raw = await signed(net, 2, { nonce: 0 });
    await send(raw);
    await until("receipt", () => call(url, "eth_getTransactionReceipt", [keccak256(raw)]));
    await refuses(await signed(net, 2, { nonce: 0, value: 2n }), /nonce too low: next nonce 1, tx nonce 0/);
  });

  test("insufficient funds", async () => {
    await refuses(await signed(net, 0, { nonce: 0, value: parseEther("100000000") }), /insufficient funds for gas \* price \+ value/);
    const poor = mnemonicToAccount(`${"test ".repeat(11)}junk`, { addressIndex: 99 });
    const fields = { to: poor.address, gas: 21_000n, maxFeePerGas: parseGwei("10"), nonce: 0, chainId: net.chain_id };
    await refuses(await poor.signTransaction(fields), /insufficient funds/);
  });

  test("gas below what it needs, above what a transaction may have", async () => {
    await refuses(await signed(net, 0, { nonce: 0, gas: 20_999n }), /intrinsic gas too low/);
    await refuses(await signed(net, 0, { nonce: 0, gas: 16_777_217n }), /gas limit/);
  });

  test("of types that users may not send: deposits, 0x7d, blobs, unknown ones", async () => {
    // A deposit as derivation would make it: all fields right, minting a million ether to its sender.
    const from = net.accounts[0].address.slice(2);
    const deposit = `0x7ef856a0${"00".repeat(32)}94${from}94${from}8ad3c21bcecceda1000000${"80"}82520880${"80"}`;
    for (const [raw, type] of [[deposit, "0x7e"], ["0x7dc0", "0x7d"], ["0x03f8c0", "0x03"], ["0x05c0", "0x05"]]) {
      await refuses(raw, new RegExp(`transaction type ${type} not supported`));
    }
    const before = await call(url, "eth_getBalance", [net.accounts[0].address, "pending"]);
    assert.equal(BigInt(before), parseEther("1000000"), "nothing was minted");
  });

  test("bytes that are no transaction, a broken signature, one that is too large", async () => {
    for (const raw of ["0x", "0x02", "0xc0", "0x00c0", `0x${"ff".repeat(40)}`]) await refuses(raw, /malformed/);
    const good = await signed(net, 0, { nonce: 0 });
    await refuses(`${good}00`, /malformed/);
    await refuses(`${good.slice(0, -64)}${"ff".repeat(32)}`, /invalid signature/);
    await refuses(await signed(net, 0, { nonce: 0, gas: 10_000_000n, data: `0x${"00".repeat(128 << 10)}` }), /oversized/);
    await assert.rejects(send("no hex"), { code: -32602 });
  });
});

test("the node goes on: it certifies, and takes a good transaction", async () => {
  assert.ok(await net.pid("operator-0"));
  const now = await height(net.operators[0]);
  const raw = await signed(net, 0, { nonce: 0 });
  assert.equal(await send(raw), keccak256(raw));
  const receipt = await until("receipt", () => call(url, "eth_getTransactionReceipt", [keccak256(raw)]));
  assert.equal(receipt.status, "0x1");
  await until("new heights", async () => (await height(net.operators[0])) > now + 3);
  assert.doesNotMatch(await net.log("operator-0"), /panic/);
});
