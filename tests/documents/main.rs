//! Measured numbers of README.md and METHODOLOGY.md stand in blocks that are rendered from committed
//! files, and nowhere else.
//!
//! A block lies between `<!-- measured: NAME` (its files and keys follow, up to `-->`) and
//! `<!-- /measured -->`. Its text comes from `blocks.rs`; `FRBENCH_DOCUMENTS=write cargo test --test
//! documents` writes it anew. What a file of docs/measurements needs to be made again stands in its
//! first lines.
#![allow(clippy::unwrap_used, reason = "tests fail where they panic")]

mod blocks;
mod constants;
mod prose;
mod sources;

use sources::Sources;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 2] = ["README.md", "METHODOLOGY.md"];
const OPENING: &str = "<!-- measured: ";
const CLOSING: &str = "<!-- /measured -->";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The blocks of a text: their names, and where they begin and end.
fn blocks_in(text: &str) -> Vec<(String, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find(OPENING).map(|i| from + i) {
        let name = text[start + OPENING.len()..].split_whitespace().next();
        let end = text[start..].find(CLOSING).expect("a block has an end");
        from = start + end + CLOSING.len();
        found.push((name.expect("a block has a name").to_string(), start..from));
    }
    found
}

/// A block as it stands in a document: its keys, and its text between blank lines, which tables
/// need.
fn rendered(name: &str) -> String {
    let block = blocks::BLOCKS.iter().find(|(known, _)| *known == name);
    let (_, render) = block.unwrap_or_else(|| panic!("`{name}` is no block of blocks.rs"));
    let mut sources = Sources::default();
    let text = render(&mut sources);
    let keys = sources.used();
    format!("{OPENING}{name}\n{keys}-->\n\n{}\n\n{CLOSING}", text.trim())
}

#[test]
fn measured_blocks_are_those_of_their_files() {
    let write = std::env::var("FRBENCH_DOCUMENTS").is_ok_and(|v| v == "write");
    let mut stand = BTreeSet::new();
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let (mut out, mut from) = (String::new(), 0);
        for (name, at) in blocks_in(&text) {
            let want = rendered(&name);
            if text[at.clone()] != want {
                wrong.push(format!(
                    "{document}, {name}: it says\n{}\nits files say\n{want}",
                    &text[at.clone()]
                ));
            }
            out += &text[from..at.start];
            out += &want;
            from = at.end;
            stand.insert(name);
        }
        out += &text[from..];
        if write {
            // At once: other tests read it, too.
            let new = path(&format!("{document}.new"));
            fs::write(&new, out).unwrap();
            fs::rename(new, path(document)).unwrap();
        }
    }
    let all: BTreeSet<String> = blocks::BLOCKS.iter().map(|b| b.0.to_string()).collect();
    assert_eq!(stand, all, "blocks that stand in documents, and all blocks");
    let hint = "FRBENCH_DOCUMENTS=write cargo test --test documents";
    assert!(
        write || wrong.is_empty(),
        "{}\n`{hint}` writes them",
        wrong.join("\n\n")
    );
}

#[test]
fn files_of_measurements_say_how_they_are_made_and_are_used() {
    let mut sources = Sources::default();
    for (_, render) in blocks::BLOCKS {
        render(&mut sources);
    }
    let used = sources.files();
    for entry in fs::read_dir(path(sources::MEASUREMENTS)).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = format!("{}/{file}", sources::MEASUREMENTS);
        assert!(used.contains(name.as_str()), "no block has {name}");
        assert!(read(&name).starts_with("# command: "), "{name}: how?");
    }
}

/// What is left of a document that may hold no measured number.
fn outside(text: &str) -> String {
    let (mut out, mut from) = (String::new(), 0);
    for (_, at) in blocks_in(text) {
        out += &text[from..at.start];
        from = at.end;
    }
    out + &text[from..]
}

#[test]
fn no_measured_number_stands_outside_of_blocks() {
    let mut wrong = Vec::new();
    for document in DOCUMENTS {
        let text = prose::only(&outside(&read(document)));
        let mut allowed = Vec::new();
        for constants in constants::CONSTANTS {
            if constants.document == document {
                allowed.extend(constants.phrases);
                let gone = constants.phrases.iter().filter(|p| !text.contains(*p));
                let reason = constants.reason;
                wrong.extend(gone.map(|p| format!("{document} has no `{p}` any more ({reason})")));
            }
        }
        for number in prose::numbers(&text, &allowed) {
            wrong.push(format!("{document}: {number}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "numbers that look measured: put them into a block (blocks.rs), or say in constants.rs why \
         they are none\n{}",
        wrong.join("\n")
    );
}
