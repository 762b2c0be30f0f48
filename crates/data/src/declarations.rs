//! Public data sets: what their files are called, how large they are, where users get them.
//!
//! None can be shipped or fetched by frbench: each has its own terms. A declaration is a TOML
//! file under `suites/datasets/`; those are embedded, and files of the same name in a folder
//! of the user's replace them.

use frbench_base::{Error, Result};
use frbench_job::result::DataResult;
use frbench_job::{Damaged, DataFormat, DataSource, DataSpec, Missing, Rules};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Among the files of declarations, but none: the identities of generated sets.
pub const PINS: &str = "synth-pins";

/// One public data set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// The name a suite uses, and the folder under the data root.
    pub name: String,
    pub title: String,
    pub format: DataFormat,
    /// Files relative to that folder; folders end in `/`.
    pub files: Vec<String>,
    /// Files that are used where they exist.
    #[serde(default)]
    pub optional: Vec<String>,
    /// What is done with images whose bytes are damaged: `refuse` or `skip`.
    #[serde(default)]
    pub damaged: Damaged,
    /// What is done with images that a list names and that are not there: `refuse` or `miss`.
    #[serde(default)]
    pub missing: Missing,
    /// Whether oddities of a list are errors.
    #[serde(default)]
    pub strict: bool,
    /// Whether pictures of another size than 112 x 112 are aligned crops all the same.
    #[serde(default)]
    pub aligned: bool,
    /// Known sizes: `images`, `identities`, and the counts of a data result.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// sha256 by file, where somebody has published one.
    #[serde(default)]
    pub sha256: BTreeMap<String, String>,
    /// The pinned identity (`plan::identity`).
    #[serde(default)]
    pub identity: Option<String>,
    /// Where and how users get the files, and how to name them.
    pub obtain: String,
    pub licence: String,
    pub citation: String,
}

impl Declaration {
    /// The specification of the data job.
    pub fn spec(&self) -> DataSpec {
        DataSpec {
            name: self.name.clone(),
            format: self.format,
            source: DataSource::Files {
                files: self.files.clone(),
                rules: Rules {
                    damaged: self.damaged,
                    missing: self.missing,
                    strict: self.strict,
                    aligned: self.aligned,
                },
            },
            identity: self.identity.clone(),
        }
    }

    /// What differs between the set as published and the files found, a line each. Sets of one
    /// name circulate in several versions, so this is for people to judge.
    pub fn differences(&self, found: &DataResult) -> Vec<String> {
        let count = |name: &str| match name {
            "images" => Some(found.images),
            "identities" => Some(found.identities),
            other => found.counts.get(other).copied(),
        };
        let counts = self.counts.iter().filter_map(|(name, published)| {
            let here = count(name).filter(|n| n != published)?;
            Some(format!("{name}: {here}, published {published}"))
        });
        let hashes = self.sha256.iter().filter_map(|(path, published)| {
            let here = found.files.iter().find(|f| f.path == *path)?;
            (here.sha256 != *published)
                .then(|| format!("{path}: sha256 {}, published {published}", here.sha256))
        });
        counts.chain(hashes).collect()
    }
}

/// All declarations by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Declarations(BTreeMap<String, Declaration>);

