//! What a file of weights holds: tensors, in dictionaries that may lie in each other.

use crate::tensor::Tensor;

/// A value of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Tensor(Tensor),
    /// In the order of the file.
    Dict(Vec<(String, Tree)>),
    /// Something else, in words: `a number`, `a list of 3`.
    Other(String),
}

impl Tree {
    /// Every tensor with its path: the keys that lead to it, with dots between them.
    pub fn tensors(&self) -> Vec<(String, &Tensor)> {
        let mut found = Vec::new();
        self.collect("", &mut found);
        found
    }

    fn collect<'a>(&'a self, path: &str, found: &mut Vec<(String, &'a Tensor)>) {
        match self {
            Tree::Tensor(tensor) => found.push((path.to_string(), tensor)),
            Tree::Dict(entries) => {
                for (key, value) in entries {
                    value.collect(&join(path, key), found);
                }
            }
            Tree::Other(_) => {}
        }
    }

    /// How many tensors it holds, at any depth.
    pub fn count(&self) -> usize {
        match self {
            Tree::Tensor(_) => 1,
            Tree::Dict(entries) => entries.iter().map(|(_, value)| value.count()).sum(),
            Tree::Other(_) => 0,
        }
    }
}

/// The path of what lies under `key` at `path`.
pub fn join(path: &str, key: &str) -> String {
    match path.is_empty() {
        true => key.to_string(),
        false => format!("{path}.{key}"),
    }
}

/// How deep dictionaries may lie in each other. What is read from a file goes no deeper, so that
/// whoever walks a tree may recurse.
pub const DEEPEST: usize = 16;
/// The most entries of all dictionaries together.
const MOST_ENTRIES: usize = 1 << 20;
/// Bytes of a name.
const LONGEST_NAME: usize = 512;
/// Tensors, written out, may be so many times the file.
const LARGEST: usize = 4;

/// What a tree may grow to, in proportion to its file: shared parts are counted as often as they
/// are named.
pub struct Budget {
    entries: usize,
    names: usize,
    tensors: usize,
    /// Bytes of the file.
    file: usize,
}

impl Budget {
    /// For a file of so many bytes.
    pub fn new(file: usize) -> Self {
        Budget {
            entries: MOST_ENTRIES,
            names: LARGEST.saturating_mul(file),
            tensors: LARGEST.saturating_mul(file),
            file,
        }
    }

    /// One more entry of a dictionary.
    ///
    /// # Errors
    /// A name that is too long, too many entries, or too many bytes of names.
    pub fn entry(&mut self, name: &str) -> Result<(), String> {
        if name.len() > LONGEST_NAME {
            return Err(format!(
                "a name of {} bytes; {LONGEST_NAME} are the most",
                name.len()
            ));
        }
        let spent = self
            .entries
            .checked_sub(1)
            .zip(self.names.checked_sub(name.len()));
        let (entries, names) = spent.ok_or_else(|| {
            format!(
                "dictionaries of more than {MOST_ENTRIES} entries, or the same ones over and over"
            )
        })?;
        (self.entries, self.names) = (entries, names);
        Ok(())
    }

    /// One more tensor.
    ///
    /// # Errors
    /// Tensors that together are more than the file can hold.
    pub fn tensor(&mut self, tensor: &Tensor) -> Result<(), String> {
        let left = self.tensors.checked_sub(tensor.bytes());
        self.tensors = left.ok_or_else(|| {
            format!(
                "tensors of more than {LARGEST} times the file's {} bytes, the last of shape {:?}: \
                 views that repeat what they show",
                self.file,
                tensor.shape()
            )
        })?;
        Ok(())
    }
}
