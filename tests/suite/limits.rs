//! What a suite may ask for, and that the largest is looked at in time.

use crate::tiny::TINY;
use frbench::embedded;
use frbench::suite::source::Source;
use frbench::suite::{parse, resolve};
use std::time::{Duration, Instant};

/// The message for a suite that asks for too much; it takes no time.
fn refused(text: String) -> String {
    let started = Instant::now();
    let known = embedded::catalogue(None).unwrap();
    let error = parse(Source::new("big.toml", text))
        .and_then(|suite| resolve(&suite, "demo", &known))
        .expect_err("the suite was accepted");
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(error.exit_code(), 2);
    error.to_string().lines().next().unwrap().to_string()
}

fn replaced(from: &str, to: &str) -> String {
    assert!(TINY.contains(from), "`{from}` is not in the suite");
    TINY.replacen(from, to, 1)
}

fn list(n: usize) -> String {
    let numbers: Vec<String> = (1..=n).map(|i| i.to_string()).collect();
    numbers.join(", ")
}

const MATRIX: &str = "matrix = { k = [5, 10, 20] }";

#[test]
fn a_matrix_is_counted_before_it_is_multiplied() {
    let values = list(20_000);
    let text = replaced(
        MATRIX,
        &format!("matrix = {{ k = [{values}], q = [{values}] }}"),
    );
    let said = refused(text);
    assert!(said.starts_with("big.toml:"), "{said}");
    let count = "`neighbours` has 20000 x 20000 = 400000000 combinations; at most 10000 can be run";
    assert!(said.contains(count), "{said}");
    let keys: Vec<String> = (0..10).map(|i| format!("k{i} = [{values}]")).collect();
    let said = refused(replaced(
        MATRIX,
        &format!("matrix = {{ {} }}", keys.join(", ")),
    ));
    assert!(said.contains("more than a number can say"), "{said}");
    let said = refused(replaced(
        MATRIX,
        &format!("matrix = {{ k = [{}] }}", list(10_001)),
    ));
    assert!(said.contains("has 10001 combinations"), "{said}");
}

#[test]
fn rows_times_seeds_times_columns_are_limited() {
    let said = refused(replaced(
        "seeds = [1, 2]",
        &format!("seeds = [{}]", list(100_000)),
    ));
    assert!(said.starts_with("big.toml:"), "{said}");
    assert!(
        said.contains("asks for") && said.contains("up to 100000 seeds"),
        "{said}"
    );
    assert!(said.contains("at most 50000"), "{said}");
}

#[test]
fn comparisons_of_two_matrices_are_limited() {
    // 400 rows against 400.
    let text = replaced(MATRIX, &matrix(20, 20));
    let said = refused(text.replacen(
        "better = \"coupleface\"\nthan = \"fcd\"",
        "better = \"neighbours\"\nthan = \"neighbours\"",
        1,
    ));
    assert!(
        said.contains("`relations-help`") && said.contains("more than 100000"),
        "{said}"
    );
}

/// A matrix of so many neighbours and margins.
fn matrix(neighbours: usize, margins: usize) -> String {
    let margins: Vec<String> = (0..margins)
        .map(|i| format!("{:.4}", i as f64 * 1e-4))
        .collect();
    format!(
        "matrix = {{ k = [{}], q = [{}] }}",
        list(neighbours),
        margins.join(", ")
    )
}

/// Each of these took minutes where a step of it was quadratic.
#[test]
fn large_suites_are_read_in_time() {
    let known = embedded::catalogue(None).unwrap();
    let claims: String = (0..20_000)
        .map(|i| {
            format!(
                "[[claim]]\nid = \"c{i}\"\ntext = \"x\"\nbetter = \"fcd\"\nthan = \"student\"\n\
                 on = \"synth-megaface\"\nmetric = \"rank-1\"\n"
            )
        })
        .collect();
    let sets: Vec<String> = (1..=5_000)
        .map(|i| {
            format!(
                "{{ data = \"synth-lfw-{}-v1\", protocol = \"ten-fold\" }}",
                20 * i
            )
        })
        .collect();
    let columns = replaced(
        r#"  { data = "synth-lfw-60-v1", protocol = "ten-fold" },"#,
        &format!("{},", sets.join(",")),
    );
    let rows = replaced(MATRIX, &matrix(39, 250));
    let columns = columns
        .replacen(MATRIX, "matrix = { k = [5] }", 1)
        .replacen("seeds = [1, 2]", "seeds = [1]", 1);
    for (what, text) in [
        ("claims", format!("{TINY}\n{claims}")),
        ("columns", columns),
        ("rows", rows),
    ] {
        let started = Instant::now();
        let suite = parse(Source::new("big.toml", text)).unwrap();
        resolve(&suite, "demo", &known).unwrap();
        let taken = started.elapsed();
        println!("{what}: {taken:?}");
        assert!(taken < Duration::from_secs(30), "{what}: {taken:?}");
    }
}
