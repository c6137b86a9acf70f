// The longest time without a new acknowledgement or block after something happened to the leader.

import { sleep, until } from "../../e2e/support.mjs";

/** Where a gap is given up: whoever has not gone on by then has halted. */
export const LIMIT_MS = 60_000;
/** What is watched at least. */
const WATCH_MS = 5_000;

const now = () => performance.timeOrigin + performance.now();

/**
 * Watches a cluster beside a survivor while `act` is done to its leader, at a random moment, and returns the longest
 * gap that ended after it in ms: LIMIT_MS or more if nothing came any more. `everyMs` is the time between two arrivals
 * when nothing fails.
 */
export async function longestGap(cluster, witness, everyMs, act) {
  const arrivals = [];
  const watched = await cluster.watch(witness, (at) => arrivals.push(at));
  try {
    await until("something arrives", () => arrivals.length >= 3, 30_000, 20);
    await sleep(1_000 + Math.random() * 1_000);
    const before = arrivals.at(-1);
    const start = now();
    await act();
    for (;;) {
      await sleep(50);
      const times = [before, ...arrivals.filter((at) => at > start)];
      const gaps = times.slice(1).map((at, index) => at - times[index]);
      const [longest, waiting] = [Math.max(...gaps, 0), now() - times.at(-1)];
      if (waiting > LIMIT_MS) return waiting;
      // It goes on if a few have come since the longest gap, as often as ever.
      const since = gaps.length - gaps.indexOf(longest);
      if (now() - start > WATCH_MS && since >= 3 && waiting < 2 * everyMs) return longest;
    }
  } finally {
    await watched.end();
  }
}
