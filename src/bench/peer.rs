//! PyTorch at the same cases: the programs of `benches/peer`, which frbench carries along.

use super::drive::Contender;
use frbench_base::{Error, Result};
use frbench_engine::Device;
use serde_json::Value;
use std::ffi::OsString;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const PROGRAM: &str = "contender.py";
const FILES: [(&str, &str); 2] = [
    (PROGRAM, include_str!("../../benches/peer/contender.py")),
    ("nets.py", include_str!("../../benches/peer/nets.py")),
];

/// As `contender.py` calls them, and as people do.
const KINDS: [(&str, &str); 2] = [("tuned", "eager"), ("compiled", "compiled")];

/// A PyTorch that computes on the same device.
pub struct Torch {
    folder: TempDir,
    python: OsString,
    device: String,
    /// Its versions.
    pub facts: Value,
}

impl Torch {
    /// That of `$PYTHON`, or of `python3`.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none, or it cannot compute on this device.
    pub fn find(device: &Device) -> Result<Torch> {
        let folder = tempfile::tempdir().map_err(|e| Error::io("a temporary folder", e))?;
        for (name, text) in FILES {
            let path = folder.path().join(name);
            std::fs::write(&path, text).map_err(|e| Error::io(&path, e))?;
        }
        let mut torch = Torch {
            folder,
            python: std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()),
            device: device.name(),
            facts: Value::Null,
        };
        let python = torch.python.to_string_lossy().into_owned();
        let wrong = |why: &str| {
            Error::Usage(format!(
                "`--peer torch` wants a Python whose torch computes on {}, and `{python}` is \
                 none ({why}); name another in the variable PYTHON",
                device.name()
            ))
        };
        let out = torch.command("probe").output();
        let out = out.map_err(|e| wrong(&e.to_string()))?;
        if !out.status.success() {
            let text = String::from_utf8_lossy(&out.stderr);
            return Err(wrong(text.trim().lines().last().unwrap_or("it fails")));
        }
        torch.facts = serde_json::from_slice(&out.stdout).map_err(|e| wrong(&e.to_string()))?;
        Ok(torch)
    }

    pub fn contenders(&self) -> Vec<Contender<'_>> {
        let contender = |(kind, name): (&'static str, &'static str)| Contender {
            name,
            start: Box::new(move || Ok(self.command(kind))),
        };
        KINDS.map(contender).into()
    }

    fn command(&self, kind: &str) -> Command {
        let threads = rayon::current_num_threads().to_string();
        let mut command = Command::new(&self.python);
        command
            .arg(self.folder.path().join(PROGRAM))
            .args([kind, &threads, &self.device])
            .env("OMP_NUM_THREADS", &threads)
            .env("OMP_PROC_BIND", "true")
            // glibc keeps what is freed, instead of giving it back to the system in every step.
            .env("MALLOC_MMAP_MAX_", "0")
            .env("MALLOC_TRIM_THRESHOLD_", (1u64 << 40).to_string())
            // What goes wrong is answered.
            .stderr(Stdio::null());
        if kind == "probe" {
            command.stderr(Stdio::piped());
        }
        command
    }
}
