//! What the documents name exists: files, functions in them, and linked pages.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn architecture_names_files_and_functions_that_exist() {
    let text = read("ARCHITECTURE.md");
    let named: Vec<_> = text.split('`').skip(1).step_by(2).filter(|code| code.contains(".rs")).collect();
    assert!(named.len() > 20, "the page shows the way: {named:?}");
    for code in named {
        let (file, function) = code.split_once("::").map_or((code, None), |(file, function)| (file, Some(function)));
        let source = read(file);
        if let Some(function) = function {
            assert!(source.contains(&format!("fn {function}")), "{file} has no function {function}");
        }
    }
}

#[test]
fn architecture_is_one_page_and_the_readme_is_short() {
    assert!(read("README.md").lines().count() <= 120);
    assert!(read("ARCHITECTURE.md").lines().count() <= 120);
}

#[test]
fn links_lead_somewhere() {
    for page in ["README.md", "ARCHITECTURE.md", "docs/adr/README.md"] {
        let here = root().join(page);
        let text = read(page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let local = !target.starts_with("http");
            assert!(!local || here.with_file_name(target).exists(), "{page} links to {target}");
        }
    }
}
