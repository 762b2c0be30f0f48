//! Rendering a set of the face world, so that a folder that exists is a whole set, and so that a
//! rendering that was stopped goes on where it was.
//!
//! Until it is whole, a set `NAME` lies in `.NAME.part/` beside its place:
//!
//! | file | holds |
//! |---|---|
//! | `lock` | nothing; locked while a process renders the set |
//! | `images` | what is rendered: a [`Spool`] |
//! | `set/` | the files of the set, once all images are there; it becomes the set |

use super::observer::Observer;
use frbench_base::files::{is_at, sync_dir};
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_job::{Job, SynthSpec};
use frbench_synth::Spool;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What happens while a set is rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rendering {
    /// Another process renders the same set.
    Waiting,
    /// So many images are there already.
    Resumed(u64),
    /// What was there cannot be gone on from, and why.
    Dropped(String),
    /// Images done, and all of them.
    Rendered(u64, u64),
}

/// Is told what happens; an error stops the work, and what is rendered stays.
pub type Watch<'a> = &'a mut dyn FnMut(Rendering) -> Result<()>;

impl Rendering {
    /// Tells the observer of the job that renders.
    pub fn tell(&self, job: &Job, observer: &dyn Observer) {
        match self {
            Rendering::Waiting => observer.waiting(&[job]),
            Rendering::Resumed(at) => observer.resumed(job, *at, "image"),
            Rendering::Dropped(why) => observer.warn(why),
            Rendering::Rendered(done, total) => {
                observer.progress(job, *done, *total, "images", "rendered");
            }
        }
    }

    /// How far it is, for whoever stops it.
    pub fn state(&self) -> String {
        match self {
            Rendering::Rendered(done, total) => {
                format!("rendering, {done} of {total} images are kept")
            }
            _ => "rendering".into(),
        }
    }
}

/// Renders the set `name` into `root`, or waits until another process has. `key` is that of its
/// data job: what was rendered under another one is rendered again.
///
/// # Errors
/// What the face world and the disk refuse, and what `watch` returns.
pub fn render(synth: &SynthSpec, name: &str, root: &Path, key: &Key, watch: Watch) -> Result<()> {
    std::fs::create_dir_all(root).map_err(|e| Error::io(root, e))?;
    let (dir, part) = (root.join(name), part(root, name));
    let Some(_lock) = claim(&dir, &part, watch)? else {
        return Ok(());
    };
    let path = part.join("images");
    let mut how = OpenOptions::new();
    let file = how.read(true).write(true).create(true).truncate(false);
    let file = file.open(&path).map_err(|e| Error::io(&path, e))?;
    let (mut spool, dropped) = Spool::open(file, &path, key)?;
    if let Some(why) = dropped {
        let why = format!(
            "{}: {why}; the set is rendered from its start",
            path.display()
        );
        watch(Rendering::Dropped(why))?;
    }
    if !spool.is_empty() {
        watch(Rendering::Resumed(spool.len()))?;
    }
    frbench_synth::render(synth, &mut spool, &mut |done, total| {
        watch(Rendering::Rendered(done, total))
    })?;
    let set = part.join("set");
    // Left by a process that was killed while it wrote them.
    remove(&set)?;
    std::fs::create_dir(&set).map_err(|e| Error::io(&set, e))?;
    frbench_synth::assemble(synth, &spool, &set)?;
    sync_dir(&set);
    std::fs::rename(&set, &dir).map_err(|e| Error::io(&dir, e))?;
    sync_dir(root);
    // The set is whole. Another process may lock the leftovers right now; `tidy` removes them.
    let _ = remove(&part);
    Ok(())
}

/// Removes what a process left that was killed after the set had its name.
///
/// # Errors
/// [`Error::Io`].
pub fn tidy(name: &str, root: &Path) -> Result<()> {
    let part = part(root, name);
    if !part.exists() {
        return Ok(());
    }
    match lock(&part)? {
        Lock::Ours(_lock) => {
            let _ = remove(&part);
            Ok(())
        }
        Lock::Taken | Lock::Gone => Ok(()),
    }
}

fn part(root: &Path, name: &str) -> PathBuf {
    root.join(format!(".{name}.part"))
}

