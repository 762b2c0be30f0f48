//! The JSON Schema of suites, for editors: the grammar, with the names and parameters of
//! everything registered.

use super::catalogue::Catalogue;
use super::grammar::{Field, SUITE, Shape};
use super::preset::PRESET;
use frbench_base::registry::{Info, Kind, Param};
use frbench_methods::distill::{DISTILL, DistillEntry};
use serde_json::{Map, Value, json};

/// The schema as a JSON document (draft 2020-12).
pub fn schema(known: &Catalogue) -> Value {
    let mut root = table(SUITE, known);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("frbench suite");
    root["properties"]["schema"] = json!({ "const": super::grammar::SCHEMA });
    root
}

fn table(fields: &[Field], known: &Catalogue) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut value = shape(field, known);
        value["description"] = json!(field.doc);
        properties.insert(field.name.to_string(), value);
    }
    let required = fields.iter().filter(|f| f.required).map(|f| f.name);
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": required.collect::<Vec<_>>(),
    })
}

fn shape(field: &Field, known: &Catalogue) -> Value {
    match field.shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Choice(values) => json!({ "enum": values }),
        Shape::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Size { min, max } => {
            let side = json!({ "type": "integer", "minimum": min, "maximum": max });
            json!({ "anyOf": [
                side,
                { "type": "array", "items": side, "minItems": 2, "maxItems": 2 },
            ] })
        }
        Shape::Float { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
        Shape::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Shape::Ints => json!({ "type": "array", "items": { "type": "integer", "minimum": 0 } }),
        Shape::Floats => json!({ "type": "array", "items": { "type": "number" } }),
        Shape::Table(fields) => table(fields, known),
        Shape::Tables(fields) => json!({ "type": "array", "items": table(fields, known) }),
        Shape::Map(fields) => {
            json!({ "type": "object", "additionalProperties": table(fields, known) })
        }
        Shape::Named => named(field.name, known),
        Shape::Matrix => json!({
            "type": "object",
            "additionalProperties": { "type": "array", "minItems": 1 },
        }),
        Shape::NumberOrUnavailable => {
            json!({ "anyOf": [{ "type": "number" }, { "const": "unavailable" }] })
        }
    }
}

/// A registered thing: one alternative per name, with its parameters. Overrides may leave
/// the name out, so parameters are described but not required here; `frbench check` knows.
fn named(key: &str, known: &Catalogue) -> Value {
    let infos = match key {
        "method" => known.method_infos(),
        "head" => known.head_infos(),
        "backbone" => known.backbones.clone(),
        _ => known.protocol_infos(),
    };
    let mut any = vec![json!({ "type": "object", "not": { "required": ["name"] } })];
    any.extend(infos.iter().map(alternative));
    if key == "head" {
        for (value, head) in any[1..].iter_mut().zip(&known.heads) {
            let names: Vec<&str> = head.presets.iter().map(|p| p.name).collect();
            if !names.is_empty() {
                value["properties"][PRESET] = json!({
                    "enum": names,
                    "description": "Constants of a paper or implementation; keys stated beside it override them.",
                });
            }
        }
    }
    json!({ "anyOf": any })
}

fn alternative(info: &Info) -> Value {
    let mut properties = Map::new();
    properties.insert("name".to_string(), json!({ "const": info.name }));
    for p in info.params {
        properties.insert(p.name.to_string(), parameter(p));
    }
    json!({
        "type": "object",
        "title": info.name,
        "description": info.summary,
        "additionalProperties": false,
        "properties": properties,
        "required": ["name"],
    })
}

/// A distillation loss: one alternative per name.
fn loss() -> Value {
    let weighted = |entry: &DistillEntry| {
        let mut value = alternative(&entry.info);
        value["properties"]["weight"] = json!({ "type": "number", "minimum": 0.0 });
        value
    };
    json!({ "anyOf": DISTILL.iter().map(weighted).collect::<Vec<_>>() })
}

fn parameter(param: &Param) -> Value {
    let mut value = match param.kind {
        Kind::Float { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
        Kind::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Choice(values) => json!({ "enum": values }),
        Kind::Floats => json!({ "type": "array", "items": { "type": "number" } }),
        Kind::Text => json!({ "type": "string" }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Losses => json!({ "type": "array", "minItems": 1, "items": loss() }),
    };
    value["description"] = json!(param.doc);
    value
}
