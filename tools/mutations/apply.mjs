// Puts every mutation into the sources at once, each behind a switch: the environment variable ROTA_MUTANT names the one
// that is on.

/** Where the switch is: every crate can reach it. */
const SWITCH = "crates/rota-types/src/lib.rs";
const SWITCH_CODE = `
/// Whether this mutation is switched on.
pub fn mutant(name: &str) -> bool {
    static ON: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| std::env::var("ROTA_MUTANT").ok());
    ON.as_deref() == Some(name)
}
`;

/** The one place of a text in a file; an error that says what is wrong otherwise. */
function place(name, file, source, from) {
  const at = source.indexOf(from);
  const what = at < 0 ? "is missing" : source.indexOf(from, at + 1) < 0 ? null : "occurs more than once";
  if (what) throw new Error(`mutation ${name}: this ${what} in ${file}:\n${from}`);
  return at;
}

/**
 * The files that mutations change, as they are then: file -> source.
 * @param read file -> its source
 */
export function mutated(mutations, read) {
  const edits = new Map();
  for (const { name, edits: own } of mutations) {
    for (const [file, from, to] of own) {
      if (!edits.has(file)) edits.set(file, []);
      const on = `${file.startsWith("crates/rota-types/") ? "crate" : "rota_types"}::mutant("${name}")`;
      const at = place(name, file, read(file), from);
      edits.get(file).push({ name, at, end: at + from.length, to: to.replaceAll("MUTANT", on) });
    }
  }
  const files = new Map();
  for (const [file, own] of edits) {
    own.sort((a, b) => a.at - b.at);
    let [source, end, before] = ["", 0, read(file)];
    for (const edit of own) {
      if (edit.at < end) throw new Error(`mutation ${edit.name}: another changes the same place in ${file}`);
      source += before.slice(end, edit.at) + edit.to;
      end = edit.end;
    }
    files.set(file, source + before.slice(end));
  }
  files.set(SWITCH, (files.get(SWITCH) ?? read(SWITCH)) + SWITCH_CODE);
  return files;
}

/** What must be seen, as a command's arguments and the words that a failure must hold; `name` is for people. */
export function watch(watched) {
  if (typeof watched === "string") return { name: watched, args: ["--scenario", watched], words: "" };
  const { scenario, explore, invariant } = watched;
  const args = scenario ? ["--scenario", scenario] : ["--scenario", "explore", "--seed", `${explore}`];
  return { name: `${invariant}, in ${scenario ?? `explore ${explore}`}`, args, words: `invariant ${invariant} violated` };
}
