//! The library's error type and the exit codes that follow from it.

use std::path::{Path, PathBuf};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, grouped by what the user should do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or a suite is wrong. The message is complete, with
    /// `file:line:column` where a file is meant.
    #[error("{0}")]
    Usage(String),
    /// A selection (method, seed, shard, ...) matched nothing.
    #[error("{0}")]
    NothingSelected(String),
    /// Data is missing, malformed, or not what was pinned.
    #[error("{0}")]
    Data(String),
    /// Work remains; running the same command again resumes it.
    #[error("{0}")]
    Incomplete(String),
    /// Asked to stop by the scheduler; please queue again.
    #[error("{0}")]
    Preempted(String),
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[cfg(feature = "candle")]
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// An expected failure while computing (shape mismatch, NaN loss, ...).
    #[error("{0}")]
    Compute(String),
    /// A bug in frbench.
    #[error("internal error: {0}")]
    Bug(String),
}

impl Error {
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io {
            path: path.as_ref().to_path_buf(),
            source,
        }
    }

    /// The documented exit code of a run that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::NothingSelected(_) => 3,
            Error::Incomplete(_) => 4,
            Error::Data(_) => 5,
            Error::Preempted(_) => 75,
            #[cfg(feature = "candle")]
            Error::Candle(_) => 1,
            Error::Io { .. } | Error::Compute(_) | Error::Bug(_) => 1,
        }
    }
}