/// The right to render a set; none if it is there by the time that it is ours.
fn claim(dir: &Path, part: &Path, watch: Watch) -> Result<Option<File>> {
    loop {
        match std::fs::create_dir(part) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(Error::io(part, e)),
            _ => {}
        }
        match lock(part)? {
            Lock::Ours(lock) if !dir.exists() => return Ok(Some(lock)),
            Lock::Ours(_lock) => {
                let _ = remove(part);
                return Ok(None);
            }
            Lock::Taken => {
                watch(Rendering::Waiting)?;
                std::thread::sleep(Duration::from_millis(100));
            }
            // Another process has finished the set and removed it.
            Lock::Gone => {}
        }
    }
}

enum Lock {
    Ours(File),
    Taken,
    Gone,
}

fn lock(part: &Path) -> Result<Lock> {
    let path = part.join("lock");
    let mut how = OpenOptions::new();
    let file = how.read(true).write(true).create(true).truncate(false);
    let file = match file.open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Lock::Gone),
        Err(e) => return Err(Error::io(&path, e)),
    };
    match file.try_lock() {
        Ok(()) if is_at(&file, &path) => Ok(Lock::Ours(file)),
        Ok(()) => Ok(Lock::Gone),
        Err(TryLockError::WouldBlock) => Ok(Lock::Taken),
        Err(TryLockError::Error(e)) => Err(Error::io(&path, e)),
    }
}

fn remove(dir: &Path) -> Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io(dir, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// 600 images, in three chunks.
    fn set() -> (SynthSpec, Key) {
        let size = [("identities".to_string(), 60), ("images".to_string(), 10)];
        let spec = SynthSpec {
            world: "v1".into(),
            twin: "train".into(),
            size: size.into(),
        };
        let key = Key::of(&spec);
        (spec, key)
    }

    fn bytes(dir: &Path) -> BTreeMap<String, Vec<u8>> {
        let files = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap());
        let read = |f: std::fs::DirEntry| {
            let name = f.file_name().into_string().unwrap();
            (name, std::fs::read(f.path()).unwrap())
        };
        files.map(read).collect()
    }

    fn names(root: &Path) -> Vec<String> {
        let files = std::fs::read_dir(root).unwrap();
        files
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_stopped_rendering_goes_on_and_two_at_once_are_one() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let (spec, key) = set();
        let mut seen = Vec::new();
        render(&spec, "calm", root, &key, &mut |now| {
            seen.push(now);
            Ok(())
        })
        .unwrap();
        let steps = [256, 512, 600].map(|n| Rendering::Rendered(n, 600));
        assert_eq!(seen, steps);
        assert_eq!(names(root), ["calm"]);

        let stop = |_| Err(Error::Preempted("stop".into()));
        assert!(render(&spec, "shaken", root, &key, &mut { stop }).is_err());
        assert!(!root.join("shaken").exists());
        // While this one renders the rest, another one waits for it.
        let mut waited = 0;
        std::thread::scope(|s| {
            let other = || {
                let mut watch = |now| {
                    waited += usize::from(now == Rendering::Waiting);
                    Ok(())
                };
                render(&spec, "shaken", root, &key, &mut watch)
            };
            let mut seen = Vec::new();
            let mut other = Some(other);
            let mut handle = None;
            render(&spec, "shaken", root, &key, &mut |now| {
                if let Some(other) = other.take() {
                    handle = Some(s.spawn(other));
                    std::thread::sleep(Duration::from_millis(500));
                }
                seen.push(now);
                Ok(())
            })
            .unwrap();
            handle.unwrap().join().unwrap().unwrap();
            assert_eq!(seen[0], Rendering::Resumed(256));
            assert_eq!(seen[1..], steps[1..]);
        });
        assert!(waited > 0);
        assert_eq!(bytes(&root.join("calm")), bytes(&root.join("shaken")));
        assert_eq!(names(root).len(), 2, "{:?}", names(root));
    }

    #[test]
    fn what_another_program_rendered_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let (spec, key) = set();
        let part = part(root, "set");
        std::fs::create_dir(&part).unwrap();
        std::fs::write(part.join("images"), "something else").unwrap();
        let mut seen = Vec::new();
        let stopped = render(&spec, "set", root, &key, &mut |now| {
            seen.push(now);
            match seen.len() {
                1 => Ok(()),
                _ => Err(Error::Preempted("stop".into())),
            }
        });
        assert!(stopped.is_err());
        assert!(
            matches!(&seen[0], Rendering::Dropped(why) if why.contains("header")),
            "{seen:?}"
        );
        // What is left of a set that is there is removed.
        std::fs::create_dir(root.join("set")).unwrap();
        tidy("set", root).unwrap();
        assert_eq!(names(root), ["set"]);
        tidy("set", root).unwrap();
    }
}
