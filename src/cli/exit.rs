//! How a command ends when nothing went wrong with the command itself.

/// The verdict of a command. Errors carry their own codes: [`crate::Error::exit_code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Everything asked for is done.
    Success,
    /// Work remains, for example in other shards.
    Incomplete,
    /// A golden case is not met.
    Missed,
    /// A claim is contradicted or undecided, and that was asked to be an error.
    Undecided,
    /// A code of [`crate::gate::verdict::code`].
    Night(u8),
}

impl ExitStatus {
    pub fn code(self) -> u8 {
        match self {
            ExitStatus::Success => 0,
            ExitStatus::Incomplete => 4,
            ExitStatus::Missed => 10,
            ExitStatus::Undecided => 11,
            ExitStatus::Night(code) => code,
        }
    }
}

/// The table of exit codes, as `--help` shows it.
pub const HELP: &str = "\
Exit codes:
   0  done
   1  a failed computation or a bug
   2  the command line or the suite is wrong
   3  a selection (method, seed, shard) matched nothing
   4  incomplete; the same command resumes it
   5  data is missing or is not what was pinned
  10  a golden case is missed (parity)
  11  a claim is contradicted or undecided, a suspected loss is undecided (with --strict)
  12  a value or a claim has regressed
  13  a value is not comparable with the baseline, or there is none
  75  stopped by the scheduler; queue again
Of several that hold on one night, the first of 1, 5, 12, 13, 4, 11 is taken.

Environment:
  FRBENCH_DATA    folder of data sets, where --data is not given
  FRBENCH_ISA     kernels to use: plain, avx2 or avx512 instead of the best this machine has
  FRBENCH_GRAPHS  `never`: a GPU is asked for every kernel by itself
  NO_COLOR        set to anything but nothing, switches colours off";
