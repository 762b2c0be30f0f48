//! Checks a suite's tree against the grammar: unknown keys, types, ranges, missing keys.

use super::grammar::{Field, RECIPES, SCHEMA, SUITE, Shape};
use super::source::{At, Source, Span};
use super::tree::{Node, Value};
use frbench_base::registry::did_you_mean;
use frbench_base::{Error, Result};

/// The first thing wrong with a suite, in document order within each table.
pub fn check(source: &Source, root: &Node) -> Result<()> {
    schema_first(source, root, "suite")?;
    printable(source, root)?;
    let recipes = root.table().iter().find(|(key, _)| key.value == "recipe");
    if let Some((key, _)) = recipes {
        let message = "a suite states no recipes; they belong in `recipes.toml`, from which its \
                       profiles take them by `base = \"NAME\"`";
        return Err(source.error(&key.span, message));
    }
    table(source, root, SUITE, "a suite", &root.span)
}

/// The first thing wrong with a file of recipes.
pub fn recipes(source: &Source, root: &Node) -> Result<()> {
    schema_first(source, root, "file of recipes")?;
    printable(source, root)?;
    for (name, recipe) in root.get("recipe").map_or(&[][..], Node::table) {
        let keys = recipe.table().iter();
        let mut takes = keys.filter(|(key, _)| matches!(key.as_str(), "base" | "extends"));
        if let Some((key, _)) = takes.next() {
            let message = format!(
                "recipe `{}` states `{}`; a recipe takes nothing from elsewhere, so state its \
                 tables in full",
                name.value, key.value
            );
            return Err(source.error(&key.span, message));
        }
    }
    table(source, root, RECIPES, "a file of recipes", &root.span)
}

/// Whether a terminal or a browser obeys the character instead of showing it: control characters,
/// and those that turn the direction of what follows.
fn obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Control characters in a text would be obeyed by what shows it.
fn printable(source: &Source, node: &Node) -> Result<()> {
    let refuse = |span: &Span, c: char| {
        Err(source.error(
            span,
            format_args!(
                "control character U+{:04X}; only line breaks and tabs are allowed",
                c as u32
            ),
        ))
    };
    match &node.value {
        Value::Table(pairs) => {
            pairs.iter().try_for_each(
                |(key, value)| match key.value.chars().find(|&c| obeyed(c)) {
                    Some(c) => refuse(&key.span, c),
                    None => printable(source, value),
                },
            )
        }
        Value::List(items) => items.iter().try_for_each(|n| printable(source, n)),
        _ => match node
            .as_text()
            .and_then(|t| t.chars().find(|&c| obeyed(c) && c != '\n' && c != '\t'))
        {
            Some(c) => refuse(&node.span, c),
            None => Ok(()),
        },
    }
}

/// A name that becomes part of the name of a report's folder: it must not lead out of it, and
/// every file system must take it.
pub fn folder_name(source: &Source, what: &str, name: &At<String>) -> Result<()> {
    plain_name(what, name).map_err(|why| source.error(&name.span, format_args!("{why}")))
}

/// The same for a name that stands in no file yet; the error says what it may hold.
pub fn plain_name(what: &str, name: &str) -> std::result::Result<(), String> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    let ends = name.starts_with(['.', ' ']) || name.ends_with(['.', ' ']);
    if !name.is_empty() && name.len() <= NAME_BYTES && name.chars().all(plain) && !ends {
        return Ok(());
    }
    Err(format!(
        "the {what} becomes part of the name of the report's folder: use letters, digits, `-`, \
         `_`, `.` and blanks, neither of the last two at an end, and at most {NAME_BYTES} bytes"
    ))
}

/// Suite and profile together stay below the 255 bytes that file systems allow for a name.
const NAME_BYTES: usize = 100;

/// A file of another format version is reported as such, not by its first unknown key.
fn schema_first(source: &Source, root: &Node, what: &str) -> Result<()> {
    match root.get("schema") {
        None => Err(source.error(
            &(0..0),
            format_args!("`schema` is missing; a {what} begins with `schema = {SCHEMA}`"),
        )),
        Some(n) if n.as_int() == Some(SCHEMA) => Ok(()),
        Some(n) => Err(source.error(
            &n.span,
            format_args!("this build of frbench reads `schema = {SCHEMA}`"),
        )),
    }
}

fn table(source: &Source, node: &Node, fields: &[Field], what: &str, at: &Span) -> Result<()> {
    let Value::Table(pairs) = &node.value else {
        return Err(wrong(source, node, what, "a table"));
    };
    for (key, value) in pairs {
        match fields.iter().find(|f| f.name == key.value) {
            Some(field) => shape(source, key, value, field.shape)?,
            None => return Err(unknown_key(source, key, fields, what)),
        }
    }
    match fields
        .iter()
        .find(|f| f.required && node.get(f.name).is_none())
    {
        Some(f) => Err(source.error(
            at,
            format_args!("`{}` is missing in {what}: {}", f.name, f.doc),
        )),
        None => Ok(()),
    }
}

fn unknown_key(source: &Source, key: &At<String>, fields: &[Field], what: &str) -> Error {
    let names = fields.iter().map(|f| f.name);
    let hint = match did_you_mean(key, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known keys: {}", names.collect::<Vec<_>>().join(", ")),
    };
    source.error(
        &key.span,
        format_args!("unknown key `{}` in {what}; {hint}", key.value),
    )
}

