//! The data's way is one way: a module of the core uses only modules declared above it in lib.rs.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

fn core() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rust/core")
}

/// The modules of lib.rs in the order of their declaration.
fn modules() -> Vec<String> {
    let lib = fs::read_to_string(core().join("lib.rs")).unwrap();
    lib.lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

fn files_of(module: &str) -> Vec<PathBuf> {
    let file = core().join(format!("{module}.rs"));
    if file.exists() {
        return vec![file];
    }
    fs::read_dir(core().join(module))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[test]
fn modules_use_only_those_above_them() {
    let modules = modules();
    let (mut files, mut uses) = (0, 0);
    for (place, module) in modules.iter().enumerate() {
        for file in files_of(module) {
            let text = fs::read_to_string(&file).unwrap();
            files += 1;
            for part in text.split("crate::").skip(1) {
                let name: String = part
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let Some(used) = modules.iter().position(|m| *m == name) else {
                    panic!(
                        "{}: `crate::{name}` names no module of lib.rs",
                        file.display()
                    );
                };
                assert!(
                    used <= place,
                    "{} uses `{name}`, which stands below it",
                    file.display()
                );
                uses += 1;
            }
        }
    }
    assert_eq!(modules.len(), 24);
    assert!(
        files > 25 && uses > 60,
        "looked at {files} files and {uses} uses"
    );
}

#[test]
fn every_file_has_a_head_and_one_idea() {
    let mut files = 0;
    for module in modules() {
        for file in files_of(&module) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("//! "), "{} has no head", file.display());
            let lines = text.lines().count();
            assert!(lines <= 420, "{} has {lines} lines", file.display());
            files += 1;
        }
    }
    assert!(files > 25);
}
