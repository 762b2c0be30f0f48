//! A suite's tree as TOML: sections where the grammar has named tables, everything else in a line.

use super::grammar::{Field, SUITE, Shape};
use super::source::At;
use super::tree::{Node, Value};

/// The text of a suite.
pub(super) fn suite(root: &Node) -> String {
    let (lines, sections): (Vec<_>, Vec<_>) = parts(root, SUITE).partition(|(_, shape, _)| {
        !matches!(shape, Shape::Table(_) | Shape::Tables(_) | Shape::Map(_))
    });
    let mut out: String = lines.iter().map(|(key, _, node)| line(key, node)).collect();
    for (key, shape, node) in sections {
        match shape {
            Shape::Tables(fields) => {
                for item in node.list() {
                    section(&mut out, &format!("[[{key}]]"), item, fields, &key);
                }
            }
            Shape::Map(fields) => named(&mut out, &key, node, fields),
            Shape::Table(fields) => section(&mut out, &format!("[{key}]"), node, fields, &key),
            _ => {}
        }
    }
    out
}

/// The pairs of a table with their keys as they are written and what the grammar says of them.
fn parts<'a>(
    node: &'a Node,
    fields: &'static [Field],
) -> impl Iterator<Item = (String, Shape, &'a Node)> {
    node.table().iter().filter_map(|(k, value)| {
        let field = fields.iter().find(|f| f.name == k.value)?;
        Some((key(k), field.shape, value))
    })
}

/// The tables of a map: `[path.NAME]`.
fn named(out: &mut String, path: &str, node: &Node, fields: &'static [Field]) {
    for (name, table) in node.table() {
        let path = format!("{path}.{}", key(name));
        section(out, &format!("[{path}]"), table, fields, &path);
    }
}

fn section(out: &mut String, head: &str, node: &Node, fields: &'static [Field], path: &str) {
    let (maps, lines): (Vec<_>, Vec<_>) =
        parts(node, fields).partition(|(_, shape, _)| matches!(shape, Shape::Map(_)));
    *out += &format!("\n{head}\n");
    out.extend(lines.iter().map(|(key, _, node)| line(key, node)));
    for (key, shape, node) in maps {
        if let Shape::Map(fields) = shape {
            named(out, &format!("{path}.{key}"), node, fields);
        }
    }
}

fn line(key: &str, node: &Node) -> String {
    let tables = |items: &[Node]| items.iter().any(|n| matches!(n.value, Value::Table(_)));
    match &node.value {
        Value::List(items) if tables(items) => {
            let lines = items.iter().map(|n| format!("  {},\n", inline(n)));
            format!("{key} = [\n{}]\n", lines.collect::<String>())
        }
        _ => format!("{key} = {}\n", inline(node)),
    }
}

fn inline(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => toml::Value::from(text.as_str()).to_string(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) => toml::Value::from(*f).to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Date(text) => text.clone(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(pairs) if pairs.is_empty() => "{}".to_string(),
        Value::Table(pairs) => {
            let pair = |(k, v): &(At<String>, Node)| format!("{} = {}", key(k), inline(v));
            let pairs: Vec<String> = pairs.iter().map(pair).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

/// A key as it is, or as a text where TOML wants that.
fn key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match !key.is_empty() && key.chars().all(bare) {
        true => key.to_string(),
        false => serde_json::Value::from(key).to_string(),
    }
}
