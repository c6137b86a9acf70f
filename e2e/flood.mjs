// Floods of a node's RPC, each in a worker thread of its own: `workerData` names the flood and the node's port. A flood
// goes on until its worker is ended; it tells how often it did what it does.

import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import WebSocket from "ws";

const { flood, port, transactions, contract } = workerData;
/** Another address than the honest wallet's. */
const FROM = { host: "127.0.0.1", port, localAddress: "127.0.0.2" };
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

let done = 0;
setInterval(() => parentPort.postMessage({ done }), 100).unref();

const request = (method, params, id = 1) => ({ jsonrpc: "2.0", id, method, params });
const head = (length, more = "") =>
  `POST / HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n${more}\r\n`;
const http = (body) => Buffer.concat([Buffer.from(head(Buffer.byteLength(body))), Buffer.from(body)]);

/** One connection: says something and goes on as `then` says, resolves when it is closed. */
const connection = (say, then = () => {}) =>
  new Promise((over) => {
    const socket = connect(FROM, () => {
      if (say !== undefined) socket.write(say);
      then(socket);
      done++;
    });
    socket.on("error", () => {}).on("close", over);
  });

/** Keeps `count` of something going, each begun anew when it has ended. */
async function keep(count, one) {
  const again = async () => {
    for (;;) {
      await one();
      await sleep(20);
    }
  };
  for (let i = 0; i < count; i++) {
    again();
    if (i % 50 === 49) await sleep(20);
  }
}

/** Asks and reads the answer to its end, on one connection after the other. */
const asking = (body) =>
  connection(http(body), (socket) => {
    socket.once("data", () => setTimeout(() => socket.destroy(), 20));
    socket.setTimeout(5_000, () => socket.destroy());
  });

const trickle = (socket) => {
  const drip = setInterval(() => socket.write(" "), 500);
  socket.on("close", () => clearInterval(drip));
};

const websocket = (then) =>
  new Promise((over) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { localAddress: FROM.localAddress, perMessageDeflate: false });
    socket.on("open", () => (then(socket), done++));
    socket.on("error", () => {}).on("close", over);
  });

/** A call that returns so many zeros. */
const zeros = (bytes, id) =>
  request("eth_call", [{ to: contract, data: `0x${bytes.toString(16).padStart(64, "0")}` }, "latest"], id);
/** A call that computes until its gas is gone. */
const burn = (id) => request("eth_call", [{ to: contract }, "latest"], id);
const batch = (size, one) => JSON.stringify(Array.from({ length: size }, (_, id) => one(id)));

const floods = {
  /** Connections that say nothing. */
  silent: () => keep(3_000, () => connection(undefined)),

  /** Requests that never end: in their heads, and in their bodies. */
  slow: () => {
    keep(700, () => connection("POST / HTTP/1.1\r\nhost: node\r\nx: ", trickle));
    keep(700, () => connection(head(1 << 20), trickle));
  },

  /** Bodies far beyond the limit, announced and not announced. */
  oversized: () => {
    const chunk = Buffer.alloc(64 << 10, " ");
    const pour = (socket) => {
      const more = () => {
        while (socket.writable && socket.write(chunk));
      };
      socket.on("drain", more);
      more();
    };
    keep(16, () => connection(head(1 << 30), pour));
    const chunked = "POST / HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    keep(16, () => connection(`${chunked}40000000\r\n`, pour));
  },

  /** JSON as deep as the limit allows, where values are expected and where none are. */
  deep: () => {
    const deep = "[".repeat(400_000);
    const objects = '{"a":'.repeat(100_000);
    keep(4, () => asking(deep));
    keep(4, () => asking(`{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":${deep}`));
    keep(4, () => asking(`{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[${objects}`));
  },

  /** Transactions that nobody could have signed, and good ones again and again. */
  transactions: () => {
    const raw = () => {
      const kind = done % 3;
      if (kind === 0) return `0x02${randomBytes(120).toString("hex")}`;
      if (kind === 1) return `0x${randomBytes(8).toString("hex")}`;
      const good = transactions[done % transactions.length];
      return good.slice(0, -64) + randomBytes(32).toString("hex");
    };
    keep(32, () => asking(batch(50, (id) => request("eth_sendRawTransaction", [raw()], id))));
  },

  /** Logs of everything there is, and of more. */
  logs: () => {
    const ranges = [["earliest", "latest"], ["0x0", "0xffffffffffffffff"], ["latest", "earliest"], ["0x0", "0x270f"]];
    const filter = (id) => {
      const [fromBlock, toBlock] = ranges[id % ranges.length];
      return request("eth_getLogs", [{ fromBlock, toBlock, topics: [Array(500).fill(`0x${"11".repeat(32)}`)] }], id);
    };
    keep(64, () => asking(JSON.stringify(filter(done))));
    keep(8, () => asking(batch(20, filter)));
  },

  /** Batches of too many, of nothing, of batches, and full ones of what is dear. */
  batches: () => {
    keep(8, () => asking(batch(20_000, (id) => request("eth_chainId", [], id))));
    keep(8, () => asking(`[${"[],".repeat(50_000)}[]]`));
    keep(8, () => asking(batch(100, burn)));
  },

  /** Subscriptions to everything, never read. */
  subscriptions: () => {
    const all = [["eth", ["newHeads"]], ["eth", ["logs", {}]], ["eth", ["newPendingTransactions"]], ["rota", ["flashblocks"]]];
    keep(200, () =>
      websocket((socket) => {
        socket._socket.pause();
        for (let id = 0; id < 64; id++) {
          const [namespace, params] = all[id % all.length];
          socket.send(JSON.stringify(request(`${namespace}_subscribe`, params, id)));
        }
      }),
    );
  },

  /** Large answers, never read. */
  answers: () => {
    const pause = (socket) => socket.pause();
    keep(300, () => connection(http(JSON.stringify(zeros(4_500_000, 1))), pause));
    keep(100, () =>
      websocket((socket) => {
        socket._socket.pause();
        for (let id = 0; id < 64; id++) socket.send(JSON.stringify(zeros(4_500_000, id)));
      }),
    );
  },
};

floods[flood]();
