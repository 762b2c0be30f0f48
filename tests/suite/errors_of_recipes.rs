//! What is wrong with recipes is said where it stands: in their file, or in the suite.

use crate::recipes::{recipes, source, suite};
use frbench::embedded;
use frbench::suite::{parse, validate};

/// The message for one thing changed in the suite or in its file of recipes.
fn message(from: &str, to: &str) -> String {
    let (mut suite, mut recipes) = (suite(), recipes());
    let file = match suite.contains(from) {
        true => &mut suite,
        false => &mut recipes,
    };
    assert!(file.contains(from), "`{from}` is in neither file");
    *file = file.replacen(from, to, 1);
    let files = [
        ("recipes.toml", recipes.as_str()),
        (
            "<frbench>/suites/recipes.toml",
            "schema = 1\n[recipe.smoke]\n",
        ),
    ];
    let known = embedded::catalogue(None).unwrap();
    let error = parse(source(&suite, &files))
        .and_then(|suite| validate(&suite, &known))
        .expect_err("the suite was accepted");
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

/// The file that the message is to point into; what goes wrong, the text, and what stands there
/// instead.
const CASES: &[(&str, &str, &str, &str)] = &[
    (
        "house",
        "unknown recipe",
        "base = \"house\"",
        "base = \"huose\"",
    ),
    (
        "house",
        "recipe without a likely meaning",
        "base = \"house\"",
        "base = \"zzz\"",
    ),
    (
        "house",
        "base that is no text",
        "base = \"house\"",
        "base = [\"house\"]",
    ),
    (
        "house",
        "recipe in a suite",
        "[profile.demo]",
        "[recipe.house]\n[profile.demo]",
    ),
    (
        "house",
        "undefined network",
        "network = \"large\"",
        "network = \"lagre\"",
    ),
    (
        "house",
        "undefined protocol",
        "protocol = \"ten-fold\"",
        "protocol = \"tenfold\"",
    ),
    (
        "house",
        "part of a table, which replaces all of it",
        "[profile.quick]",
        "[profile.demo.training.short]\nlr = 0.2\n\n[profile.quick]",
    ),
    (
        "house",
        "network of the suite's own that the input cannot have",
        "[profile.quick]",
        "[profile.demo.network.small]\nbackbone = { name = \"mobilefacenet\", width = 0.25 }\nembedding = 32\ninput = { size = 33, color = \"rgb\", mean = 0.5, std = 0.5 }\n\n[profile.quick]",
    ),
    (
        "house",
        "setting that neither states",
        "train-data = \"synth-train-40x6-v1\"\n",
        "",
    ),
    ("house", "no base, no tables", "base = \"house\"\n", ""),
    (
        "recipes",
        "not TOML",
        "schema = 1\n\n[protocol",
        "schema = = 1\n\n[protocol",
    ),
    (
        "recipes",
        "no schema",
        "schema = 1\n\n[protocol",
        "[protocol",
    ),
    (
        "recipes",
        "schema of another time",
        "schema = 1\n\n[protocol",
        "schema = 9\n\n[protocol",
    ),
    (
        "recipes",
        "recipe with a base",
        "[recipe.unused]",
        "[recipe.unused]\nbase = \"house\"",
    ),
    (
        "recipes",
        "recipe that extends another",
        "[recipe.unused]",
        "[recipe.unused]\nextends = \"house\"",
    ),
    (
        "recipes",
        "setting that is the suite's alone",
        "[recipe.unused]",
        "[recipe.unused]\nentries = [\"fcd\"]",
    ),
    (
        "recipes",
        "unknown key",
        "weight-decay = 5e-4",
        "weight_decay = 5e-4",
    ),
    (
        "recipes",
        "unknown table",
        "[recipe.unused]",
        "[recipes.unused]",
    ),
    ("recipes", "wrong type", "batch = 16", "batch = \"16\""),
    (
        "recipes",
        "number out of range",
        "mean = 0.5",
        "mean = 127.5",
    ),
    (
        "recipes",
        "control character",
        "name = \"iresnet18\"",
        "name = \"iresnet\\u001b18\"",
    ),
    (
        "recipes",
        "unknown backbone",
        "name = \"iresnet18\"",
        "name = \"iresnet81\"",
    ),
    (
        "recipes",
        "input that the backbone cannot have",
        "size = 32",
        "size = 33",
    ),
    (
        "recipes",
        "steps and epochs",
        "steps = 20",
        "steps = 20\nepochs = 1",
    ),
    (
        "recipes",
        "milestone after the end",
        "milestones = [10, 15]",
        "milestones = [10, 25]",
    ),
    (
        "recipes",
        "batch larger than the suite's set",
        "epochs = 2\nbatch = 16",
        "epochs = 2\nbatch = 512",
    ),
    (
        "recipes",
        "unknown protocol",
        "kind = { name = \"verification\"",
        "kind = { name = \"verificatoin\"",
    ),
    (
        "recipes",
        "missing data set",
        "epochs = 2\nbatch = 16",
        "data = \"synth-trian-40x6-v1\"\nepochs = 2\nbatch = 16",
    ),
];

#[test]
fn messages() {
    let all = CASES
        .iter()
        .map(|(_, what, from, to)| format!("## {what}\n{}\n\n", message(from, to)));
    insta::assert_snapshot!(all.collect::<String>());
}

#[test]
fn every_message_points_into_the_file_that_is_wrong() {
    for (file, what, from, to) in CASES {
        let message = message(from, to);
        let mut parts = message.splitn(4, ':');
        assert_eq!(
            parts.next(),
            Some(&*format!("{file}.toml")),
            "{what}: {message}"
        );
        for number in [parts.next(), parts.next()] {
            let number = number.map(str::parse::<usize>);
            assert!(matches!(number, Some(Ok(_))), "{what}: {message}");
        }
    }
}

#[test]
fn nothing_that_can_be_typed_panics() {
    let known = embedded::catalogue(None).unwrap();
    let (suite, recipes) = (suite(), recipes());
    let read = |recipes: &str| {
        let source = source(&suite, &[("recipes.toml", recipes)]);
        let _ = parse(source).and_then(|s| validate(&s, &known));
    };
    for end in (0..recipes.len()).step_by(7) {
        read(&recipes[..end]);
    }
    let lines: Vec<&str> = recipes.lines().collect();
    for skip in 0..lines.len() {
        let kept = lines.iter().enumerate().filter(|(i, _)| *i != skip);
        read(&kept.map(|(_, l)| format!("{l}\n")).collect::<String>());
    }
}