impl Declarations {
    /// The `embedded` declarations, given by name and text, and over them the `.toml` files of
    /// `folder`.
    pub fn load(embedded: &[(&str, &str)], folder: Option<&Path>) -> Result<Self> {
        let mut registry = Declarations(BTreeMap::new());
        for (name, text) in embedded.iter().filter(|(name, _)| *name != PINS) {
            registry.add(Path::new(&format!("{name}.toml")), text)?;
        }
        if let Some(folder) = folder {
            let failed = |e| Error::io(folder, e);
            let entries: Vec<_> = std::fs::read_dir(folder)
                .map_err(failed)?
                .collect::<Result<_, _>>()
                .map_err(failed)?;
            let mut paths: Vec<_> = entries.iter().map(|e| e.path()).collect();
            paths.retain(|p| p.extension().is_some_and(|e| e == "toml"));
            paths.retain(|p| p.file_stem().is_some_and(|s| s != PINS));
            paths.sort_unstable();
            for path in paths {
                let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
                registry.add(&path, &text)?;
            }
        }
        Ok(registry)
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<()> {
        let set: Declaration = toml::from_str(text).map_err(|e| {
            let at = e.span().map_or(0, |s| s.start);
            let line = text[..at].matches('\n').count() + 1;
            let column = text[..at].chars().rev().take_while(|c| *c != '\n').count() + 1;
            Error::Usage(format!(
                "{}:{line}:{column}: {}",
                path.display(),
                e.message()
            ))
        })?;
        let wrong = |what: String| Error::Usage(format!("{}:1:1: {what}", path.display()));
        let mut names = vec![&set.name];
        names.extend(&set.files);
        for name in names {
            super::list::safe_path(name).map_err(wrong)?;
        }
        let stem = path.file_stem().and_then(|s| s.to_str());
        if stem != Some(set.name.as_str()) || set.name.contains('/') {
            return Err(wrong(format!(
                "`name` is `{}`; it must be the file's name without `.toml`",
                set.name
            )));
        }
        if set.files.is_empty() {
            return Err(wrong("`files` is empty".into()));
        }
        if set.missing == Missing::Miss && set.format == DataFormat::Train {
            return Err(wrong(
                "`missing = \"miss\"` is a rule for scores, and this set is one to train on \
                 (`train`)"
                    .into(),
            ));
        }
        self.0.insert(set.name.clone(), set);
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&Declaration> {
        self.0.get(name)
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Declaration> {
        self.0.values()
    }
}

/// What a user whose folder has no declaration needs to know: where to write one, and what it
/// says if the layout of the folder is one that is read. None if there is no such folder.
pub fn describe_undeclared(name: &str, root: &Path) -> Option<String> {
    let dir = root.join(name);
    if crate::list::safe_path(name).is_err() || name.contains('/') || !dir.is_dir() {
        return None;
    }
    let start = format!(
        "there is a folder {}, but no declaration of it; ",
        dir.display()
    );
    Some(match propose(name, &dir) {
        Some((looks, text)) => format!(
            "{start}it looks like {looks}: `frbench data add {}` declares it so, or write this \
             into suites/datasets/{name}.toml\n\n{text}",
            dir.display()
        ),
        None => {
            let known = crate::set::READERS.iter();
            let known: Vec<String> = known
                .map(|r| format!("    {} ({}): {}", r.format.name(), r.name, r.wants))
                .collect();
            format!(
                "{start}write suites/datasets/{name}.toml (`frbench list` shows the others), and \
                 put the files into a layout that is read:\n{}",
                known.join("\n")
            )
        }
    })
}

/// What the folder `dir` looks like, and the text of a declaration that calls it `name`. None for
/// a layout that is not read.
pub fn propose(name: &str, dir: &Path) -> Option<(&'static str, String)> {
    let (reader, files) = crate::set::recognise(dir)?;
    let files: Vec<String> = files.iter().map(|f| format!("{f:?}")).collect();
    let text = format!(
        "name = \"{name}\"\ntitle = \"{name}\"\nformat = \"{}\"\nfiles = [{}]\n\
         obtain = \"how to get it\"\nlicence = \"its terms\"\ncitation = \"who made it\"\n",
        reader.format.name(),
        files.join(", ")
    );
    Some((reader.name, text))
}

/// What a user whose files of `spec` are missing needs to know: what, where to get it, where
/// to put it, how to point at it. `root` is the data root that was searched.
pub fn describe_missing(
    declared: Option<&Declaration>,
    spec: &DataSpec,
    root: &Path,
    missing: &[String],
) -> String {
    let name = &spec.name;
    let mut text = match declared {
        Some(set) => format!("data set `{name}` ({}) is missing:\n", set.title),
        None => format!("data set `{name}` is missing:\n"),
    };
    for file in missing {
        text += &format!("    {}\n", root.join(name).join(file).display());
    }
    if let Some(set) = declared {
        let indented = |s: &str| s.trim().replace('\n', "\n        ");
        text += &format!("  get it: {}\n", indented(&set.obtain));
        text += &format!("  terms:  {}\n", indented(&set.licence));
    }
    if let DataSource::Files { files, .. } = &spec.source
        && !files.is_empty()
    {
        text += &format!("  files:  DIR/{name}/{{{}}}\n", files.join(", "));
        if let Some(set) = declared.filter(|s| !s.optional.is_empty()) {
            text += &format!(
                "          and, if you have them, {}\n",
                set.optional.join(", ")
            );
        }
    } else {
        text += "  make it: `frbench data synth` renders the sets of the face world\n";
    }
    text + "  then:   pass `--data DIR`, or set FRBENCH_DATA=DIR"
}
