//! A process that runs single iterations on request.
//!
//! One command a line comes in, one line of answer goes out:
//!
//! | command | answer |
//! |---|---|
//! | `case JSON` | sets a [`Case`] up, runs some iterations to warm up, and tells its facts as JSON |
//! | `step` | runs one iteration; its milliseconds |
//! | `wait` | milliseconds that the last `step` waited for its input |
//! | `operations` | runs one iteration and tells the time of its operations as JSON |
//! | `rss` | most memory so far in MiB, that of the GPU if one computes, or `unknown` |
//! | `quit` | `bye`, and the end; the end of the input is one, too |
//!
//! A command that fails is answered with `error: ...`, and the process goes on.

use super::case::Case;
use super::peak;
use super::work::{Iterate, facts, with};
use frbench_base::{Error, Result};
use frbench_engine::Device;
use std::io::{BufRead, Write};
use std::time::Duration;

/// What an answer to a command that failed begins with.
pub(super) const ERROR: &str = "error: ";

/// Answers commands until there are no more, with work on `device`.
///
/// # Errors
/// Only reading and writing.
pub fn serve(input: impl BufRead, output: impl Write, device: &Device) -> Result<()> {
    let mut session = Session {
        input,
        output,
        device,
        waited: Duration::ZERO,
    };
    let mut next = session.commands(None)?;
    while let Some(case) = next {
        let outcome = with(&case, device, |work| {
            for _ in 0..device.warm_ups() {
                work.step()?;
            }
            // An error of the connection is not one of the case.
            Ok(session.attend(work))
        });
        next = match outcome {
            Ok(ended) => ended?,
            Err(e) => {
                session.say(&format!("{ERROR}{e}"))?;
                session.commands(None)?
            }
        };
    }
    Ok(())
}

struct Session<'a, R, W> {
    input: R,
    output: W,
    device: &'a Device,
    /// Of the last iteration.
    waited: Duration,
}

impl<R: BufRead, W: Write> Session<'_, R, W> {
    fn attend(&mut self, work: &mut dyn Iterate) -> Result<Option<Case>> {
        let facts = json(&facts(work, self.device))?;
        self.say(&facts)?;
        self.commands(Some(work))
    }

    /// Answers commands until a case is named, which is returned, or there are no more.
    fn commands(&mut self, mut work: Option<&mut dyn Iterate>) -> Result<Option<Case>> {
        loop {
            let mut line = String::new();
            let read = self.input.read_line(&mut line);
            if read.map_err(|e| Error::io("standard input", e))? == 0 {
                return Ok(None);
            }
            let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            let answer = match command {
                "quit" => {
                    self.say("bye")?;
                    return Ok(None);
                }
                "case" => match serde_json::from_str(rest) {
                    Ok(case) => return Ok(Some(case)),
                    Err(e) => Err(Error::Usage(format!("not a case: {e}"))),
                },
                "step" => match &mut work {
                    Some(work) => self.device.time(|| work.step()).map(|(waited, ms)| {
                        self.waited = waited;
                        format!("{ms:.4}")
                    }),
                    None => Err(Error::Usage("`step` comes after `case`".into())),
                },
                "operations" => match &mut work {
                    Some(work) => operations(&mut **work),
                    None => Err(Error::Usage("`operations` comes after `case`".into())),
                },
                "wait" => Ok(milliseconds(self.waited)),
                "rss" => {
                    let peak = peak::memory_mib(self.device);
                    Ok(peak.map_or("unknown".into(), |m| format!("{m:.1}")))
                }
                other => Err(Error::Usage(format!(
                    "unknown command `{other}`, want case, step, wait, operations, rss or quit"
                ))),
            };
            self.say(&answer.unwrap_or_else(|e| format!("{ERROR}{e}")))?;
        }
    }

    fn say(&mut self, text: &str) -> Result<()> {
        let line = text.replace('\n', " ") + "\n";
        let sent = self.output.write_all(line.as_bytes());
        sent.and_then(|()| self.output.flush())
            .map_err(|e| Error::io("standard output", e))
    }
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::Bug(format!("an answer is not JSON: {e}")))
}

fn operations(work: &mut dyn Iterate) -> Result<String> {
    let clock = work.timed();
    work.step()?;
    json(&clock.take())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.4}", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::work::Facts;
    use frbench_engine::clock::Spent;
    use std::collections::BTreeMap;

    fn answers(input: &str) -> Vec<String> {
        let mut out = Vec::new();
        serve(input.as_bytes(), &mut out, &Device::CPU).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.lines().map(String::from).collect()
    }

    #[test]
    fn cases_can_follow_each_other_and_mistakes_are_survived() {
        let backbone =
            r#""backbone":{"name":"mobilefacenet","embedding":16,"params":{"width":0.125}}"#;
        let case = |work: &str, batch: usize| {
            format!(r#"case {{"work":"{work}",{backbone},"size":16,"batch":{batch},"classes":5}}"#)
        };
        let script = format!(
            "step\n{}\nstep\n{}\nstep\nnonsense\nrss\n{}\nstep\nquit\nstep\n",
            case("train", 4),
            case("embed", 0),
            case("embed", 3)
        );
        let out = answers(&script);
        let ms = |line: &str| line.parse::<f64>().is_ok_and(|ms| ms > 0.0);
        assert_eq!(out.len(), 10, "{out:?}");
        assert_eq!(out[0], "error: `step` comes after `case`");
        let facts: Facts = serde_json::from_str(&out[1]).unwrap();
        assert!(facts.parameters > 0 && facts.macs > 0 && facts.threads > 0);
        assert!(ms(&out[2]), "{out:?}");
        assert!(out[3].starts_with("error: a batch of 0 images"), "{out:?}");
        assert_eq!(out[4], out[0]);
        assert!(out[5].contains("unknown command `nonsense`"), "{out:?}");
        assert!(out[6] == "unknown" || ms(&out[6]), "{out:?}");
        assert!(out[7].contains("parameters") && ms(&out[8]), "{out:?}");
        assert_eq!(out[9], "bye");
        let out = answers(&format!("{}\noperations\n", case("train", 4)));
        let times: BTreeMap<String, Spent> = serde_json::from_str(&out[1]).unwrap();
        let (name, spent) = times
            .iter()
            .find(|(k, _)| k.starts_with("conv 3x3"))
            .unwrap();
        assert!(spent.calls > 0 && spent.ms > 0.0, "{name}");
    }
}
