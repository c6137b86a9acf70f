// An epoch's plan, computed from what L1 published: the registry's events up to the origin that fixes the epoch, and the
// seed of the L1 block that the origins name.
import { hexToString, parseAbi, parseAbiItem } from "viem";
import { regularTurns } from "./schedule.mjs";

const MEMBER = 2;
const LEAVING = 3;

const OPERATOR =
  "struct Operator { bytes32 identity; bytes identityProof; bytes blsKey; address posting; address reward; string endpoint; uint64 weight; bool reserve; uint8 status; uint64 leavesAt; }";

export const registryEvents = [
  parseAbiItem([
    "event OperatorChanged(address indexed operator, Operator entry)",
    OPERATOR,
  ]),
  parseAbiItem("event ScheduleAnnounced(bytes32 indexed kind, uint64 fromEpoch)"),
];

export const committeeAbi = parseAbi([
  OPERATOR,
  "function committee() view returns (address[] operators, Operator[] members)",
]);

export const scheduleAbi = parseAbi([
  "struct Seat { bytes32 identity; address operator; uint64 weight; bool reserve; }",
  "struct EpochPlan { uint64 epoch; bytes32 kind; bytes32 seed; uint32 regularTurns; Seat[] seats; }",
  "function leader(EpochPlan plan, uint64 turn) pure returns (address operator)",
]);

/** L1 blocks after the origin with which epoch e − 3 ended, in one of which the seed of epoch e is (ADR 005). */
const SEED_DELAY = 16;

/**
 * Number of the L1 block whose prev-randao is an epoch's seed.
 * @param before  origin number of the last L2 block of epoch e − 3
 * @param fixing  origin number of the last L2 block of epoch e − 2
 */
export const seedBlock = (before, fixing) => Math.min(before + SEED_DELAY, fixing);

/**
 * The plan of an epoch.
 * @param events    the registry's decoded events in order, up to and including the L1 block of the origin that fixes the
 *                  epoch: { eventName, args }
 * @param fixedAt   timestamp of the L2 block that fixes it (the last of the epoch before the one before), seconds
 * @param rhythm    { epochLength, turnLength, strategy }: the last is the chain's first strategy
 */
export function plan({ epoch, events, fixedAt, seed, rhythm }) {
  const entries = new Map();
  let strategy = rhythm.strategy;
  for (const { eventName, args } of events) {
    if (eventName === "OperatorChanged") entries.set(args.operator, args.entry);
    else if (args.fromEpoch <= BigInt(epoch)) strategy = hexToString(args.kind, { size: 32 });
  }
  const sits = ({ status, leavesAt }) => status === MEMBER || (status === LEAVING && BigInt(fixedAt) < leavesAt);
  const seats = [...entries]
    .filter(([, entry]) => sits(entry))
    .map(([operator, { identity, weight, reserve }]) => ({ identity, operator, weight, reserve }))
    .sort((a, b) => (BigInt(a.identity) < BigInt(b.identity) ? -1 : 1));
  return { epoch, strategy, seed, regularTurns: regularTurns(rhythm.epochLength, rhythm.turnLength), seats };
}
