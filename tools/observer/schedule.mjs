// Who leads which turn, computed a third time: from an epoch's plan to its leaders, sharing no code with the node
// (crates/rota-types/src/strategy.rs) or the contracts (contracts/src/{RoundRobin,Weighted}.sol), which say the rules.
import { concat, hexToBigInt, keccak256, numberToHex, stringToHex } from "viem";

const MAX_SEATS = 128;
const MAX_REGULAR_TURNS = 4096;
const MAX_WEIGHT = 2n ** 32n;

/** The strategies, by their name on L1. */
const strategies = { "round-robin": roundRobin, weighted };

/** The name of a strategy on L1: ASCII, left-aligned, zero-padded to 32 bytes. */
export const kindOf = (strategy) => stringToHex(strategy, { size: 32 });

/**
 * The turns of an epoch.
 * @param plan { epoch, strategy, seed: 0x…, regularTurns, seats: [{ identity: 0x…, operator: 0x…, weight, reserve }] };
 *             integers are numbers or bigints. Throws a RangeError if it is malformed.
 * @returns { table: [seat], leader(turn): seat, turns(operator): [number], standing(operator): string }
 */
export function schedule(plan) {
  check(plan);
  let regular = plan.seats.filter((seat) => !seat.reserve);
  let reserves = plan.seats.filter((seat) => seat.reserve);
  if (regular.length === 0) [regular, reserves] = [reserves, regular];
  const table = strategies[plan.strategy](plan, regular);

  const leader = (turn) => {
    const late = BigInt(turn) - BigInt(plan.regularTurns);
    if (late < 0n || reserves.length === 0) return table[Number(BigInt(turn) % BigInt(table.length))];
    return reserves[Number((BigInt(plan.epoch) + late) % BigInt(reserves.length))];
  };
  const is = (operator) => (seat) => seat.operator.toLowerCase() === operator.toLowerCase();
  const turns = (operator) => [...table.keys()].filter((turn) => is(operator)(table[turn]));
  const standing = (operator) => {
    if (turns(operator).length > 0) return "scheduled";
    return plan.seats.some(is(operator)) ? "unscheduled" : "unknown";
  };
  return { table, leader, turns, standing };
}

/** The regular turns of an epoch: what a healthy one needs, and a third more. */
export function regularTurns(epochLength, turnLength) {
  const needed = Math.ceil(epochLength / turnLength);
  return needed + Math.ceil(needed / 3);
}

function check({ strategy, regularTurns, seats }) {
  const refuse = (what) => {
    throw new RangeError(what);
  };
  if (!Object.hasOwn(strategies, strategy)) refuse(`unknown strategy ${strategy}`);
  if (!(regularTurns >= 1 && regularTurns <= MAX_REGULAR_TURNS)) refuse(`${regularTurns} regular turns`);
  if (!(seats.length >= 1 && seats.length <= MAX_SEATS)) refuse(`${seats.length} seats`);
  seats.forEach(({ identity, weight }, index) => {
    if (index > 0 && BigInt(identity) <= BigInt(seats[index - 1].identity)) refuse(`seat ${index} is out of order`);
    if (BigInt(weight) < 1n || BigInt(weight) > MAX_WEIGHT) refuse(`seat ${index} has weight ${weight}`);
  });
}

function roundRobin({ epoch, regularTurns }, regular) {
  const first = Number(BigInt(epoch) % BigInt(regular.length));
  return Array.from({ length: Number(regularTurns) }, (_, turn) => regular[(first + turn) % regular.length]);
}

function weighted({ epoch, seed, regularTurns }, regular) {
  const draw = (domain, modulus, ...rest) => {
    const hash = keccak256(concat([stringToHex(domain), seed, numberToHex(epoch, { size: 8 }), ...rest]));
    return hexToBigInt(hash) % modulus;
  };
  const ends = [];
  for (const { weight } of regular) ends.push((ends.at(-1) ?? 0n) + BigInt(weight));
  const total = ends.at(-1);
  const start = draw("rota_WEIGHTED", total);
  const table = Array.from({ length: Number(regularTurns) }, (_, k) => {
    const point = (start + BigInt(k) * total) / BigInt(regularTurns);
    return regular[ends.findIndex((end) => point < end)];
  });
  for (let i = table.length - 1; i > 0; i--) {
    const j = Number(draw("rota_SHUFFLE", BigInt(i + 1), numberToHex(i, { size: 4 })));
    [table[i], table[j]] = [table[j], table[i]];
  }
  return table;
}
