//! The dependency graph keeps to `deny.toml`, crates import only leftwards, and every direct dependency has a reason.

use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// The crates of the workspace from left to right: each may use only those before it (and itself, in tests).
const ORDER: [&str; 9] = [
    "rota-types",
    "rota-execution",
    "rota-batch",
    "rota-l1",
    "rota-consensus",
    "rota-node",
    "rota-sim",
    "rota",
    "rota-fuzz",
];

#[derive(Deserialize)]
struct Deny {
    graph: Graph,
    licenses: Licenses,
    sources: Sources,
    bans: Bans,
}

#[derive(Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
    allow_git: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    wrappers: Option<BTreeSet<String>>,
    #[serde(default)]
    deny_multiple_versions: bool,
}

struct Package {
    name: String,
    version: String,
    license: String,
    source: Option<String>,
    direct: BTreeSet<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn deny() -> Deny {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml is committed");
    toml::from_str(&text).expect("deny.toml has the lists that this test reads")
}

/// Everything that the locked graph resolves to.
fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform"])
        .arg(&deny().graph.targets[0])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = metadata["packages"].as_array().expect("packages");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let names: BTreeMap<_, _> = list.iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a resolved graph");
    let direct: BTreeMap<_, _> = nodes
        .iter()
        .map(|node| {
            let used = node["deps"].as_array().expect("dependencies").iter();
            (text(&node["id"]), used.map(|d| names[&text(&d["pkg"])].clone()).collect::<BTreeSet<_>>())
        })
        .collect();
    list.iter()
        .map(|package| Package {
            name: text(&package["name"]),
            version: text(&package["version"]),
            license: text(&package["license"]),
            source: package["source"].as_str().map(str::to_owned),
            direct: direct[&text(&package["id"])].clone(),
        })
        .collect()
}

fn workspace(packages: &[Package]) -> impl Iterator<Item = &Package> {
    packages.iter().filter(|package| package.source.is_none())
}

/// Whether an SPDX expression can be satisfied with the allowed licences. `/` is the old spelling of `OR`.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ").replace(" WITH ", "_WITH_");
    let tokens: Vec<_> = spaced.split_whitespace().collect();
    let mut at = 0;
    let value = either(&tokens, &mut at, allowed);
    value && at == tokens.len()
}

fn either(tokens: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut value = both(tokens, at, allowed);
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        value |= both(tokens, at, allowed);
    }
    value
}

fn both(tokens: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut value = one(tokens, at, allowed);
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        value &= one(tokens, at, allowed);
    }
    value
}

fn one(tokens: &[&str], at: &mut usize, allowed: &dyn Fn(&str) -> bool) -> bool {
    let token = tokens.get(*at).copied().unwrap_or_default();
    *at += 1;
    if token != "(" {
        return allowed(&token.replace("_WITH_", " WITH "));
    }
    let value = either(tokens, at, allowed);
    let closed = tokens.get(*at) == Some(&")");
    *at += 1;
    value && closed
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = |licence: &str| ["MIT", "Apache-2.0 WITH LLVM-exception"].contains(&licence);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND Apache-2.0 WITH LLVM-exception", true),
        ("MIT AND (GPL-3.0 OR Apache-2.0)", false),
        ("(MIT", false),
        ("", false),
    ] {
        assert_eq!(satisfied(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn licences_are_allowed() {
    let licenses = deny().licenses;
    let mut unused: BTreeSet<_> = licenses.exceptions.iter().map(|exception| exception.name.as_str()).collect();
    let refused: Vec<_> = packages()
        .iter()
        .filter(|package| !satisfied(&package.license, &|licence| licenses.allow.contains(licence)))
        .filter(|package| {
            let exception = licenses.exceptions.iter().find(|exception| exception.name == package.name);
            unused.remove(package.name.as_str());
            !exception
                .is_some_and(|e| satisfied(&package.license, &|l| licenses.allow.contains(l) || e.allow.contains(l)))
        })
        .map(|package| format!("{} {}: {}", package.name, package.version, package.license))
        .collect();
    assert!(refused.is_empty(), "not allowed by deny.toml: {refused:#?}");
    assert!(unused.is_empty(), "exceptions that nothing needs: {unused:?}");
}

#[test]
fn everything_comes_from_the_registry() {
    let sources = deny().sources;
    assert!(sources.allow_git.is_empty(), "no git dependencies");
    let allowed: BTreeSet<_> = sources.allow_registry.iter().map(|url| format!("registry+{url}")).collect();
    for package in packages() {
        let Some(source) = package.source else { continue };
        assert!(allowed.contains(&source), "{} {} comes from {source}", package.name, package.version);
    }
}

#[test]
fn banned_crates_and_split_types_stay_out() {
    let packages = packages();
    for ban in deny().bans.deny {
        let versions: Vec<_> = packages.iter().filter(|p| p.name == ban.name).map(|p| p.version.as_str()).collect();
        if ban.deny_multiple_versions {
            assert!(versions.len() <= 1, "{} in several versions: {versions:?}", ban.name);
            continue;
        }
        let users: Vec<_> = packages
            .iter()
            .filter(|package| !versions.is_empty() && package.direct.contains(&ban.name))
            .filter(|package| !ban.wrappers.as_ref().is_some_and(|wrappers| wrappers.contains(&package.name)))
            .map(|package| package.name.as_str())
            .collect();
        assert!(users.is_empty(), "{} is used by {users:?}", ban.name);
        assert!(ban.wrappers.is_some() || versions.is_empty(), "{} is banned", ban.name);
    }
}

#[test]
fn crates_import_only_leftwards() {
    let packages = packages();
    let place = |name: &str| ORDER.iter().position(|crate_name| *crate_name == name);
    let mut seen = BTreeSet::new();
    for package in workspace(&packages) {
        let own = place(&package.name).unwrap_or_else(|| panic!("{} has no place in the order", package.name));
        seen.insert(own);
        for used in package.direct.iter().filter_map(|name| place(name)) {
            assert!(used <= own, "{} is left of {} and must not use it", package.name, ORDER[used]);
        }
    }
    assert_eq!(seen.len(), ORDER.len(), "the order names crates that do not exist");
}

#[test]
fn every_direct_dependency_has_a_reason() {
    let packages = packages();
    let text = std::fs::read_to_string(root().join("docs/dependencies.md")).expect("docs/dependencies.md is committed");
    let mut reasons = BTreeMap::new();
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let names = cells[1].split(',').map(|name| name.trim().trim_matches('`').to_owned());
        names.for_each(|name| drop(reasons.insert(name, cells[2].to_owned())));
    }
    let direct: BTreeSet<_> = workspace(&packages)
        .flat_map(|package| package.direct.iter().cloned())
        .filter(|name| !ORDER.contains(&name.as_str()))
        .collect();
    let missing: Vec<_> = direct.iter().filter(|name| reasons.get(*name).is_none_or(String::is_empty)).collect();
    assert!(missing.is_empty(), "without a reason in docs/dependencies.md: {missing:?}");
    let stale: Vec<_> = reasons.keys().filter(|name| !direct.contains(*name)).collect();
    assert!(stale.is_empty(), "in docs/dependencies.md and not used: {stale:?}");
}
