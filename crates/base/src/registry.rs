//! What the tables of backbones, heads, methods and protocols have in common: names,
//! documentation and parameters. The suite validator, `frbench list` and the documents
//! are derived from these entries.

use crate::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// Parameters of a registered thing, as a suite states them.
pub type Params = BTreeMap<String, Value>;

/// The type and range of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A number in `[min, max]`.
    Float {
        min: f64,
        max: f64,
    },
    /// An integer in `[min, max]`.
    Int {
        min: i64,
        max: i64,
    },
    Bool,
    /// One of the named values.
    Choice(&'static [&'static str]),
    /// A list of numbers.
    Floats,
    Text,
    /// A list of texts.
    Texts,
    /// A list of distillation losses, each a table of `name`, `weight` and its parameters.
    Losses,
}

impl Kind {
    /// Whether `value` is of this type and in this range.
    pub fn admits(&self, value: &Value) -> bool {
        match *self {
            Kind::Float { min, max } => value.as_f64().is_some_and(|v| (min..=max).contains(&v)),
            Kind::Int { min, max } => value
                .as_f64()
                .is_some_and(|v| v.fract() == 0.0 && (min as f64..=max as f64).contains(&v)),
            Kind::Bool => value.is_boolean(),
            Kind::Choice(names) => value.as_str().is_some_and(|v| names.contains(&v)),
            Kind::Floats => value
                .as_array()
                .is_some_and(|list| list.iter().all(Value::is_number)),
            Kind::Text => value.is_string(),
            Kind::Texts => value
                .as_array()
                .is_some_and(|list| list.iter().all(Value::is_string)),
            Kind::Losses => value.as_array().is_some_and(|list| {
                !list.is_empty() && list.iter().all(|l| l.get("name").is_some())
            }),
        }
    }
}

/// As an error says what it wants.
impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::Float { min, max } => write!(f, "a number from {min} to {max}"),
            Kind::Int { min, max } => write!(f, "a whole number from {min} to {max}"),
            Kind::Bool => f.write_str("true or false"),
            Kind::Choice(names) => {
                let quoted: Vec<String> = names.iter().map(|n| format!("\"{n}\"")).collect();
                write!(f, "one of {}", quoted.join(", "))
            }
            Kind::Floats => f.write_str("a list of numbers"),
            Kind::Text => f.write_str("a text"),
            Kind::Texts => f.write_str("a list of texts"),
            Kind::Losses => f.write_str("a list of distillation losses"),
        }
    }
}

/// One parameter: its name, range and meaning.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    pub name: &'static str,
    pub kind: Kind,
    /// Constants that differ between implementations have no default: the suite states them.
    pub required: bool,
    pub doc: &'static str,
}

/// What every registered thing says about itself.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// The name a suite uses.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Paper and equation, or the source file it follows.
    pub source: &'static str,
    pub params: &'static [Param],
}

/// Where the source of a line of a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its module, within that of the table.
    pub module: &'static str,
    /// Other entries that it is built of, as `TABLE/MODULE`: `distill/fcd`. A change of theirs is
    /// one of its own.
    pub built_on: &'static [&'static str],
}

