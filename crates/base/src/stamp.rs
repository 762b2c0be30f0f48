//! Whether a file can have changed since it was read, without reading it again.

use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::time::{Duration, SystemTime};

/// What tells a file apart from its successor: its size and inode, when it was written, and
/// when that or anything else of it was last changed. Programs can set the first time back, but
/// not the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    pub bytes: u64,
    /// Nanoseconds since 1970, as the next.
    pub modified: i64,
    pub changed: i64,
    pub inode: u64,
}

/// Within one tick of a file system's clock a file can change twice and bear one time. The coarsest
/// of these clocks tick every two seconds.
const SETTLED: Duration = Duration::from_secs(2);

impl Stamp {
    /// The stamp of a file whose metadata were read at `now`. None where it would prove
    /// nothing: the file is too young, or the system does not record when files change.
    pub fn of(found: &Metadata, now: SystemTime) -> Option<Stamp> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let nanoseconds = |s: i64, ns: i64| s.checked_mul(1_000_000_000)?.checked_add(ns);
            let stamp = Stamp {
                bytes: found.len(),
                modified: nanoseconds(found.mtime(), found.mtime_nsec())?,
                changed: nanoseconds(found.ctime(), found.ctime_nsec())?,
                inode: found.ino(),
            };
            let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            let settled = now.checked_sub(SETTLED)?.as_nanos();
            (i128::from(stamp.changed) <= settled as i128).then_some(stamp)
        }
        #[cfg(not(unix))]
        {
            let _ = (found, now);
            None
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_young_file_has_no_stamp_and_an_edit_with_restored_time_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, b"1").unwrap();
        let found = || std::fs::metadata(&path).unwrap();
        let now = SystemTime::now();
        assert_eq!(Stamp::of(&found(), now), None);
        let later = now + Duration::from_secs(3);
        let before = Stamp::of(&found(), later).unwrap();
        let time = found().modified().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        std::fs::write(&path, b"2").unwrap();
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
        let after = Stamp::of(&found(), later).unwrap();
        assert_eq!(
            (before.bytes, before.modified),
            (after.bytes, after.modified)
        );
        assert_ne!(before, after);
    }
}
