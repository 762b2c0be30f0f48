//! Atomic files.

use crate::{Error, Result};
use std::io::Write;
use std::path::Path;

/// Writes `text` beside `path`, syncs it and renames it into place.
pub(super) fn replace(path: &Path, text: &str) -> Result<()> {
    let wrong = |e| Error::io(path, e);
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(wrong)?;
    file.write_all(text.as_bytes()).map_err(wrong)?;
    readable(file.as_file()).map_err(wrong)?;
    file.as_file().sync_all().map_err(wrong)?;
    file.persist(path).map_err(|e| wrong(e.error))?;
    Ok(())
}

/// Temporary files are private; a report is for the group.
#[cfg(unix)]
fn readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}
