//! Directories, archives, globs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use chefgenius::error::Error;
use chefgenius::ingest::{Names, detect, expand, read};

use super::{Files, PACKED, error_of, gzip, outline, read_all};

const PAGE: &str = "# Page\n## Ingredients\n- a\n## Directions\nb\n";
const LINE: &str = "{\"title\": \"line\", \"ingredients\": [], \"steps\": []}\n";

/// Place and outcome of every record at `path`.
fn places(path: &Path) -> Vec<String> {
    let given = read_all(path).unwrap();
    let outcomes = outline(&given);
    let lines = given.iter().zip(outcomes);
    lines
        .map(|((place, _), (_, outcome))| format!("{place}: {outcome}"))
        .collect()
}

fn tree(files: &Files) -> PathBuf {
    let root = files.0.path().join("tree");
    for (name, text) in [
        ("soups/pho.md", PAGE.to_owned()),
        ("soups/.hidden.md", PAGE.to_owned()),
        (".git/x.md", PAGE.to_owned()),
        ("Z.jsonl", LINE.repeat(2)),
        ("a.json", format!("[{}]", LINE.trim())),
        ("LICENSE", "text".to_owned()),
        ("license.md", "text".to_owned()),
        ("b.txt", "text".to_owned()),
        ("c.md", String::new()),
        ("soups.md", "# no recipe".to_owned()),
    ] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(
        root.join("d.csv.gz"),
        gzip(b"title,ingredients,steps\nrow,a,b\n"),
    )
    .unwrap();
    root
}

const IN_TREE: [&str; 7] = [
    "Z.jsonl, line 1, byte 0: line",
    "Z.jsonl, line 2, byte 50: line",
    "a.json, line 1, byte 1: line",
    "c.md, line 1, byte 0: bad: it is empty: name a file with recipes in it",
    "d.csv.gz, line 2, byte 24: row",
    "soups.md, line 1, byte 0: bad: the page has no ingredients: put them below a heading `## Ingredients`",
    "soups/pho.md, line 1, byte 0: Page",
];

#[test]
fn a_directory_is_its_files_in_order_of_their_names() {
    let files = Files::new();
    let root = tree(&files);
    let source = detect(&root).unwrap();
    assert_eq!(
        source.to_string(),
        "6 files: JSON Lines, JSON, CSV, Markdown (5 skipped)"
    );
    let names: Vec<&Path> = source
        .files()
        .iter()
        .map(|path| path.strip_prefix(&root).unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "Z.jsonl",
            "a.json",
            "c.md",
            "d.csv.gz",
            "soups.md",
            "soups/pho.md"
        ]
        .map(Path::new)
    );
    assert_eq!(places(&root), IN_TREE);
    // A link to a file is the file, one to a directory above is not walked.
    symlink(root.join("soups/pho.md"), root.join("link.md")).unwrap();
    symlink(&root, root.join("soups/loop")).unwrap();
    assert_eq!(places(&root).len(), IN_TREE.len() + 1);
    // One to nothing is skipped, and so is a page about the collection; both are counted, as is the circle.
    symlink(root.join("nothing.md"), root.join("dangling.md")).unwrap();
    fs::write(root.join("soups/LICENSE.md"), "x").unwrap();
    assert_eq!(
        detect(&root).unwrap().to_string(),
        "7 files: JSON Lines, JSON, CSV, Markdown (8 skipped)"
    );
    let empty = files.0.path().join("empty");
    fs::create_dir(&empty).unwrap();
    fs::write(empty.join("a.txt"), "x").unwrap();
    let message = detect(&empty).unwrap_err().to_string();
    assert!(
        message.contains("no file of a known extension (1 others): supported are"),
        "{message}"
    );
}

#[test]
fn an_archive_is_its_files_in_order_of_the_archive() {
    let files = Files::new();
    let root = tree(&files);
    let mut archive = tar::Builder::new(Vec::new());
    for name in [
        "LICENSE",
        "soups/pho.md",
        ".git/x.md",
        "Z.jsonl",
        "c.md",
        "d.csv.gz",
        "b.txt",
    ] {
        archive
            .append_path_with_name(root.join(name), name)
            .unwrap();
    }
    let archive = archive.into_inner().unwrap();
    let wanted: Vec<&str> = [6, 0, 1, 3, 4]
        .iter()
        .map(|place| IN_TREE[*place])
        .collect();
    for (extension, compression, pack) in PACKED {
        let path = files.write(&format!("a.tar{extension}"), pack(&archive));
        assert_eq!(
            detect(&path).unwrap().to_string(),
            format!("Markdown in tar{compression}")
        );
        assert_eq!(places(&path), wanted);
    }
    assert_eq!(places(&files.write("packed", gzip(&archive))), wanted);
    assert_eq!(places(&files.write("a.tgz", gzip(&archive))), wanted);

    // Cut off inside its second file: what came before was given.
    let path = files.write("cut.tar", &archive[..1024 + 512 + 20]);
    let mut good = 0;
    let error = read(&detect(&path).unwrap(), &Names::default(), &mut |_, cut| {
        good += usize::from(cut.is_ok());
        Ok(())
    });
    assert!(
        matches!(error, Err(Error::Source { .. })),
        "{error:?}, {good}"
    );
    let message = error_of("b.tar", &archive[..1024]);
    assert!(message.contains("the archive"), "{message}");
}

#[test]
fn globs_are_their_matches() {
    let files = Files::new();
    let root = tree(&files);
    let expand_in = |patterns: &[&str]| {
        let patterns: Vec<PathBuf> = patterns.iter().map(|pattern| root.join(pattern)).collect();
        let paths = expand(&patterns)?;
        let name = |path: PathBuf| {
            path.strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        Ok::<Vec<String>, Error>(paths.into_iter().map(name).collect())
    };
    assert_eq!(
        expand_in(&["*.md"]).unwrap(),
        ["c.md", "license.md", "soups.md"]
    );
    assert_eq!(
        expand_in(&["**/p?o.md", "Z.jsonl"]).unwrap(),
        ["soups/pho.md", "Z.jsonl"]
    );
    assert_eq!(
        expand_in(&["[ab].*", "missing.json"]).unwrap(),
        ["a.json", "b.txt", "missing.json"]
    );
    let error = expand_in(&["*.parquet"]).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::NotFound {
                what: "pattern",
                ..
            }
        ),
        "{error}"
    );
    let error = expand_in(&["[a"]).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Argument {
                name: "sources",
                ..
            }
        ),
        "{error}"
    );
    fs::write(root.join("[a].json"), "[]").unwrap();
    assert_eq!(expand_in(&["[a].json"]).unwrap(), ["[a].json"]);
}
