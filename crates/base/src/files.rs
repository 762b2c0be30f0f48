//! Files that are never half-written.

use crate::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};
use tempfile::NamedTempFile;

/// How names of files on their way begin.
const UNDERWAY: &str = ".frbench-new-";

/// A file on its way: it gets its name when it is whole, and leaves nothing behind if it does not
/// come to that, but for a kill, after which [`sweep`] removes it. A reader sees the old content
/// or the new one, also after a power cut.
pub struct NewFile {
    file: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl NewFile {
    /// Begins what will be `path`, beside it; the folder must exist.
    ///
    /// # Errors
    /// [`Error::Io`] that names the folder.
    pub fn create(path: impl Into<PathBuf>) -> Result<NewFile> {
        let path = path.into();
        let dir = folder(&path);
        let file = temporary(dir).map_err(|e| Error::io(dir, e))?;
        Ok(NewFile {
            file: BufWriter::with_capacity(1 << 20, file),
            path,
        })
    }

    /// The name that it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, after all of it has reached the disk.
    ///
    /// # Errors
    /// [`Error::Io`] that names the file.
    pub fn publish(self) -> Result<()> {
        let NewFile { file, path } = self;
        let failed = |e| Error::io(&path, e);
        let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|e| failed(e.error))?;
        sync_dir(folder(&path));
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Seek for NewFile {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

/// Write `bytes` to `path`, whose folder is made if need be; see [`NewFile`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = folder(path);
    std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    let mut file = NewFile::create(path)?;
    file.write_all(bytes).map_err(|e| Error::io(path, e))?;
    make_readable(file.file.get_ref().as_file());
    file.publish()
}

/// Gives a file that was written under the name `part`, and can be continued there after a kill,
/// its own name, after all of it has reached the disk.
///
/// # Errors
/// [`Error::Io`], also where the rename itself would not survive a power cut.
pub fn publish_part(file: &File, part: &Path, path: &Path) -> Result<()> {
    file.sync_all().map_err(|e| Error::io(part, e))?;
    std::fs::rename(part, path).map_err(|e| Error::io(path, e))?;
    let dir = folder(path);
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(|e| Error::io(dir, e))
}

/// A file without its name in `dir`, readable as the user's mask says, and locked: it is somebody's.
fn temporary(dir: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(UNDERWAY);
    #[cfg(unix)]
    let builder = {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666))
    };
    loop {
        let file = builder.tempfile_in(dir)?;
        match file.as_file().try_lock() {
            Ok(()) if is_at(file.as_file(), file.path()) => return Ok(file),
            // Swept away between its creation and its lock: another one.
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            // A file system without locks: nothing is swept there either.
            Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// Removes from `dir` what processes that were killed left on its way. A file whose process
/// lives is locked and stays.
pub fn sweep(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let underway = entry.file_name().to_string_lossy().starts_with(UNDERWAY);
        if !underway || !entry.file_type().is_ok_and(|t| t.is_file()) {
            continue;
        }
        let path = entry.path();
        let Ok(file) = OpenOptions::new().write(true).open(&path) else {
            continue;
        };
        if file.try_lock().is_ok() && is_at(&file, &path) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Whether `path` still names the open `file`. It does not once somebody has removed or renamed
/// it before the lock on it was taken.
pub fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = |m: std::fs::Metadata| (m.dev(), m.ino());
        let (open, named) = (file.metadata().map(id), std::fs::metadata(path).map(id));
        matches!((open, named), (Ok(a), Ok(b)) if a == b)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Results are meant to be read by a group, whatever the mask of the user.
fn make_readable(file: &File) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let _ = file.set_permissions(std::fs::Permissions::from_mode(0o644));
    }
    #[cfg(not(unix))]
    let _ = file;
}

/// Make a rename in `dir` durable. Best effort: not every file system can.
pub fn sync_dir(dir: &Path) {
    if let Ok(d) = File::open(dir) {
        let _ = d.sync_all();
    }
}

/// Where `path` leads: links are followed as far as it exists, and what does not exist yet keeps its
/// name. The empty path, which is the parent of a bare name, is the current folder.
///
/// # Errors
/// [`Error::Io`] without a current folder.
pub fn resolved(path: &Path) -> Result<PathBuf> {
    let path = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    let whole = std::path::absolute(path).map_err(|e| Error::io(path, e))?;
    let mut here = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => {
                here.pop();
            }
            part => here.push(part),
        }
        here = here.canonicalize().unwrap_or(here);
    }
    Ok(here)
}

/// The content of `path`, or the error that names it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io(path, e))
}

/// `value` as indented JSON, written atomically.
pub fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| Error::Bug(e.to_string()))?;
    text.push(b'\n');
    write_atomic(path, &text)
}

/// JSON of a known type; a file that is not is named with line and column.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_slice(&read(path)?).map_err(|e| {
        Error::Data(format!(
            "{}:{}:{}: not what frbench wrote there: {e}",
            path.display(),
            e.line(),
            e.column()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.txt");
        write_atomic(&path, b"old").unwrap();
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"0123").unwrap();
        file.seek(SeekFrom::Start(1)).unwrap();
        file.write_all(b"x").unwrap();
        assert_eq!(read(&path).unwrap(), b"old");
        file.publish().unwrap();
        assert_eq!(read(&path).unwrap(), b"0x23");
        drop(NewFile::create(&path).unwrap());
        let left = std::fs::read_dir(dir.path().join("a")).unwrap().count();
        assert_eq!(left, 1, "what is not published leaves nothing behind");
    }

    #[test]
    #[cfg(unix)]
    fn a_place_is_known_by_where_its_links_lead() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(dir.join("a/b")).unwrap();
        std::os::unix::fs::symlink(dir.join("a/b"), dir.join("link")).unwrap();
        for (path, leads) in [
            ("link", "a/b"),
            ("link/new/c.png", "a/b/new/c.png"),
            ("link/..", "a"),
            ("new/../a/./b", "a/b"),
        ] {
            assert_eq!(
                resolved(&dir.join(path)).unwrap(),
                dir.join(leads),
                "{path}"
            );
        }
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_what_a_live_one_writes_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let names = || std::fs::read_dir(dir.path()).unwrap().count();
        let live = NewFile::create(dir.path().join("live")).unwrap();
        // A kill takes the lock away and leaves the file.
        let (_, dead) = temporary(dir.path()).unwrap().keep().unwrap();
        std::fs::write(dir.path().join("other"), b"").unwrap();
        assert_eq!(names(), 3);
        sweep(dir.path());
        assert!(!dead.exists());
        assert_eq!(names(), 2);
        live.publish().unwrap();
        sweep(dir.path());
        assert_eq!(names(), 2);
    }
}