fn shape(source: &Source, key: &At<String>, node: &Node, shape: Shape) -> Result<()> {
    let name = key.value.as_str();
    let want = |want: &str| wrong(source, node, &format!("`{name}`"), want);
    match shape {
        Shape::Text => node.as_text().map(drop).ok_or_else(|| want("a text")),
        Shape::Bool => node
            .as_bool()
            .map(drop)
            .ok_or_else(|| want("`true` or `false`")),
        Shape::Choice(values) => choice(source, name, node, values),
        Shape::Int { min, max } => int(source, name, node, min, max),
        Shape::Size { min, max } => match node.list() {
            [height, width] => {
                int(source, name, height, min, max)?;
                int(source, name, width, min, max)
            }
            [] if !matches!(node.value, Value::List(_)) => int(source, name, node, min, max),
            _ => Err(want("one side of a square, or `[height, width]`")),
        },
        Shape::Float { min, max } => float(source, name, node, min, max),
        Shape::Texts => each(node, want("a list of texts"), |n| {
            n.as_text()
                .map(drop)
                .ok_or_else(|| wrong(source, n, &format!("an item of `{name}`"), "a text"))
        }),
        Shape::Ints => each(node, want("a list of whole numbers"), |n| {
            int(source, name, n, 0, i64::MAX)
        }),
        Shape::Floats => each(node, want("a list of numbers"), |n| {
            float(source, name, n, 0.0, 1e12)
        }),
        Shape::Table(fields) => table(source, node, fields, &format!("`{name}`"), &key.span),
        Shape::Tables(fields) => each(
            node,
            want(&format!("a list of tables, `[[{name}]]`")),
            |n| table(source, n, fields, &format!("`{name}`"), &n.span),
        ),
        Shape::Map(fields) => match &node.value {
            Value::Table(pairs) => pairs.iter().try_for_each(|(k, v)| {
                table(source, v, fields, &format!("`{name}.{}`", k.value), &k.span)
            }),
            _ => Err(want(&format!("named tables, `[{name}.NAME]`"))),
        },
        Shape::Named => match &node.value {
            Value::Table(_) => match node.get("name") {
                Some(n) if n.as_text().is_none() => Err(wrong(source, n, "`name`", "a text")),
                _ => Ok(()),
            },
            _ => Err(want("a table such as `{ name = \"...\" }`")),
        },
        Shape::Matrix => match &node.value {
            Value::Table(pairs) => pairs.iter().try_for_each(|(k, v)| match &v.value {
                Value::List(items) if items.is_empty() => Err(source.error(
                    &v.span,
                    format_args!("`{}` takes no value; state at least one", k.value),
                )),
                Value::List(_) => Ok(()),
                _ => Err(wrong(
                    source,
                    v,
                    &format!("`{}`", k.value),
                    "a list of values",
                )),
            }),
            _ => Err(want("a table such as `{ k = [10, 50] }`")),
        },
        Shape::NumberOrUnavailable => {
            if node.as_f64().is_some() || node.as_text() == Some("unavailable") {
                Ok(())
            } else {
                Err(want("a number, or \"unavailable\""))
            }
        }
    }
}

fn each(node: &Node, not_a_list: Error, item: impl FnMut(&Node) -> Result<()>) -> Result<()> {
    match &node.value {
        Value::List(items) => items.iter().try_for_each(item),
        _ => Err(not_a_list),
    }
}

/// The message for a value of the wrong type.
pub fn wrong(source: &Source, node: &Node, what: &str, want: &str) -> Error {
    source.error(
        &node.span,
        format_args!("{what} is {}; it must be {want}", node.kind()),
    )
}

/// A whole number in `[min, max]`.
pub fn int(source: &Source, name: &str, node: &Node, min: i64, max: i64) -> Result<()> {
    let value = node
        .as_int()
        .ok_or_else(|| wrong(source, node, &format!("`{name}`"), "a whole number"))?;
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let range = if max >= 1 << 40 {
        format!("at least {min}")
    } else {
        format!("between {min} and {max}")
    };
    Err(source.error(
        &node.span,
        format_args!("`{name}` is {value}; it must be {range}"),
    ))
}

/// A number in `[min, max]`.
pub fn float(source: &Source, name: &str, node: &Node, min: f64, max: f64) -> Result<()> {
    let value = node
        .as_f64()
        .ok_or_else(|| wrong(source, node, &format!("`{name}`"), "a number"))?;
    if value >= min && value <= max {
        return Ok(());
    }
    let range = if max >= 1e12 {
        format!("at least {min}")
    } else {
        format!("between {min} and {max}")
    };
    Err(source.error(
        &node.span,
        format_args!("`{name}` is {value}; it must be {range}"),
    ))
}

/// One of `values`.
pub fn choice(source: &Source, name: &str, node: &Node, values: &[&str]) -> Result<()> {
    let text = node
        .as_text()
        .ok_or_else(|| wrong(source, node, &format!("`{name}`"), "a text"))?;
    if values.contains(&text) {
        return Ok(());
    }
    Err(source.error(
        &node.span,
        format_args!(
            "`{name}` cannot be `{text}`; {}",
            suggest(text, values.iter().copied())
        ),
    ))
}

/// `did you mean ...?`, or the list of what is known.
pub fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match did_you_mean(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let known: Vec<&str> = known.into_iter().collect();
            if known.is_empty() {
                "none is known".to_string()
            } else {
                format!("known: {}", known.join(", "))
            }
        }
    }
}
