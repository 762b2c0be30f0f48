//! What ties a JSON file of a job to the job, to the files beside it, and to itself.
//!
//! The file is an object whose last entry is `seal`. A seal holds the key of the job, the hashes
//! of the files that were written with it, and what they were made from. It ends in the sha256 of
//! the whole text, computed with 64 zeros in its own place.

use frbench_base::key::{Key, sha256_hex};
use frbench_base::{Error, Result, files};
use frbench_job::result::FileHash;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// Stands where the sha256 is while it is computed.
pub(super) const BLANK: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seal {
    /// The cache key of the job.
    pub key: Key,
    /// Files that belong to this one, by their names in the folder of the job.
    pub files: Vec<FileHash>,
    /// The jobs that it was made from, each with its [`Seal::digest`].
    #[serde(default)]
    pub inputs: BTreeMap<Key, String>,
    sha256: String,
}

impl Seal {
    pub fn new(key: &Key, files: Vec<FileHash>, inputs: BTreeMap<Key, String>) -> Self {
        Seal {
            key: key.clone(),
            files,
            inputs,
            sha256: BLANK.into(),
        }
    }

    /// The hash of a file.
    pub fn hash(&self, name: &str) -> Option<&str> {
        let file = self.files.iter().find(|f| f.path == name);
        file.map(|f| f.sha256.as_str())
    }

    /// The hash over the files that hold numbers; JSON beside them says when and where they were
    /// made. The same numbers have the same digest, whenever they are computed.
    pub fn digest(&self) -> String {
        let numbers = self.files.iter().filter(|f| !f.path.ends_with(".json"));
        let lines: String = numbers
            .map(|f| format!("{}  {}\n", f.sha256, f.path))
            .collect();
        sha256_hex(lines.as_bytes())
    }
}

#[derive(Serialize)]
struct Sealed<'a, T> {
    #[serde(flatten)]
    value: &'a T,
    seal: &'a Seal,
}

/// Writes `value`, an object, with its seal; atomically.
///
/// # Errors
/// [`Error::Io`].
pub fn write<T: Serialize>(path: &Path, value: &T, seal: Seal) -> Result<Seal> {
    let bug = |what: String| Error::Bug(format!("{}: {what}", path.display()));
    let document = Sealed { value, seal: &seal };
    let mut text = serde_json::to_string_pretty(&document).map_err(|e| bug(e.to_string()))?;
    text.push('\n');
    let at =
        only(text.as_bytes(), BLANK).ok_or_else(|| bug("not one place for its hash".into()))?;
    let sha256 = sha256_hex(text.as_bytes());
    text.replace_range(at..at + BLANK.len(), &sha256);
    files::write_atomic(path, text.as_bytes())?;
    Ok(Seal { sha256, ..seal })
}

/// Reads what [`write()`] wrote for the job `key`; the error says what is wrong with the file.
pub fn read<T: DeserializeOwned>(path: &Path, key: &Key) -> Result<(T, Seal), String> {
    let text = std::fs::read(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => "it is gone".to_string(),
        _ => format!("it cannot be read: {e}"),
    })?;
    if text.is_empty() {
        return Err("it is empty".into());
    }
    let mut value: Value = serde_json::from_slice(&text).map_err(unlike)?;
    let seal = value.as_object_mut().and_then(|o| o.remove("seal"));
    let seal = seal.ok_or("it has no checksum, as files of earlier versions have none")?;
    let seal: Seal = serde_json::from_value(seal).map_err(unlike)?;
    let mut blank = text;
    if let Some(at) = only(&blank, &seal.sha256) {
        blank[at..at + BLANK.len()].copy_from_slice(BLANK.as_bytes());
    }
    if sha256_hex(&blank) != seal.sha256 {
        return Err("it is not what was written there (checksum mismatch)".into());
    }
    if seal.key != *key {
        return Err(format!("it belongs to another job ({})", seal.key.short()));
    }
    Ok((serde_json::from_value(value).map_err(unlike)?, seal))
}

fn unlike(e: serde_json::Error) -> String {
    match e.line() {
        0 => format!("it is not what was written there: {e}"),
        _ => format!(
            "it is not what was written there (line {}, column {}: {e})",
            e.line(),
            e.column()
        ),
    }
}

/// Where `hash`, 64 bytes, stands in `bytes`, if it stands there once.
pub(super) fn only(bytes: &[u8], hash: &str) -> Option<usize> {
    if hash.len() != BLANK.len() {
        return None;
    }
    let here = |w: &[u8]| w == hash.as_bytes();
    let mut found = bytes
        .windows(hash.len())
        .enumerate()
        .filter(|(_, w)| here(w));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Some(at),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &Path, key: &str) -> Seal {
        let value = BTreeMap::from([("accuracy", 0.1 + 0.2), ("loss", 1e300)]);
        let file = FileHash {
            path: "scores.npy".into(),
            bytes: 3,
            sha256: sha256_hex(b"abc"),
        };
        let seal = Seal::new(&Key(key.into()), vec![file], BTreeMap::new());
        write(path, &value, seal).unwrap()
    }

    fn found(path: &Path, key: &str) -> Result<(BTreeMap<String, f64>, Seal), String> {
        read(path, &Key(key.into()))
    }

    #[test]
    fn what_is_written_is_read_and_any_other_byte_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("result.json");
        let seal = written(&path, "a");
        let (value, read) = found(&path, "a").unwrap();
        assert_eq!((value["accuracy"], value["loss"]), (0.1 + 0.2, 1e300));
        assert_eq!(read, seal);
        let text = std::fs::read(&path).unwrap();
        for at in 0..text.len() {
            let mut flipped = text.clone();
            flipped[at] ^= 1;
            for bytes in [&flipped, &text[..at]] {
                std::fs::write(&path, bytes).unwrap();
                assert!(found(&path, "a").is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("result.json");
        let why = |key: &str| found(&path, key).unwrap_err();
        assert_eq!(why("a"), "it is gone");
        std::fs::write(&path, "").unwrap();
        assert_eq!(why("a"), "it is empty");
        std::fs::write(&path, "{\n  \"accuracy\": 1e999\n}").unwrap();
        assert!(why("a").contains("line 2, column"), "{}", why("a"));
        std::fs::write(&path, "{\"accuracy\": 0.5}").unwrap();
        assert!(why("a").contains("no checksum"), "{}", why("a"));
        written(&path, "b");
        assert_eq!(why("a"), "it belongs to another job (b)");
    }

    #[test]
    fn a_digest_is_of_numbers_only() {
        let of = |files: &[(&str, &str)]| {
            let file = |(path, sha256): &(&str, &str)| FileHash {
                path: path.to_string(),
                bytes: 1,
                sha256: sha256.to_string(),
            };
            let files = files.iter().map(file).collect();
            Seal::new(&Key("k".into()), files, BTreeMap::new()).digest()
        };
        let plain = of(&[("m.safetensors", "1"), ("env.json", "2")]);
        assert_eq!(plain, of(&[("m.safetensors", "1"), ("env.json", "3")]));
        assert_ne!(plain, of(&[("m.safetensors", "3"), ("env.json", "2")]));
    }
}
