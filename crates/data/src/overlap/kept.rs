//! What was found of two sets, kept beside them: `.overlap/` in the folder of data sets. One in which
//! faces were compared, too, is not replaced by one in which they were not.

use frbench_base::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How many images of a set that networks are evaluated on are in one that they are trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub train: Side,
    pub eval: Side,
    /// Images of the latter that have a picture of the former, by how the two are one; an image
    /// may be counted under several.
    pub images: BTreeMap<String, u64>,
    /// Those that have one in any way.
    pub any: u64,
    /// The network that faces were compared by, and the least cosine; none where they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faces: Option<String>,
}

/// A set, as it was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    pub name: String,
    /// Its identity.
    pub pixels_sha256: String,
    pub images: u64,
}

impl Kept {
    /// Writes it under `root`, in place of what was known of the two sets.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, root: &Path) -> Result<PathBuf> {
        let path = place(root, &self.train.pixels_sha256, &self.eval.pixels_sha256);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        }
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::Bug(format!("{}: {e}", path.display())))?;
        files::write_atomic(&path, text.as_bytes())?;
        Ok(path)
    }

    /// What is known of two sets by their identities; none where they were not compared.
    ///
    /// # Errors
    /// [`Error::Data`] for a file that is not of these two; [`Error::Io`].
    pub fn read(root: &Path, train: &str, eval: &str) -> Result<Option<Kept>> {
        let path = place(root, train, eval);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(&path, e)),
        };
        let wrong = |what: String| {
            Error::Data(format!(
                "{}: {what}; `frbench data overlap` makes it again",
                path.display()
            ))
        };
        let kept: Kept = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        let of = (&*kept.train.pixels_sha256, &*kept.eval.pixels_sha256);
        match of == (train, eval) {
            true => Ok(Some(kept)),
            false => Err(wrong("it is of two other sets".into())),
        }
    }
}

/// 16 digits of each identity name a file that can be told from others by eye.
fn place(root: &Path, train: &str, eval: &str) -> PathBuf {
    let short = |sha: &str| sha.chars().take(16).collect::<String>();
    let name = format!("{}-{}.json", short(train), short(eval));
    root.join(".overlap").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, digit: char) -> Side {
        Side {
            name: name.into(),
            pixels_sha256: digit.to_string().repeat(64),
            images: 10,
        }
    }

    #[test]
    fn what_was_found_is_read_again_and_no_other_sets_are_taken_for_these() {
        let dir = tempfile::tempdir().unwrap();
        let kept = Kept {
            train: side("a", '1'),
            eval: side("b", '2'),
            images: BTreeMap::from([("same bytes".into(), 3)]),
            any: 3,
            faces: None,
        };
        let read = |train: &Side, eval: &Side| {
            Kept::read(dir.path(), &train.pixels_sha256, &eval.pixels_sha256)
        };
        assert_eq!(read(&kept.train, &kept.eval).unwrap(), None);
        let path = kept.write(dir.path()).unwrap();
        assert_eq!(read(&kept.train, &kept.eval).unwrap(), Some(kept.clone()));
        assert_eq!(read(&kept.eval, &kept.train).unwrap(), None);
        // Alike in the digits that name the file.
        let mut near = kept.eval.clone();
        near.pixels_sha256.replace_range(63.., "3");
        let error = read(&kept.train, &near).unwrap_err().to_string();
        assert!(error.contains("two other sets"), "{error}");
        std::fs::write(path, "{").unwrap();
        let error = read(&kept.train, &kept.eval).unwrap_err().to_string();
        assert!(error.contains("makes it again"), "{error}");
    }
}
