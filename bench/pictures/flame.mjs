// A flame graph of collapsed stacks (`outermost;…;innermost microseconds` a line, as bench/profile.mjs keeps them): who,
// for what cause, and the functions above. What is too narrow to be seen belongs to what is below it.

import { COLOURS, bar, document, escape, text } from "./svg.mjs";

const WIDTH = 1_200;
const ROW = 17;
const TOP = 56;
/** The narrowest frame, as a part of everything. */
const NARROW = 0.005;
/** The largest file; narrower frames are left out until it fits. */
const LARGEST = 290_000;
/** Letters of 11 px that stand side by side in so many pixels. */
const LETTER = 6.2;

/** The stacks as a tree. */
export function tree(folded) {
  const root = { name: "all", value: 0, children: new Map() };
  for (const row of folded.split("\n").filter((row) => row.trim())) {
    const space = row.lastIndexOf(" ");
    const value = Number(row.slice(space + 1));
    let node = root;
    node.value += value;
    for (const name of row.slice(0, space).split(";")) {
      if (!node.children.has(name)) node.children.set(name, { name, value: 0, children: new Map() });
      node = node.children.get(name);
      node.value += value;
    }
  }
  return root;
}

/** The picture. */
export function flame(folded) {
  const root = tree(folded);
  for (let narrow = NARROW; ; narrow *= 1.5) {
    const svg = draw(root, narrow);
    if (svg.length <= LARGEST) return svg;
  }
}

function draw(root, narrow) {
  const frames = [];
  const causes = new Map();
  let deepest = 0;
  const visit = (node, depth, x, cause) => {
    deepest = Math.max(deepest, depth);
    frames.push({ node, depth, x, cause });
    let left = x;
    for (const child of [...node.children.values()].sort((a, b) => b.value - a.value)) {
      if (child.value < narrow * root.value) continue;
      // The second frame of a stack is its cause: it gives the colour.
      const its = depth === 1 ? causes.get(child.name) ?? causes.set(child.name, causes.size).get(child.name) : cause;
      visit(child, depth + 1, left, its);
      left += child.value;
    }
  };
  visit(root, 0, 0, undefined);
  const height = TOP + (deepest + 1) * ROW;
  const parts = [
    text(16, 28, "CPU of a loaded devnet: operators, load generator, L1", { as: "title" }),
    text(16, 46, `${seconds(root.value)} of samples; frames below ${(narrow * 100).toFixed(1)} % are part of those below them`, { as: "faint" }),
  ];
  for (const { node, depth, x, cause } of frames) {
    const left = (x / root.value) * WIDTH;
    const width = (node.value / root.value) * WIDTH;
    const y = height - (depth + 1) * ROW;
    const letters = Math.floor((width - 6) / LETTER);
    const percent = ((node.value / root.value) * 100).toFixed(1);
    const colour = cause === undefined ? "base" : `f${cause % COLOURS}`;
    const name = letters >= 3 ? text(left + 3, y + 12, clipped(simple(node.name), letters)) : "";
    parts.push(`<g><title>${escape(node.name.slice(0, 160))} ${percent}%</title>${bar(left, y, width - 0.5, ROW - 1, colour)}${name}</g>`);
  }
  // Light colours below dark letters, and the other way round.
  const style = `g text{font-size:11px}g rect{fill-opacity:.35}.base{fill:#8b949e}`;
  return document(WIDTH, height + 8, parts, style);
}

const seconds = (micros) => `${(micros / 1e6).toFixed(1)} s`;

/** A function without its generic arguments and the path to it. */
function simple(name) {
  let plain = name;
  for (let before; before !== plain; ) {
    before = plain;
    plain = plain.replace(/(?<!^)<[^<>]*>/g, "");
  }
  return plain.split("::").slice(-2).join("::") || name;
}

const clipped = (name, letters) => (name.length > letters ? `${name.slice(0, letters - 1)}…` : name);
