// Stands between an op-node and its op-geth, and can make the engine a bad one while everything else stays healthy.

import { once } from "node:events";
import { createServer } from "node:http";
import { keccak256, sha256, toRlp } from "viem";

const EMPTY_LIST = keccak256(toRlp([]));
const NO_REQUESTS = sha256("0x");

/** A quantity as RLP has it: no leading zeros, nothing for zero. */
const integer = (quantity) => (BigInt(quantity) === 0n ? "0x" : toEven(BigInt(quantity).toString(16)));
const toEven = (digits) => `0x${digits.length % 2 ? "0" : ""}${digits}`;

/** Root of the transactions of a block that has one: a trie with a single leaf, at key 0x80. */
const rootOfOne = (transaction) => keccak256(toRlp(["0x2080", transaction]));

/** Hash of a block of an OP chain (Isthmus and later) with one transaction. */
const blockHash = (payload, beaconRoot) =>
  keccak256(
    toRlp([
      payload.parentHash,
      EMPTY_LIST,
      payload.feeRecipient,
      payload.stateRoot,
      rootOfOne(payload.transactions[0]),
      payload.receiptsRoot,
      payload.logsBloom,
      "0x",
      integer(payload.blockNumber),
      integer(payload.gasLimit),
      integer(payload.gasUsed),
      integer(payload.timestamp),
      payload.extraData,
      payload.prevRandao,
      "0x0000000000000000",
      integer(payload.baseFeePerGas),
      payload.withdrawalsRoot,
      integer(payload.blobGasUsed),
      integer(payload.excessBlobGas),
      beaconRoot,
      NO_REQUESTS,
    ]),
  );

/** Gives a payload another state root, and the hash that goes with it: well-formed, and wrong for whoever executes it. */
function spoil({ executionPayload: payload, parentBeaconBlockRoot: beaconRoot }) {
  if (payload.transactions.length !== 1 || blockHash(payload, beaconRoot) !== payload.blockHash)
    throw new Error("only blocks with the L1 info transaction alone can be spoilt");
  payload.stateRoot = keccak256(payload.stateRoot);
  payload.blockHash = blockHash(payload, beaconRoot);
}

/**
 * Starts a proxy of the engine API at `target`. `proxy.mode` is "honest", "nothing" (it answers everything, but payloads
 * it never has) or "invalid" (the payloads it makes have a wrong state root); `proxy.bad` counts what was spoilt.
 */
export async function engineProxy(target) {
  const proxy = { mode: "honest", bad: 0 };
  const forward = async (body, headers) => {
    const { authorization } = headers;
    const sent = await fetch(target, {
      method: "POST",
      body,
      headers: { "content-type": "application/json", ...(authorization && { authorization }) },
    });
    return { status: sent.status, text: await sent.text() };
  };
  const handle = async (body, headers) => {
    const asked = JSON.parse(body);
    const building = asked.method?.startsWith("engine_getPayload") && proxy.mode !== "honest";
    if (!building) return forward(body, headers);
    proxy.bad += 1;
    if (proxy.mode === "nothing") {
      const error = { code: -38001, message: "Unknown payload" };
      return { status: 200, text: JSON.stringify({ jsonrpc: "2.0", id: asked.id, error }) };
    }
    const { status, text } = await forward(body, headers);
    const answer = JSON.parse(text);
    if (answer.result) spoil(answer.result);
    return { status, text: JSON.stringify(answer) };
  };
  const server = createServer(async (request, response) => {
    try {
      const parts = [];
      for await (const part of request) parts.push(part);
      const { status, text } = await handle(Buffer.concat(parts).toString(), request.headers);
      response.writeHead(status, { "content-type": "application/json" }).end(text);
    } catch (error) {
      response.writeHead(502).end(error.message);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.close = () => {
    server.close();
    server.closeAllConnections();
  };
  return proxy;
}
