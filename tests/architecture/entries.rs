//! The key of a job holds the sources of the entries that it names, and of those that they are
//! built on. So what is built on another entry, by its module or by its name, has to say so, and
//! what entries share is built on none.

use super::imports::imports;
use super::root;
use frbench::plan::sources::{Entries, Table, tables};
use std::collections::BTreeSet;
use std::fs;

/// A source, without its tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap()
}

/// What a source builds by name: the names, and whether it also builds what a job names.
fn built(path: &str, text: &str) -> (Vec<(&'static str, String)>, bool) {
    let own = ["methods/backbone", "methods/head", "methods/distill"];
    let own = own.into_iter().find(|folder| path.starts_with(folder));
    let of_own = own.iter().flat_map(|folder| {
        [
            ("super::build(", *folder),
            ("super::for_training(", *folder),
        ]
    });
    let calls = [
        ("backbone::build(", "methods/backbone"),
        ("head::build(", "methods/head"),
        ("distill::build(", "methods/distill"),
        ("distill::for_training(", "methods/distill"),
        ("distill::find(", "methods/distill"),
        ("method::find(", "methods/method"),
    ];
    let calls = calls.into_iter().chain(of_own);
    let (mut names, mut any) = (Vec::new(), false);
    for (call, folder) in calls {
        for rest in text.split(call).skip(1) {
            match rest.trim_start().strip_prefix('"') {
                Some(name) => names.push((folder, name.split('"').next().unwrap().to_string())),
                None => any = true,
            }
        }
    }
    (names, any)
}

/// What is wrong with a source, `path` as keys have it, a line each.
fn unlisted(tables: &[Table], entries: &Entries, path: &str, text: &str) -> Vec<String> {
    let (name, place) = path.split_once('/').unwrap();
    let file = format!("crates/{name}/src/{place}");
    let text = product(text);
    let own = entries.of(path);
    // The modules that its entries say they are built on.
    let mut listed = BTreeSet::new();
    for table in tables {
        for (_, origin) in &table.entries {
            if own == Some(format!("{}/{}", table.folder, origin.module).as_str()) {
                listed.extend(origin.built_on.iter().map(|on| format!("methods/{on}")));
            }
        }
    }
    let mut used: BTreeSet<(String, String)> = BTreeSet::new();
    for import in imports(&file, text) {
        let module = import.trim_start_matches("crates/").replacen("/src", "", 1);
        if let Some(entry) = entries.of(&module) {
            used.insert((entry.to_string(), "imports it".into()));
        }
    }
    let mut wrong = Vec::new();
    let (names, any) = built(path, text);
    for (folder, name) in names {
        let table = tables.iter().find(|t| t.folder == folder).unwrap();
        match table.entries.iter().find(|(known, _)| *known == name) {
            Some((_, origin)) => {
                let module = format!("{folder}/{}", origin.module);
                used.insert((module, format!("builds `{name}`")));
            }
            None => wrong.push(format!("{path} builds `{name}`, which is in no table")),
        }
    }
    if any && own.is_some() && !text.contains("Kind::Losses") {
        wrong.push(format!("{path} builds what its parameters do not name"));
    }
    let strange = used
        .into_iter()
        .filter(|(m, _)| own != Some(m) && !listed.contains(m));
    wrong.extend(strange.map(|(module, how)| match own {
        Some(_) => format!("{path} {how}, and {module} is not in its `built_on`"),
        None => format!("{path} {how}: {module} is an entry, and what is shared must not be"),
    }));
    wrong
}

/// The folders of tables.
fn sources() -> Vec<(String, String)> {
    let mut folders: Vec<String> = tables().iter().map(|t| t.folder.to_string()).collect();
    let mut out = Vec::new();
    while let Some(folder) = folders.pop() {
        let (name, place) = folder.split_once('/').unwrap();
        let place = root().join("crates").join(name).join("src").join(place);
        for entry in fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true => folders.push(format!("{folder}/{file}")),
                false => out.push((
                    format!("{folder}/{file}"),
                    fs::read_to_string(&path).unwrap(),
                )),
            }
        }
    }
    out
}

#[test]
fn an_entry_lists_what_it_is_built_on() {
    let (tables, entries) = (tables(), Entries::default());
    let mut wrong = Vec::new();
    let mut found = 0;
    for (path, text) in sources() {
        // The tables themselves.
        let text = text.split("entries! {").next().unwrap();
        found += usize::from(entries.of(&path).is_some());
        wrong.extend(unlisted(&tables, &entries, &path, text));
    }
    assert!(found > 40, "only {found} entries were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_not_listed_is_found() {
    let (tables, entries) = (tables(), Entries::default());
    for (path, text, says) in [
        (
            "methods/method/fcd.rs",
            "let sp = distill::build(\"sp\", &params)?;",
            "builds `sp`, and methods/distill/sp is not in its `built_on`",
        ),
        (
            "methods/method/coupleface.rs",
            "use crate::distill::crd::Memory;",
            "imports it, and methods/distill/crd is not in",
        ),
        (
            "methods/head/adaface.rs",
            "use super::arcface::margin;",
            "methods/head/arcface is not in its `built_on`",
        ),
        (
            "methods/head/margin.rs",
            "use super::arcface;",
            "methods/head/arcface is an entry, and what is shared must not be",
        ),
        (
            "methods/method/fcd.rs",
            "let other = distill::build(name, &params)?;",
            "builds what its parameters do not name",
        ),
    ] {
        let found = unlisted(&tables, &entries, path, text).join("\n");
        assert!(found.contains(says), "{path}: {found}");
    }
    let listed = "let fcd = distill::build(\"fcd\", &params)?;";
    assert!(unlisted(&tables, &entries, "methods/method/fcd.rs", listed).is_empty());
}
