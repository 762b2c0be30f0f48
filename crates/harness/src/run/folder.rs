//! The folder of one job: its files, its event log, and the lock on it.

use super::checkpoint::CHECKPOINT;
use super::own::{self, Damage};
use super::seal::{self, Seal};
use super::stop::Stop;
use frbench_base::files;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_job::Job;
use frbench_job::result::JobResult;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a finished job has found.
pub const RESULT: &str = "result.json";
const DONE: &str = "done";

/// `runs/<cache key>/`.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    pub fn new(runs: &Path, key: &Key) -> Self {
        RunFolder {
            path: runs.join(&key.0),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of this folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn is_done(&self) -> bool {
        self.file(DONE).exists()
    }

    /// Gives a file the first free name `NAME.damaged-N`, which is returned; none if there is no
    /// such file.
    fn set_aside(&self, name: &str) -> Result<Option<String>> {
        let path = self.file(name);
        let free = |n: &u32| {
            let aside = self.file(&format!("{name}.damaged-{n}"));
            aside.symlink_metadata().is_err()
        };
        let aside = (1..u32::MAX).find(free).unwrap_or(u32::MAX);
        let aside = format!("{name}.damaged-{aside}");
        match std::fs::rename(&path, self.file(&aside)) {
            Ok(()) => Ok(Some(aside)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(&path, e)),
        }
    }

    /// Takes back that the job is done, because of what `why` names. Waits for another process
    /// that is about to do the same.
    pub fn reopen(&self, why: &[String], stop: &Stop) -> Result<()> {
        while self.is_done() {
            if let Some(mut lock) = self.claim()? {
                lock.event("reopened", json!({ "because": why }))?;
                let done = self.file("done");
                std::fs::remove_file(&done).map_err(|e| Error::io(&done, e))?;
                files::sync_dir(&self.path);
                return Ok(());
            }
            stop.check("waiting for another process")?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Take the job, unless another live process has it. The lock is the operating system's
    /// and goes with the process, however it ends.
    pub fn claim(&self) -> Result<Option<JobLock>> {
        std::fs::create_dir_all(&self.path).map_err(|e| Error::io(&self.path, e))?;
        let path = self.file("lock");
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io(&path, e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(Error::io(&path, e)),
        }
        let events = self.file("events.jsonl");
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&events)
            .map_err(|e| Error::io(&events, e))?;
        beat(&mut lock).map_err(|e| Error::io(&path, e))?;
        // Only the owner of the lock writes here.
        files::sweep(&self.path);
        let again = log.metadata().is_ok_and(|m| m.len() > 0);
        Ok(Some(JobLock {
            folder: self.clone(),
            lock,
            log,
            again,
            beaten: Instant::now(),
        }))
    }
}

/// Who holds the lock and when they last said so: for people, and for file systems whose
/// locks do not cross hosts.
fn beat(lock: &mut File) -> std::io::Result<()> {
    let owner = json!({
        "pid": std::process::id(),
        "host": super::environment::host(),
        "heartbeat": now(),
    });
    lock.set_len(0)?;
    lock.rewind()?;
    lock.write_all(owner.to_string().as_bytes())
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

/// The right to work in a job's folder.
#[derive(Debug)]
pub struct JobLock {
    folder: RunFolder,
    lock: File,
    log: File,
    again: bool,
    beaten: Instant,
}

impl JobLock {
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Whether an earlier process has begun this job and not finished it.
    pub fn again(&self) -> bool {
        self.again
    }

    /// Write what is about to be run, and where, before anything else.
    pub fn begin(&mut self, job: &Job, env: &Value) -> Result<()> {
        files::write_json(
            &self.folder.file("spec.json"),
            &json!({
                "label": job.label,
                "key": job.key,
                "comparison": job.comparison,
                "needs": job.needs,
                "spec": job.spec,
                "made_of": super::explain::made_of(job),
            }),
        )?;
        files::write_json(&self.folder.file("env.json"), env)?;
        self.event(
            "claimed",
            json!({ "pid": std::process::id(), "host": super::environment::host() }),
        )
    }

    /// Append one line to `events.jsonl`.
    pub fn event(&mut self, event: &str, details: Value) -> Result<()> {
        let mut line = Map::new();
        line.insert("time".into(), json!(now()));
        line.insert("event".into(), json!(event));
        if let Value::Object(details) = details {
            line.extend(details);
        }
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        let path = self.folder.file("events.jsonl");
        self.log
            .write_all(text.as_bytes())
            .map_err(|e| Error::io(path, e))
    }

    /// Refresh the owner's note at most every few seconds.
    pub fn heartbeat(&mut self) {
        if self.beaten.elapsed() > Duration::from_secs(10) {
            // A failed note does not endanger the work: the lock itself is held.
            let _ = beat(&mut self.lock);
            self.beaten = Instant::now();
        }
    }

    /// Write the result, tied to the job `key`, to all that the job leaves and to what it was
    /// made from, and, last of all, `done`.
    pub fn finish(
        mut self,
        key: &Key,
        result: &JobResult,
        inputs: BTreeMap<Key, String>,
        seconds: f64,
    ) -> Result<()> {
        let seal = Seal::new(key, own::left(&self.folder, result)?, inputs);
        seal::write(&self.folder.file(RESULT), result, seal)?;
        self.event("finished", json!({ "seconds": seconds }))?;
        let path = self.folder.file("events.jsonl");
        self.log.sync_all().map_err(|e| Error::io(path, e))?;
        files::write_atomic(&self.folder.file(DONE), b"")
    }

    /// Sets aside a file that is not what this job wrote, `what` being wrong with it. The text
    /// says what was done with it.
    pub fn set_aside(&mut self, name: &str, what: &str) -> Result<String> {
        let aside = self.folder.set_aside(name)?;
        let path = self.folder.file(name);
        let (aside, text) = match aside {
            Some(aside) => {
                let text = format!("{}: {what}; set aside as {aside}", path.display());
                (json!(aside), text)
            }
            None => (Value::Null, format!("{}: {what}", path.display())),
        };
        self.event(
            "damaged",
            json!({ "file": name, "what": what, "set_aside_as": aside }),
        )?;
        Ok(text)
    }

    /// Makes a finished job an open one: something is wrong with it. The text says what, and
    /// what was done with it; `label` is that of the job it was made from, if it is that.
    pub fn reopen(&mut self, damage: &Damage, label: &str) -> Result<String> {
        let done = self.folder.file(DONE);
        match std::fs::remove_file(&done) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io(&done, e)),
            _ => files::sync_dir(&self.folder.path),
        }
        match damage {
            Damage::File { name, what } => self.set_aside(name, what),
            Damage::Earlier => {
                self.event("earlier", json!({ "file": CHECKPOINT }))?;
                Ok(damage.text(&self.folder))
            }
            Damage::Inputs(_) => {
                self.event("outdated", json!({ "made_from": label }))?;
                Ok(format!(
                    "{}: made from files of `{label}` that are there no more",
                    self.folder.path.display()
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_claim_at_a_time_and_events_are_appended() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(dir.path(), &Key("k".into()));
        let mut lock = folder.claim().unwrap().expect("free");
        assert!(
            folder.claim().unwrap().is_none(),
            "the second lock must fail"
        );
        lock.event("a", json!({"x": 1})).unwrap();
        drop(lock);
        let mut again = folder.claim().unwrap().expect("free again");
        again.event("b", json!({})).unwrap();
        let log = std::fs::read_to_string(folder.file("events.jsonl")).unwrap();
        let events: Vec<Value> = log
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(events.len(), 2);
        assert_eq!(
            (events[0]["event"].as_str(), events[0]["x"].as_u64()),
            (Some("a"), Some(1))
        );
        assert!(!folder.is_done());
        drop(again);
        files::write_atomic(&folder.file("done"), b"").unwrap();
        folder.reopen(&["a".into()], &Stop::default()).unwrap();
        assert!(!folder.is_done());
    }

    #[test]
    fn what_is_set_aside_keeps_a_name_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(dir.path(), &Key("k".into()));
        let mut lock = folder.claim().unwrap().expect("free");
        for n in 1..3 {
            std::fs::write(folder.file("a"), n.to_string()).unwrap();
            let text = lock.set_aside("a", "it is odd").unwrap();
            let want = format!("/k/a: it is odd; set aside as a.damaged-{n}");
            assert!(text.ends_with(&want), "{text}");
            let kept = std::fs::read_to_string(folder.file(&format!("a.damaged-{n}")));
            assert_eq!(kept.unwrap(), n.to_string());
        }
        let text = lock.set_aside("a", "it is gone").unwrap();
        assert!(text.ends_with("/k/a: it is gone"), "{text}");
    }
}
