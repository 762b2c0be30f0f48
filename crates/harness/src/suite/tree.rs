//! TOML as a tree that remembers where each key and value stands, in document order.

use super::source::{At, Source, Span};
use frbench_base::Result;
use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Span,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

/// Keys and values in the order in which they were written.
pub type Table = Vec<(At<String>, Node)>;

/// Parses a suite's text.
pub fn parse(source: &Source) -> Result<Node> {
    let table = DeTable::parse(&source.text).map_err(|e| {
        let span = e.span().unwrap_or(0..0);
        source.error(
            &span,
            format_args!("not valid TOML: {}", e.message().trim()),
        )
    })?;
    let span = table.span();
    Ok(Node {
        span,
        value: Value::Table(convert(source, table.get_ref())?),
    })
}

fn convert(source: &Source, table: &DeTable) -> Result<Table> {
    let mut out = Vec::with_capacity(table.len());
    for (key, value) in table.iter() {
        let name = At::new(key.get_ref().to_string(), key.span());
        out.push((name, node(source, value.span(), value.get_ref())?));
    }
    out.sort_by_key(|(k, _): &(At<String>, Node)| k.span.start);
    Ok(out)
}

fn node(source: &Source, span: Span, value: &DeValue) -> Result<Node> {
    let value = match value {
        DeValue::String(s) => Value::Text(s.to_string()),
        DeValue::Integer(i) => Value::Int(
            i64::from_str_radix(&i.as_str().replace('_', ""), i.radix())
                .map_err(|_| source.error(&span, "this whole number is too large"))?,
        ),
        DeValue::Float(f) => Value::Float(
            f.as_str()
                .replace('_', "")
                .parse()
                .map_err(|_| source.error(&span, "this is not a number"))?,
        ),
        DeValue::Boolean(b) => Value::Bool(*b),
        DeValue::Datetime(d) => Value::Date(d.to_string()),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|v| node(source, v.span(), v.get_ref()))
                .collect::<Result<_>>()?,
        ),
        DeValue::Table(t) => Value::Table(convert(source, t)?),
    };
    Ok(Node { span, value })
}

impl Node {
    /// The same, so many bytes further on.
    pub fn moved(self, by: usize) -> Node {
        let on = |span: Span| span.start + by..span.end + by;
        Node {
            span: on(self.span),
            value: match self.value {
                Value::List(items) => Value::List(items.into_iter().map(|n| n.moved(by)).collect()),
                Value::Table(pairs) => Value::Table(
                    pairs
                        .into_iter()
                        .map(|(k, n)| (At::new(k.value, on(k.span)), n.moved(by)))
                        .collect(),
                ),
                plain => plain,
            },
        }
    }

    /// What a user would call this type.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "a text",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Date(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.table()
            .iter()
            .find(|(k, _)| k.value == key)
            .map(|(_, v)| v)
    }

    /// The pairs of a table; none for anything else.
    pub fn table(&self) -> &[(At<String>, Node)] {
        match &self.value {
            Value::Table(t) => t,
            _ => &[],
        }
    }

    pub fn list(&self) -> &[Node] {
        match &self.value {
            Value::List(l) => l,
            _ => &[],
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match &self.value {
            Value::Int(i) => Some(*i),
            _ => None,
        }
    }

    /// Whole numbers are numbers.
    pub fn as_f64(&self) -> Option<f64> {
        match &self.value {
            Value::Int(i) => Some(*i as f64),
            Value::Float(f) => Some(*f),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match &self.value {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The value as parameters hold it. Numbers that JSON lacks (`inf`, `nan`) become null.
    pub fn json(&self) -> Json {
        match &self.value {
            Value::Text(s) => Json::from(s.as_str()),
            Value::Int(i) => Json::from(*i),
            Value::Float(f) => Json::from(*f),
            Value::Bool(b) => Json::from(*b),
            Value::Date(_) => Json::Null,
            Value::List(l) => l.iter().map(Node::json).collect(),
            Value::Table(t) => t
                .iter()
                .map(|(k, v)| (k.value.clone(), v.json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}
