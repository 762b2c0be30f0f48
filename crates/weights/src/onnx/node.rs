//! A node of a model: its attributes, by name and type.

use super::proto;
use prost::Message;
use std::collections::BTreeMap;

/// A node, with its attributes decoded.
pub struct Node {
    pub op: String,
    /// Its name, or that of what it makes.
    pub name: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    attributes: BTreeMap<String, proto::Attribute>,
}

impl Node {
    /// Decodes a node.
    ///
    /// # Errors
    /// Bytes that are none, or an operator that is not ONNX's own.
    pub fn decode(bytes: &[u8]) -> Result<Node, String> {
        let node = proto::Node::decode(bytes).map_err(|e| format!("a node: {e}"))?;
        let named = !node.name.is_empty();
        let name = if named {
            &node.name
        } else {
            node.output.first().unwrap_or(&node.name)
        };
        let name = name.clone();
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Err(format!(
                "node `{name}` is a `{}` of `{}`, which is not of ONNX itself",
                node.op_type, node.domain
            ));
        }
        let mut attributes = BTreeMap::new();
        for bytes in &node.attribute {
            let attribute = proto::Attribute::decode(bytes.as_slice());
            let attribute = attribute.map_err(|e| format!("node `{name}`: {e}"))?;
            attributes.insert(attribute.name.clone(), attribute);
        }
        Ok(Node {
            op: node.op_type,
            name,
            inputs: node.input,
            outputs: node.output,
            attributes,
        })
    }

    pub fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }

    pub fn float(&self, name: &str, usual: f32) -> f32 {
        self.attributes.get(name).map_or(usual, |a| a.f)
    }

    pub fn int(&self, name: &str, usual: i64) -> i64 {
        self.attributes.get(name).map_or(usual, |a| a.i)
    }

    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attributes.get(name).map(|a| a.ints.as_slice())
    }

    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        self.attributes.get(name).map(|a| a.floats.as_slice())
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        let attribute = self.attributes.get(name)?;
        std::str::from_utf8(&attribute.s).ok()
    }

    pub fn tensor(&self, name: &str) -> Option<&proto::Tensor> {
        self.attributes.get(name)?.t.as_ref()
    }

    /// The one number that all of a list are: a kernel, a stride or a padding that is the same in
    /// every direction.
    pub fn equal(&self, name: &str, usual: usize) -> Result<usize, String> {
        let Some([first, rest @ ..]) = self.ints(name) else {
            return Ok(usual);
        };
        match usize::try_from(*first) {
            Ok(n) if rest.iter().all(|other| other == first) && n <= 1 << 12 => Ok(n),
            _ => Err(format!(
                "`{name}` is {:?}; the same number in every direction is supported",
                self.ints(name).unwrap_or_default()
            )),
        }
    }
}
