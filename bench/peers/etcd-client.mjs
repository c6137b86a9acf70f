// A client of an etcd member, in a process of its own so that it can run in the member's network namespace.
//
//   node etcd-client.mjs leader URL            prints {"leader", "member"}: their ids, the first "0" without a leader
//   node etcd-client.mjs move URL ID           hands leadership over; URL must be the leader's
//   node etcd-client.mjs write URL RATE        512-byte values at RATE a second (Poisson) until standard input ends;
//                                              a line "SENT ANSWERED" for each acknowledged write, both in Unix ms

import { randomBytes } from "node:crypto";
import { Agent, request } from "node:http";

const VALUE_BYTES = 512;
const TIMEOUT_MS = 20_000;
const agent = new Agent({ keepAlive: true });

/** One call of the member's JSON gateway. */
const call = (url, path, body) =>
  new Promise((done, fail) => {
    const options = { method: "POST", agent, timeout: TIMEOUT_MS, headers: { "content-type": "application/json" } };
    const sent = request(new URL(path, url), options, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part) => (text += part));
      answer.on("end", () =>
        answer.statusCode === 200 ? done(JSON.parse(text)) : fail(new Error(`${path}: ${answer.statusCode} ${text}`)),
      );
    });
    sent.on("timeout", () => sent.destroy(new Error(`${path}: no answer`)));
    sent.on("error", fail);
    sent.end(JSON.stringify(body));
  });

const now = () => performance.timeOrigin + performance.now();

/** Open loop: a write is sent when it is due, whatever became of those before. */
function write(url, rate) {
  const next = () => {
    const sent = now();
    const key = randomBytes(8).toString("base64");
    const value = randomBytes(VALUE_BYTES).toString("base64");
    // What is not acknowledged makes no line: that is what is measured.
    call(url, "/v3/kv/put", { key, value }).then(
      () => process.stdout.write(`${sent.toFixed(2)} ${now().toFixed(2)}\n`),
      () => {},
    );
  };
  let due = now();
  setInterval(() => {
    for (; due <= now(); due += (-Math.log(1 - Math.random()) / rate) * 1e3) next();
  }, 1);
  process.stdin.resume().on("end", () => process.exit(0));
}

const [command, url, argument] = process.argv.slice(2);
if (command === "leader") {
  const { leader = "0", header } = await call(url, "/v3/maintenance/status", {});
  console.log(JSON.stringify({ leader, member: header.member_id }));
} else if (command === "move") {
  await call(url, "/v3/maintenance/transfer-leadership", { targetID: argument });
} else if (command === "write") {
  write(url, Number(argument));
} else {
  console.error("usage: etcd-client.mjs leader URL | move URL ID | write URL RATE");
  process.exit(2);
}
