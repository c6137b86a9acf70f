// Takes the guards of `mutations.mjs` away, one at a time, and shows who notices.
//
//   node tools/mutations/run.mjs [--publish] [--jobs N] [--build] [NAME...]
//
// The checkout's files are copied to target/mutations/tree and built there once, with every mutation behind a switch; what
// is built of the dependencies is taken over. Without a switch everything that watches must hold; with one it must fail.
// What a build has shown once is not run again. Names: these mutations only. --build: build, and run nothing. --publish:
// the table goes into docs/simulator.md.

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, linkSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { replace } from "../../bench/pictures/page.mjs";
import { mutated, watch } from "./apply.mjs";
import { mutations } from "./mutations.mjs";

const ROOT = join(import.meta.dirname, "../..");
const WORK = join(ROOT, "target/mutations");
const TREE = join(WORK, "tree");
const TARGET = join(WORK, "target");
const ROTA = join(TARGET, "release/rota");
const PAGE = join(ROOT, "docs/simulator.md");
const [BEGIN, END] = ["<!-- mutations -->", "<!-- /mutations -->"];

/** A run takes seconds. One that takes this long, ms, waits for what never comes. */
const PATIENCE_MS = 240_000;

/** Writes a file unless it is as it should be: what is unchanged is not built again. */
function put(path, content) {
  if (existsSync(path) && content.equals(readFileSync(path))) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** Copies the checkout as it is now, mutated. */
function copy() {
  const read = (file) => readFileSync(join(ROOT, file));
  const changed = mutated(mutations, (file) => read(file).toString());
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: ROOT, encoding: "utf8" });
  const wanted = new Set(files.split("\0").filter((file) => file && existsSync(join(ROOT, file))));
  for (const file of wanted) put(join(TREE, file), changed.has(file) ? Buffer.from(changed.get(file)) : read(file));
  for (const entry of readdirSync(TREE, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile() && !wanted.has(file.slice(TREE.length + 1))) rmSync(file);
  }
}

/** Takes over what a release build of the checkout has left of its dependencies, and nothing of its own crates. */
function takeOver() {
  const [from, to] = [join(ROOT, "target/release"), join(TARGET, "release")];
  if (existsSync(to) || !existsSync(join(from, "deps"))) return;
  const foreign = (part) => readdirSync(join(from, part)).filter((name) => !/^(lib)?rota[-_]/.test(name));
  for (const part of [".fingerprint", "build"]) {
    const options = { recursive: true, preserveTimestamps: true };
    for (const name of foreign(part)) cpSync(join(from, part, name), join(to, part, name), options);
  }
  mkdirSync(join(to, "deps"), { recursive: true });
  // Libraries are replaced when they change, never written to.
  for (const file of foreign("deps")) {
    const [source, copy] = [join(from, "deps", file), join(to, "deps", file)];
    if (file.endsWith(".d")) cpSync(source, copy, { preserveTimestamps: true });
    else if (/\.(rlib|rmeta|so|dylib|a)$/.test(file)) linkSync(source, copy);
  }
}

function build() {
  const args = ["build", "--release", "--locked", "--workspace", "--bin", "rota"];
  execFileSync("cargo", args, { cwd: TREE, stdio: "inherit", env: { ...process.env, CARGO_TARGET_DIR: TARGET } });
}

/** What a build has shown: its hash, and by run what did not hold. */
class Shown {
  static #PATH = join(WORK, "shown.json");
  #runs = {};
  #build = createHash("sha256").update(readFileSync(ROTA)).digest("hex");

