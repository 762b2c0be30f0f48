//! The sets of constants that a suite names instead of stating them.

use crate::tiny::*;
use serde_json::json;

/// The head of a row of `tiny` after a change.
fn head(from: &str, to: &str, row: &str) -> serde_json::Value {
    let suite = changed(from, to);
    let row = suite.rows.into_iter().find(|r| r.id == row).unwrap();
    serde_json::to_value(&row.trained().unwrap().head.as_ref().unwrap().params).unwrap()
}

#[test]
fn a_preset_stands_for_its_constants() {
    let stated = "{ name = \"arcface\", s = 64.0, m = 0.5 }";
    // Whatever constants are called, equal ones are one job.
    for same in [
        "{ name = \"arcface\", preset = \"paper\" }",
        "{ name = \"arcface\", preset = \"boundaryface\", s = 64.0 }",
        "{ name = \"arcface\", s = 64.0, preset = \"boundaryface\" }",
    ] {
        assert_eq!(
            keys(&full(&changed(stated, same))),
            keys(&full(&tiny())),
            "{same}"
        );
    }
    let other = changed(stated, "{ name = \"arcface\", preset = \"boundaryface\" }");
    assert!(!new_jobs(&full(&tiny()), &full(&other)).is_empty());

    let overridden = |head: &str| {
        format!("[profile.demo.override.student]\n{head}\n\n[profile.demo.network.large]")
    };
    let over = |base: &str, over: &str| {
        let text = TINY.replace(stated, base);
        let text = text.replacen("[profile.demo.network.large]", &overridden(over), 1);
        let row = resolved(&text, "demo").rows.remove(1);
        serde_json::to_value(&row.trained().unwrap().head.as_ref().unwrap().params).unwrap()
    };
    // A preset replaces all that was stated before; a constant replaces itself.
    let easy = "{ name = \"arcface\", preset = \"sv-x-softmax\" }";
    assert_eq!(
        over(easy, "head = { preset = \"paper\" }"),
        json!({"s": 64, "m": 0.5})
    );
    assert_eq!(
        over(stated, "head = { preset = \"sv-x-softmax\", m = 0.4 }"),
        json!({"s": 32, "m": 0.4, "easy_margin": true})
    );
    assert_eq!(
        over(easy, "head = { m = 0.3 }"),
        json!({"s": 32, "m": 0.3, "easy_margin": true})
    );
    assert_eq!(
        head(
            stated,
            "{ name = \"adaface\", preset = \"recipe\", h = 0.2 }",
            "teacher"
        ),
        json!({"s": 64, "m": 0.4, "h": 0.2, "t_alpha": 0.01})
    );
}
