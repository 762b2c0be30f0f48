//! Content keys: sha256 of canonical JSON.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A job's address: 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Key(pub String);

impl Key {
    /// The sha256 of the canonical JSON of `value`.
    pub fn of<T: Serialize>(value: &T) -> Self {
        let value = serde_json::to_value(value).expect("specs are plain data");
        Key(sha256_hex(canonical(&value).as_bytes()))
    }

    /// The first 12 digits: enough for people and folder names.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// JSON with sorted keys and no white space, whatever map type serde_json was built with.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (i, k) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(k.clone()).to_string());
                out.push(':');
                write(&map[k], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, v) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(v, out);
            }
            out.push(']');
        }
        // 1.0 and 1 are the same number to a user, so they are to a key.
        Value::Number(n) => match n.as_f64() {
            Some(f) if f.fract() == 0.0 && f.abs() < 9e15 => out.push_str(&(f as i64).to_string()),
            _ => out.push_str(&n.to_string()),
        },
        other => out.push_str(&other.to_string()),
    }
}

/// Lower-case hex of the sha256 of `bytes`.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn order_and_number_form_do_not_matter() {
        let a = canonical(&json!({"b": 1.0, "a": [1, 2.5, "x"]}));
        assert_eq!(a, r#"{"a":[1,2.5,"x"],"b":1}"#);
        assert_eq!(
            Key::of(&json!({"b": 1, "a": [1, 2.5, "x"]})),
            Key(sha256_hex(a.as_bytes()))
        );
    }
}