  constructor() {
    const known = existsSync(Shown.#PATH) ? JSON.parse(readFileSync(Shown.#PATH, "utf8")) : {};
    if (known.build === this.#build) this.#runs = known.runs;
  }

  /** Null if all holds in a run, else the first line of what does not. */
  async of(args, mutant) {
    const key = [...args, mutant ?? ""].join(" ");
    if (!(key in this.#runs)) {
      this.#runs[key] = await simulate(args, mutant);
      writeFileSync(Shown.#PATH, JSON.stringify({ build: this.#build, runs: this.#runs }, null, 1));
    }
    return this.#runs[key];
  }
}

/** Runs one simulation: null if all holds, else the first line of what does not. */
function simulate(args, mutant) {
  const env = { ...process.env, ROTA_MUTANT: mutant ?? "" };
  return new Promise((resolve, reject) => {
    const run = spawn(ROTA, ["sim", "run", ...args], { env, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    run.stderr.setEncoding("utf8").on("data", (text) => (said = (said + text).slice(-100_000)));
    let late = false;
    const timer = setTimeout(() => (late = run.kill("SIGKILL")), PATIENCE_MS);
    run.on("error", reject).on("close", (code) => {
      clearTimeout(timer);
      if (code === 0) return resolve(null);
      // The command ends with it; panics of what is simulated come before.
      const error = said.slice(said.lastIndexOf("\nerror: ") + 1).split("\n")[0];
      const claim = error.replace(/^error: (\S+ with seed \d+|seed \d+): /, "").replace(/^assertion .*? failed: /, "");
      resolve(late ? `no end within ${PATIENCE_MS / 1000} s` : claim);
    });
  });
}

/** Does all tasks, some at a time. */
async function all(tasks, jobs, work) {
  const [left, results] = [tasks.entries(), []];
  const worker = async () => {
    for (const [index, task] of left) results[index] = await work(task);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return results;
}

/** What is long is long because it shows values. */
const cell = (text) => {
  const line = text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ");
  return line.length > 120 ? `${line.slice(0, 120)}…` : line;
};

function table(results) {
  const rows = mutations.flatMap(({ name, guard, unnoticed }) => {
    if (unnoticed) return `| \`${name}\` | ${guard} | nobody yet | ${unnoticed} |`;
    const own = results.filter((result) => result.mutation === name);
    return own.map(({ watched, caught, how }, index) => {
      const first = index ? ["", ""] : [`\`${name}\``, guard];
      return `| ${[...first, `\`${watched}\``, caught ? cell(how) : `**not caught** ${cell(how)}`].join(" | ")} |`;
    });
  });
  return ["| mutation | guard: taken away | noticed by | how |", "|---|---|---|---|", ...rows].join("\n");
}

const options = { publish: { type: "boolean" }, build: { type: "boolean" }, jobs: { type: "string" } };
const { values, positionals } = parseArgs({ options, allowPositionals: true });
const unknown = positionals.filter((name) => !mutations.some((mutation) => mutation.name === name));
if (unknown.length) throw new Error(`no mutation ${unknown.join(", ")}`);
const jobs = Number(values.jobs ?? Math.max(1, Math.min(cpus().length, 8)));
const chosen = mutations.filter(({ name }) => !positionals.length || positionals.includes(name));

copy();
takeOver();
build();
if (values.build) process.exit();

const pairs = chosen.flatMap(({ name, watches }) => watches.map((watched) => ({ mutation: name, ...watch(watched) })));
const shown = new Shown();
const controls = [...new Map(pairs.map(({ args }) => [args.join(" "), args])).values()];
const broken = new Map();
await all(controls, jobs, async (args) => {
  const how = await shown.of(args);
  if (how !== null) broken.set(args.join(" "), `fails without any mutation: ${how}`);
});
for (const [args, how] of broken) console.error(`${args} ${how}`);
console.log(`${controls.length - broken.size} of ${controls.length} runs hold without any mutation`);

const results = await all(pairs, jobs, async ({ mutation, name, args, words }) => {
  const without = broken.get(args.join(" "));
  const how = without ?? (await shown.of(args, mutation));
  const caught = !without && how !== null && how.includes(words);
  console.log(`${caught ? "caught    " : "NOT CAUGHT"} ${mutation} by ${name}: ${how ?? "all holds"}`);
  return { mutation, watched: name, caught, how: how ?? "all holds" };
});
const caught = results.filter(({ caught }) => caught).length;
const unnoticed = mutations.filter((mutation) => mutation.unnoticed).length;
const summary = `${caught} caught, ${results.length - caught} not caught; ${unnoticed} of ${mutations.length} guards nobody watches yet`;
console.log(`\n${table(results)}\n\n${summary}`);
if (values.publish) {
  if (positionals.length) throw new Error("all of them, or nothing is published");
  replace(PAGE, BEGIN, END, `\n${table(results)}\n\n${summary}.\n`);
}
process.exit(caught === results.length ? 0 : 1);