/// A table of what can be named, and the origin of each line. A line is `module::ENTRY`, where
/// the module is that of the file; `built_on` names other entries that it is built of:
///
/// ```text
/// entries! {
///     /// Every head a suite may name.
///     pub static HEADS: HeadEntry, ORIGINS = [
///         arcface::ENTRY,
///         other::ENTRY built_on ["head/arcface"],
///     ]
/// }
/// ```
///
/// A source does not compute what its table names, so that a new line changes no key.
#[macro_export]
macro_rules! entries {
    (
        $(#[$doc:meta])*
        pub static $table:ident: $type:ty, $origins:ident = [
            $($module:ident::$entry:ident $(built_on [$($on:literal),+])?),+ $(,)?
        ]
    ) => {
        $(#[$doc])*
        pub static $table: &[$type] = &[$($module::$entry),+];
        /// Where each of them comes from, in the same order.
        pub static $origins: &[$crate::registry::Origin] = &[$(
            $crate::registry::Origin {
                module: stringify!($module),
                built_on: &[$($($on),+)?],
            }
        ),+];
    };
}

/// How it is shown that an entry computes what its source says. The tests hold each entry to
/// its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Golden cases in `tests/parity` of the operation `family/name`, from code other than ours:
    /// the authors', where they published it.
    Golden,
    /// The same, where the cases know the entry by this name.
    GoldenAs(&'static str),
    /// A second computation in the tests: of the formula, or of an architecture's published
    /// size.
    Recomputed,
    /// A backbone like this one, which has a proof of its own, with other numbers of blocks.
    DepthOf(&'static str),
}

/// A typed view on parameters for constructors. Validation with source positions happens in
/// the suite; these errors are for callers without a suite (parity cases, library users).
pub struct Args<'a> {
    pub of: &'a str,
    pub params: &'a Params,
}

impl<'a> Args<'a> {
    pub fn new(of: &'a str, params: &'a Params) -> Self {
        Args { of, params }
    }

    fn wrong(&self, name: &str, want: &str) -> Error {
        match self.params.get(name) {
            None => Error::Usage(format!(
                "`{}`: parameter `{name}` ({want}) is missing",
                self.of
            )),
            Some(v) => Error::Usage(format!(
                "`{}`: parameter `{name}` is {v}, want {want}",
                self.of
            )),
        }
    }

    pub fn f64(&self, name: &str) -> Result<f64> {
        self.params
            .get(name)
            .and_then(Value::as_f64)
            .ok_or_else(|| self.wrong(name, "a number"))
    }

    pub fn usize(&self, name: &str) -> Result<usize> {
        self.params
            .get(name)
            .and_then(|v| {
                v.as_u64().or_else(|| {
                    v.as_f64()
                        .filter(|f| *f >= 0.0 && f.fract() == 0.0)
                        .map(|f| f as u64)
                })
            })
            .map(|v| v as usize)
            .ok_or_else(|| self.wrong(name, "a whole number"))
    }

    pub fn bool(&self, name: &str) -> Result<bool> {
        self.params
            .get(name)
            .and_then(Value::as_bool)
            .ok_or_else(|| self.wrong(name, "true or false"))
    }

    pub fn text(&self, name: &str) -> Result<&'a str> {
        self.params
            .get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| self.wrong(name, "a text"))
    }

    /// A list of numbers.
    pub fn floats(&self, name: &str) -> Result<Vec<f64>> {
        let list = self.params.get(name).and_then(Value::as_array);
        list.and_then(|list| list.iter().map(Value::as_f64).collect())
            .ok_or_else(|| self.wrong(name, "a list of numbers"))
    }

    pub fn texts_or(&self, name: &str, default: &[&str]) -> Result<Vec<String>> {
        let Some(value) = self.params.get(name) else {
            return Ok(default.iter().map(|&t| t.to_owned()).collect());
        };
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let list = value.as_array().map(|l| l.iter().map(text).collect());
        list.flatten()
            .ok_or_else(|| self.wrong(name, "a list of texts"))
    }

    pub fn f64_or(&self, name: &str, default: f64) -> Result<f64> {
        if self.params.contains_key(name) {
            self.f64(name)
        } else {
            Ok(default)
        }
    }

    pub fn usize_or(&self, name: &str, default: usize) -> Result<usize> {
        if self.params.contains_key(name) {
            self.usize(name)
        } else {
            Ok(default)
        }
    }

    pub fn bool_or(&self, name: &str, default: bool) -> Result<bool> {
        if self.params.contains_key(name) {
            self.bool(name)
        } else {
            Ok(default)
        }
    }

    pub fn text_or(&self, name: &str, default: &'a str) -> Result<&'a str> {
        if self.params.contains_key(name) {
            self.text(name)
        } else {
            Ok(default)
        }
    }
}

/// Checks parameters against what `info` declares: no unknown name, nothing required missing,
/// every value of its type and in its range. For callers without a suite; the suite validator
/// makes the same checks with source positions.
pub fn check(info: &Info, params: &Params) -> Result<()> {
    for name in params.keys() {
        if !info.params.iter().any(|p| p.name == name) {
            let what = format!("parameter of `{}`", info.name);
            return Err(unknown(&what, name, info.params.iter().map(|p| p.name)));
        }
    }
    for param in info.params {
        match params.get(param.name) {
            None if param.required => {
                return Err(Error::Usage(format!(
                    "`{}`: parameter `{}` ({}) is missing",
                    info.name, param.name, param.doc
                )));
            }
            Some(value) if !param.kind.admits(value) => {
                return Err(Error::Usage(format!(
                    "`{}`: parameter `{}` is {value}, want {}",
                    info.name, param.name, param.kind
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The line of a table that is called `name`; `what` says what lines are.
///
/// # Errors
/// [`Error::Usage`] for an unknown name, with the one that is closest.
pub fn named<'a, T>(
    table: &'a [T],
    of: impl Fn(&T) -> &'static str,
    what: &str,
    name: &str,
) -> Result<&'a T> {
    let found = table.iter().find(|line| of(line) == name);
    found.ok_or_else(|| unknown(what, name, table.iter().map(of)))
}

/// The error for a name that is not in a table, with the closest one that is.
pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    let hint = did_you_mean(name, known).map(|k| format!("; did you mean `{k}`?"));
    Error::Usage(format!(
        "unknown {what} `{name}`{}",
        hint.unwrap_or_default()
    ))
}

/// The known name closest to `name`, if any is close enough to be a typing error.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(name, k), k))
        .filter(|(d, k)| *d <= 1 + k.len().max(name.len()) / 4)
        .min()
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_close_names_only() {
        let known = ["arcface", "cosface", "softmax"];
        assert_eq!(super::did_you_mean("arcfce", known), Some("arcface"));
        assert_eq!(super::did_you_mean("triplet", known), None);
    }

    #[test]
    fn parameters_are_checked_by_name_type_and_range() {
        let info = Info {
            name: "thing",
            summary: "",
            source: "",
            params: &[
                Param {
                    name: "scale",
                    kind: Kind::Float { min: 1.0, max: 9.0 },
                    required: true,
                    doc: "logit scale",
                },
                Param {
                    name: "form",
                    kind: Kind::Choice(&["a", "b"]),
                    required: false,
                    doc: "",
                },
                Param {
                    name: "k",
                    kind: Kind::Int { min: 1, max: 5 },
                    required: false,
                    doc: "",
                },
            ],
        };
        let verdict = |json: serde_json::Value| {
            let params: Params = serde_json::from_value(json).unwrap();
            check(&info, &params).map_err(|e| e.to_string())
        };
        use serde_json::json;
        assert_eq!(verdict(json!({"scale": 1, "form": "b", "k": 5.0})), Ok(()));
        for (bad, says) in [
            (json!({}), "`scale` (logit scale) is missing"),
            (json!({"scael": 2}), "did you mean `scale`?"),
            (json!({"scale": 0.5}), "is 0.5, want a number from 1 to 9"),
            (json!({"scale": 2, "form": "c"}), "want one of \"a\", \"b\""),
            (json!({"scale": 2, "k": 1.5}), "a whole number from 1 to 5"),
        ] {
            let message = verdict(bad).unwrap_err();
            assert!(message.contains(says), "{message}");
        }
    }
}
