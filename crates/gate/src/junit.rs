//! A night as JUnit XML: a testsuite for each suite, a testcase for each cell and claim.

use crate::findings::{CellFinding, ClaimFinding, Expected, Findings, percent};
use crate::places::Places;
use crate::verdict::Verdict;
use frbench_base::{Error, Result};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::time::Duration;

/// The document. Of a suite whose places are not known, nothing says where it stands.
///
/// # Errors
/// [`Error::Bug`] where it cannot be written.
pub fn junit(nights: &[Findings], places: &BTreeMap<&str, Places>) -> Result<String> {
    let mut report = Report::new("frbench nightly");
    for night in nights {
        let places = places.get(night.suite.as_str());
        let mut suite = TestSuite::new(format!("{} {}", night.suite, night.profile));
        suite.set_time(Duration::from_secs_f64(night.seconds.max(0.0)));
        for (name, value) in [
            ("commit", &night.commit),
            ("code", &night.code),
            ("baseline", &night.baseline),
            ("environment", &night.environment),
        ] {
            suite.add_property(Property::new(name, value.as_str()));
        }
        for problem in &night.problems {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status
                .set_type("failed")
                .set_message(problem.reason.as_str());
            let mut case = TestCase::new(problem.what.as_str(), status);
            case.set_classname(night.suite.as_str());
            suite.add_test_case(case);
        }
        for bits in &night.bits {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status
                .set_type("bits")
                .set_message("the same code and kernels gave other bits");
            let mut case = TestCase::new(bits.to_string(), status);
            case.set_classname(night.suite.as_str());
            suite.add_test_case(case);
        }
        suite.add_test_cases(night.cells.iter().map(|c| cell(night, c, places)));
        suite.add_test_cases(night.claims.iter().map(|c| claim(night, c, places)));
        report.add_test_suite(suite);
    }
    let text = report.to_string();
    text.map_err(|e| Error::Bug(format!("JUnit: {e}")))
}

fn status(verdict: Verdict, reason: &str) -> TestCaseStatus {
    match verdict {
        Verdict::Pass | Verdict::Improved => TestCaseStatus::success(),
        Verdict::Undecided | Verdict::Missing => {
            let mut status = TestCaseStatus::skipped();
            status.set_type(verdict.name()).set_message(reason);
            status
        }
        Verdict::Regressed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(verdict.name()).set_message(reason);
            status
        }
        Verdict::Incomparable | Verdict::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type(verdict.name()).set_message(reason);
            status
        }
    }
}

fn properties(case: &mut TestCase, pairs: Vec<(&str, Option<String>)>) {
    for (name, value) in pairs {
        if let Some(value) = value {
            case.add_property(Property::new(name, value));
        }
    }
}

fn cell(night: &Findings, c: &CellFinding, places: Option<&Places>) -> TestCase {
    let mut case = TestCase::new(c.cell.to_string(), status(c.verdict, &c.reason));
    case.set_classname(format!("{}.{}", night.suite, c.cell.row));
    let values: Vec<String> = c.values.iter().map(|(s, v)| format!("{s}: {v}")).collect();
    let spread = |e: Expected| format!("{e} over {} seeds", e.n);
    properties(
        &mut case,
        vec![
            ("verdict", Some(c.verdict.name().to_string())),
            ("reason", Some(c.reason.clone())),
            ("gate", c.gate.clone()),
            ("place", places.map(|p| p.cell(c).to_string())),
            ("values", Some(values.join(", "))),
            ("mean", c.mean.map(percent)),
            ("baseline", c.expected.map(spread)),
            ("change 95 %", c.interval.map(points)),
            ("p", c.p.map(|p| format!("{p:.2e}"))),
            (
                "p of further seeds",
                c.p_further.map(|p| format!("{p:.2e}")),
            ),
        ],
    );
    case
}

fn claim(night: &Findings, c: &ClaimFinding, places: Option<&Places>) -> TestCase {
    let name = format!("claim {} on {}", c.id, c.cell.column);
    let mut case = TestCase::new(name, status(c.verdict, &c.reason));
    case.set_classname(format!("{}.claims", night.suite));
    properties(
        &mut case,
        vec![
            ("verdict", Some(c.verdict.name().to_string())),
            ("text", Some(c.text.clone())),
            ("place", places.map(|p| p.claim(c).to_string())),
            ("baseline", Some(c.was.clone())),
            ("now", Some(c.is.clone())),
            ("difference 95 %", c.interval.map(points)),
        ],
    );
    case
}

/// An interval of a change: `-2.31 to +0.40 points`.
pub(crate) fn points((low, high): (f64, f64)) -> String {
    format!("{:+.2} to {:+.2} points", 100.0 * low, 100.0 * high)
}
