//! What lies below a folder: the same files in the same order for all who ask.
//!
//! Links to files and to folders are followed. Left out are hidden files and folders (their
//! names begin with `.`) and `__MACOSX`, which archives made on a Mac carry along; they are
//! counted. Nothing else is left out: what can be neither read nor entered is an error.

use crate::watch::{Steps, Watch};
use frbench_base::{Error, Result};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// What lies below a folder. Paths are relative to it, in bytewise order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Regular files.
    pub files: Vec<PathBuf>,
    pub folders: Vec<PathBuf>,
    /// Links that were followed, to files and to folders.
    pub links: u64,
    /// What was left out, counted by what it is: `hidden`, `__MACOSX`.
    pub ignored: BTreeMap<String, u64>,
}

/// Lists everything below `dir`.
///
/// # Errors
/// [`Error::Data`] with the path: `dir` is missing, a link leads nowhere or back to a folder
/// that it lies in, or something is neither file nor folder. [`Error::Io`] for what cannot be
/// read. What `watch` returns.
pub fn walk(dir: &Path, watch: Watch) -> Result<Walk> {
    let mut walk = Walk::default();
    let real = dir.canonicalize().map_err(|e| unreadable(dir, e))?;
    walk.enter(dir, Path::new(""), &mut vec![real], &Steps::new(watch))?;
    let order = |a: &PathBuf, b: &PathBuf| bytes(a).cmp(bytes(b));
    walk.files.sort_unstable_by(order);
    walk.folders.sort_unstable_by(order);
    Ok(walk)
}

impl Walk {
    /// Lists the folder `relative` to `root`. `inside` are the real paths of the folders that
    /// the walk was begun in and that links have led to on the way.
    fn enter(
        &mut self,
        root: &Path,
        relative: &Path,
        inside: &mut Vec<PathBuf>,
        steps: &Steps,
    ) -> Result<()> {
        steps.next()?;
        let folder = root.join(relative);
        let failed = |e| unreadable(&folder, e);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            steps.next()?;
            let entry = entry.map_err(failed)?;
            match left_out(&entry.file_name()) {
                Some(kind) => *self.ignored.entry(kind.to_string()).or_default() += 1,
                None => entries.push((entry.file_name(), entry.file_type().map_err(failed)?)),
            }
        }
        // The first error is the same on every machine.
        entries.sort_unstable_by(|a, b| a.0.as_encoded_bytes().cmp(b.0.as_encoded_bytes()));
        for (name, kind) in entries {
            steps.next()?;
            let (relative, path) = (relative.join(&name), folder.join(&name));
            if kind.is_file() {
                self.files.push(relative);
            } else if kind.is_dir() {
                self.enter(root, &relative, inside, steps)?;
                self.folders.push(relative);
            } else if kind.is_symlink() {
                self.links += 1;
                if !followed(&path)?.is_dir() {
                    regular(&path)?;
                    self.files.push(relative);
                    continue;
                }
                inside.push(target(&path, &folder, inside)?);
                self.enter(root, &relative, inside, steps)?;
                inside.pop();
                self.folders.push(relative);
            } else {
                regular(&path)?;
            }
        }
        Ok(())
    }
}

/// The real path of the folder that the link `path` in `folder` leads to.
fn target(path: &Path, folder: &Path, inside: &[PathBuf]) -> Result<PathBuf> {
    let real = |p: &Path| p.canonicalize().map_err(|e| unreadable(p, e));
    let (target, folder) = (real(path)?, real(folder)?);
    let around = inside.iter().chain([&folder]);
    match around.into_iter().any(|f| f.starts_with(&target)) {
        false => Ok(target),
        true => Err(Error::Data(format!(
            "{}: a link to `{}`, a folder that it lies in; following it would never end",
            path.display(),
            target.display()
        ))),
    }
}

/// Why a file or folder of this name is no part of a set, if so.
pub fn left_out(name: &OsStr) -> Option<&'static str> {
    match name.as_encoded_bytes() {
        b"__MACOSX" => Some("__MACOSX"),
        [b'.', ..] => Some("hidden"),
        _ => None,
    }
}

/// The first part of a path that a walk leaves out, with the reason.
pub fn part_left_out(path: &Path) -> Option<(&OsStr, &'static str)> {
    path.components().find_map(|part| match part {
        Component::Normal(name) => left_out(name).map(|reason| (name, reason)),
        _ => None,
    })
}

/// What is known of a regular file, or of the one that a link leads to. It is not opened: opening
/// a FIFO waits for a writer.
///
/// # Errors
/// [`Error::Data`] with the path and what is there instead.
pub fn regular(path: &Path) -> Result<Metadata> {
    let found = followed(path)?;
    match found.is_file() {
        true => Ok(found),
        false => Err(Error::Data(format!(
            "{}: {}, want a file",
            path.display(),
            kind(&found)
        ))),
    }
}

/// Metadata of what a path leads to.
fn followed(path: &Path) -> Result<Metadata> {
    std::fs::metadata(path).map_err(|e| match std::fs::read_link(path) {
        Ok(to) => Error::Data(format!(
            "{}: a link to `{}`, which cannot be followed ({})",
            path.display(),
            to.display(),
            match e.kind() {
                ErrorKind::NotFound => "there is nothing".to_string(),
                _ => e.to_string(),
            }
        )),
        Err(_) => unreadable(path, e),
    })
}

