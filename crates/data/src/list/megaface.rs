//! MegaFace's feature lists (JSON) and insightface's noise lists.

use super::{Text, lines, safe_path};
use crate::watch::{Steps, Watch};
use frbench_base::{Error, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A list of images, with the person of each where the list says so.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    pub paths: Vec<String>,
    /// Persons numbered in bytewise order of their names.
    pub ids: Option<Vec<u32>>,
}

/// Reads `{"path": [...], "id": [...]}`; distractor lists have no `id`.
pub fn parse_names<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<Names> {
    let Text { bytes, watch } = text.into();
    let steps = Steps::new(watch);
    let bad = |what: String| Error::Data(format!("{}: {what}", path.display()));
    let json: BTreeMap<String, Value> = serde_json::from_slice(bytes)
        .map_err(|e| bad(format!("not a JSON object with a `path` list: {e}")))?;
    let list = |key: &str| -> Result<Option<Vec<String>>> {
        let Some(value) = json.get(key) else {
            return Ok(None);
        };
        let items = value
            .as_array()
            .ok_or_else(|| bad(format!("`{key}` is not a list")))?;
        items
            .iter()
            .enumerate()
            .map(|(i, v)| {
                steps.next()?;
                match v {
                    Value::String(s) => Ok(s.clone()),
                    Value::Number(n) if key == "id" => Ok(n.to_string()),
                    _ => Err(bad(format!("entry {i} of `{key}` is not text"))),
                }
            })
            .collect::<Result<_>>()
            .map(Some)
    };
    let paths = list("path")?.ok_or_else(|| bad("no `path` list".into()))?;
    for (i, p) in paths.iter().enumerate() {
        steps.next()?;
        safe_path(p).map_err(|e| bad(format!("entry {i} of `path`: {e}")))?;
    }
    let ids = list("id")?;
    if let Some(ids) = ids.as_ref().filter(|ids| ids.len() != paths.len()) {
        return Err(bad(format!("{} paths and {} ids", paths.len(), ids.len())));
    }
    let ids = ids.map(|ids| {
        let known: BTreeSet<&String> = ids.iter().collect();
        let number: BTreeMap<&String, u32> = known.into_iter().zip(0..).collect();
        ids.iter().map(|id| number[id]).collect()
    });
    Ok(Names { paths, ids })
}

/// Images known to show somebody else or nobody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noise(BTreeSet<String>);

impl Noise {
    /// One name a line; `#` starts a comment line, and after a tab the second field counts.
    pub fn parse<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<Self> {
        let mut names = BTreeSet::new();
        for line in lines(text.into(), path)? {
            let (_, line) = line?;
            if !line.starts_with('#') {
                names.insert(plain(line.split('\t').nth(1).unwrap_or(line)));
            }
        }
        Ok(Noise(names))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which of the paths are listed. Lists name an image by its file name or by its last folders,
    /// with another extension or with blanks for underscores; all of these match.
    ///
    /// # Errors
    /// What `watch` returns.
    pub fn hits(&self, paths: &[String], watch: Watch) -> Result<Hits> {
        let listed = |path: &String| {
            let path = plain(path);
            let starts = path.match_indices('/').map(|(at, _)| at + 1);
            let mut places = std::iter::once(0).chain(starts);
            places.find_map(|at| self.0.get(&path[at..]))
        };
        let steps = Steps::new(watch);
        let mut hits = Hits::default();
        let mut names = BTreeSet::new();
        for (i, path) in paths.iter().enumerate() {
            steps.next()?;
            if let Some(name) = listed(path) {
                hits.paths.push(i);
                names.insert(name);
            }
        }
        hits.names = names.len();
        Ok(hits)
    }
}

/// Images that a list of noise names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hits {
    /// Indices of the paths, ascending.
    pub paths: Vec<usize>,
    /// How many names of the list they are.
    pub names: usize,
}

/// Without extension, blanks as underscores.
fn plain(name: &str) -> String {
    let name = name.trim();
    let lower = name.to_ascii_lowercase();
    let extension = [".jpeg", ".jpg", ".png"]
        .into_iter()
        .find(|e| lower.ends_with(e));
    name[..name.len() - extension.map_or(0, str::len)].replace(' ', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::UNWATCHED;

    #[test]
    fn lists_with_and_without_ids_are_read() {
        let p = Path::new("l.json");
        let names = parse_names(
            br#"{"path": ["b/1.png", "a/2.png", "b/3.png"], "id": ["b", "a", "b"]}"#,
            p,
        );
        assert_eq!(names.unwrap().ids, Some(vec![1, 0, 1]));
        assert_eq!(
            parse_names(br#"{"path": []}"#, p).unwrap(),
            Names::default()
        );
        for text in [
            r#"{"id": []}"#,
            r#"{"path": [1]}"#,
            r#"{"path": ["a"], "id": []}"#,
            r#"{"path": ["/a"]}"#,
            "x",
        ] {
            let message = parse_names(text.as_bytes(), p).unwrap_err().to_string();
            assert!(message.starts_with("l.json: "), "{message}");
        }
    }

    #[test]
    fn noise_matches_across_spellings() {
        let noise = Noise::parse(
            b"# comment\nAdam_Brody_275.png\n7\t136/7012/0.jpg\n",
            Path::new("n"),
        )
        .unwrap();
        assert_eq!(noise.len(), 2);
        let paths = [
            "Adam Brody/Adam Brody_275.jpg",
            "x/136/7012/0.png",
            "136/7012/1.jpg",
            "275.png",
        ];
        let hits = noise.hits(&paths.map(String::from), UNWATCHED);
        let (paths, names) = (vec![0, 1], 2);
        assert_eq!(hits.unwrap(), Hits { paths, names });
    }
}
