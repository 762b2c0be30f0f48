//! Measures a case in a process of its own.

use super::case::Case;
use super::work::Facts;
use super::{median, serve};
use crate::nn::clock::Spent;
use crate::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// How fast a case is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    #[serde(flatten)]
    pub case: Case,
    #[serde(flatten)]
    pub facts: Facts,
    pub rounds: usize,
    /// Milliseconds of one iteration.
    pub median_ms: f64,
    pub min_ms: f64,
    /// At the median.
    pub images_per_second: f64,
    /// `2 x MACs` for a forward pass, three times that for a training step, at the median.
    pub gflops: f64,
    /// Share of the time that iterations waited for their input.
    pub input_wait: f64,
    /// Calls and milliseconds of each operation of the network in one iteration.
    pub operations: BTreeMap<String, Spent>,
    /// The process's peak, where the system tells.
    pub peak_mib: Option<f64>,
}

/// Runs the case `rounds` times after a warm-up. `command` starts a process that answers commands ([`serve()`]).
pub fn measure(case: &Case, rounds: usize, command: Command) -> Result<Measured> {
    let mut server = Server::spawn(command)?;
    let facts: Facts = serde_json::from_str(&server.ask(&format!("case {}", json(case)?))?)
        .map_err(|e| Error::Bug(format!("the measuring process told no facts: {e}")))?;
    let mut times = Vec::with_capacity(rounds);
    let mut waited = 0.0;
    for _ in 0..rounds {
        times.push(server.time("step")?);
        waited += server.time("wait")?;
    }
    let peak_mib = server.ask("rss")?.parse().ok();
    let operations = server.ask("operations")?;
    let operations = serde_json::from_str(&operations)
        .map_err(|e| Error::Bug(format!("the measuring process told no operations: {e}")))?;
    server.ask("quit")?;
    let median_ms = median(&times);
    let images_per_second = case.batch as f64 * 1e3 / median_ms;
    Ok(Measured {
        images_per_second,
        gflops: 2e-9 * facts.macs as f64 * case.work.passes() * images_per_second,
        case: case.clone(),
        facts,
        rounds,
        median_ms,
        min_ms: times.iter().copied().fold(f64::INFINITY, f64::min),
        input_wait: (waited / times.iter().sum::<f64>()).min(1.0),
        operations,
        peak_mib,
    })
}

fn json(case: &Case) -> Result<String> {
    serde_json::to_string(case).map_err(|e| Error::Bug(format!("a case is not JSON: {e}")))
}

/// A process that answers one line with one line; it ends with this value.
struct Server {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    fn spawn(mut command: Command) -> Result<Self> {
        let program = command.get_program().to_os_string();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| Error::io(&program, e))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(commands), Some(answers)) => Ok(Server {
                child,
                commands,
                answers: BufReader::new(answers),
            }),
            _ => Err(Error::Bug("a child process without pipes".into())),
        }
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        let failed = |e| Error::io("the measuring process", e);
        writeln!(self.commands, "{command}").map_err(failed)?;
        let mut line = String::new();
        if self.answers.read_line(&mut line).map_err(failed)? == 0 {
            return Err(Error::Compute(format!(
                "the measuring process ended at `{command}` (out of memory?)"
            )));
        }
        match line.trim().strip_prefix(serve::ERROR) {
            Some(what) => Err(Error::Compute(what.to_string())),
            None => Ok(line.trim().to_string()),
        }
    }
}

impl Server {
    /// The answer in milliseconds.
    fn time(&mut self, command: &str) -> Result<f64> {
        let answer = self.ask(command)?;
        answer
            .parse()
            .map_err(|_| Error::Bug(format!("`{answer}` is not a time")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to be done about the rest.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