fn kind(found: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = found.file_type();
        if kind.is_fifo() {
            return "a FIFO (named pipe)";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    match found.is_dir() {
        true => "a folder",
        false => "neither a file nor a folder",
    }
}

/// The error for a path that cannot be read.
pub fn unreadable(path: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::Data(format!("{}: missing", path.display())),
        ErrorKind::NotADirectory => Error::Data(format!("{}: not a folder", path.display())),
        _ => Error::io(path, error),
    }
}

/// The bytes of a path, which it is ordered by.
pub fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// Counts of what was left out in words, `3 .bmp, 1 hidden`; empty for none.
pub fn in_words(ignored: &BTreeMap<String, u64>) -> String {
    let items: Vec<String> = ignored.iter().map(|(k, n)| format!("{n} {k}")).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::UNWATCHED;

    fn put(path: PathBuf) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }

    fn listed(dir: &Path) -> Walk {
        walk(dir, UNWATCHED).unwrap()
    }

    fn paths(of: &[PathBuf]) -> Vec<&str> {
        of.iter().map(|p| p.to_str().unwrap()).collect()
    }

    #[test]
    fn files_are_in_bytewise_order_and_what_is_left_out_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "b/2",
            "a-/x",
            "a/y",
            "B/d/e",
            "c",
            ".x",
            "a/.y",
            "__MACOSX/z",
            ".git/a/b",
        ] {
            put(dir.path().join(file));
        }
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        let found = listed(dir.path());
        assert_eq!(paths(&found.files), ["B/d/e", "a-/x", "a/y", "b/2", "c"]);
        assert_eq!(paths(&found.folders), ["B", "B/d", "a", "a-", "b", "empty"]);
        assert_eq!(in_words(&found.ignored), "1 __MACOSX, 3 hidden");
        assert_eq!(found.links, 0);
        let error = walk(dir.path(), &|_, _, _| Err(Error::Incomplete("stop".into())));
        assert_eq!(error.unwrap_err().exit_code(), 4);
        let missing = walk(&dir.path().join("no"), UNWATCHED).unwrap_err();
        assert_eq!(missing.exit_code(), 5);
    }

    #[cfg(unix)]
    mod links {
        use super::*;
        use std::os::unix::fs::symlink;

        /// The message of a walk that fails, which names `at`.
        fn refused(dir: &Path, at: &str) -> String {
            let error = walk(dir, UNWATCHED).unwrap_err();
            assert_eq!(error.exit_code(), 5);
            let path = dir.join(at).display().to_string();
            assert!(error.to_string().starts_with(&path), "{error}");
            error.to_string()
        }

        #[test]
        fn links_to_files_and_folders_are_followed() {
            let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            put(other.path().join("sub/2"));
            put(dir.path().join("a/1"));
            symlink(other.path(), dir.path().join("b")).unwrap();
            symlink("1", dir.path().join("a/3")).unwrap();
            // Twice the same is no circle.
            symlink("a", dir.path().join("c")).unwrap();
            symlink("nowhere", dir.path().join(".hidden")).unwrap();
            let found = listed(dir.path());
            assert_eq!(paths(&found.files), ["a/1", "a/3", "b/sub/2", "c/1", "c/3"]);
            assert_eq!(paths(&found.folders), ["a", "b", "b/sub", "c"]);
            // Those below `c` are counted where they are found again.
            assert_eq!(found.links, 4);
        }

        #[test]
        fn circles_and_links_to_nothing_are_refused() {
            for (link, to) in [("a/up", ".."), ("a/self", "."), ("a/root", "/")] {
                let dir = tempfile::tempdir().unwrap();
                put(dir.path().join("a/1"));
                symlink(to, dir.path().join(link)).unwrap();
                let text = refused(dir.path(), link);
                assert!(text.contains("never end"), "{text}");
            }
            // Through a folder elsewhere, and back.
            let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            symlink(other.path(), dir.path().join("a")).unwrap();
            symlink(dir.path(), other.path().join("b")).unwrap();
            refused(dir.path(), "a/b");
            let dir = tempfile::tempdir().unwrap();
            symlink("gone", dir.path().join("x.jpg")).unwrap();
            assert!(refused(dir.path(), "x.jpg").contains("`gone`"));
            let dir = tempfile::tempdir().unwrap();
            symlink("x", dir.path().join("x")).unwrap();
            refused(dir.path(), "x");
        }

        #[test]
        fn what_is_neither_file_nor_folder_is_refused_unopened() {
            let dir = tempfile::tempdir().unwrap();
            let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
            assert!(refused(dir.path(), "s").contains("a socket"));
            let dir = tempfile::tempdir().unwrap();
            symlink("/dev/zero", dir.path().join("z")).unwrap();
            assert!(refused(dir.path(), "z").contains("a device"));
            let folder = regular(dir.path()).unwrap_err().to_string();
            assert!(folder.ends_with("a folder, want a file"), "{folder}");
        }
    }
}
