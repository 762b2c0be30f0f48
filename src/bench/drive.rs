//! Measures a case in a process of its own, alone or in turns with those of somebody else.

use super::case::Case;
use super::work::Facts;
use super::{median, serve};
use frbench_base::{Error, Result};
use frbench_engine::clock::Spent;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

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
    /// The process's peak, where the system tells; the GPU's, if one computes.
    pub peak_mib: Option<f64>,
    /// Others at the same case.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<&'static str, Peer>,
}

/// Somebody else at the same case.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Peer {
    Measured {
        median_ms: f64,
        min_ms: f64,
        images_per_second: f64,
        peak_mib: Option<f64>,
        /// How many times as fast frbench is, by the median.
        speed: f64,
        /// The peak of frbench's memory as a share of this one's.
        memory: Option<f64>,
        /// Whether single iterations alternated with frbench's; not so where memory does not
        /// suffice for all at once.
        in_turns: bool,
    },
    Failed {
        error: String,
    },
}

/// Somebody who takes part: how to start a process that answers commands ([`serve()`]).
pub struct Contender<'a> {
    pub name: &'static str,
    pub start: Box<dyn Fn() -> Result<Command> + 'a>,
}

/// Between iterations of several: the threads of the last one stop spinning.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs the case `rounds` times after a warm-up, in turns with `peers`.
pub fn measure(
    case: &Case,
    rounds: usize,
    ours: &Contender,
    peers: &[Contender],
) -> Result<Measured> {
    let all: Vec<&Contender> = std::iter::once(ours).chain(peers).collect();
    let mut taken = in_turns(case, rounds, &all);
    let mut together = vec![true; all.len()];
    for at in 0..all.len() {
        let short = taken[at].as_ref().is_err_and(is_out_of_memory);
        if short && all.len() > 1 {
            // It may suffice for one.
            taken[at] = in_turns(case, rounds, &[all[at]]).remove(0);
            together[at] = false;
        }
    }
    let mut taken = taken.into_iter();
    let ours = taken.next().transpose()?;
    let ours = ours.ok_or_else(|| Error::Bug("nobody was measured".into()))?;
    let mut beside = BTreeMap::new();
    for ((peer, theirs), in_turns) in peers.iter().zip(taken).zip(&together[1..]) {
        let peers = theirs.and_then(|t| t.beside(&ours, case, together[0] && *in_turns));
        let failed = |e: Error| Peer::Failed {
            error: e.to_string(),
        };
        beside.insert(peer.name, peers.unwrap_or_else(failed));
    }
    let facts: Facts = parsed(&ours.facts)?;
    let images_per_second = ours.images_per_second(case);
    Ok(Measured {
        images_per_second,
        gflops: 2e-9 * facts.macs as f64 * case.work.passes() * images_per_second,
        case: case.clone(),
        facts,
        rounds,
        median_ms: median(&ours.times),
        min_ms: ours.min_ms(),
        input_wait: (ours.waited / ours.times.iter().sum::<f64>()).min(1.0),
        operations: parsed(&ours.operations)?,
        peak_mib: ours.peak_mib,
        peers: beside,
    })
}

/// Whether a case failed for want of memory on a GPU, as the libraries of all contenders say it.
pub fn is_out_of_memory(error: &Error) -> bool {
    let text = error.to_string();
    ["OUT_OF_MEMORY", "ALLOC_FAILED", "CUDA out of memory"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// Single iterations of all in turns, in an order that is reversed every round, so that a machine
/// that becomes slower becomes slower for all. Who fails is out.
fn in_turns(case: &Case, rounds: usize, contenders: &[&Contender]) -> Vec<Result<Taken>> {
    let start = |c: &&Contender| Running::start(case, (c.start)()?);
    let mut all: Vec<Result<Running>> = contenders.iter().map(start).collect();
    let several = all.len() > 1;
    // Among several, the first round warms up.
    for round in 0..rounds + usize::from(several) {
        let mut order: Vec<_> = all.iter_mut().collect();
        if round % 2 == 0 {
            order.reverse();
        }
        for contender in order {
            let Ok(running) = contender else { continue };
            if several {
                std::thread::sleep(PAUSE);
            }
            if let Err(e) = running.step(!several || round > 0) {
                *contender = Err(e);
            }
        }
    }
    let ends = all.into_iter().map(|c| c.and_then(Running::end));
    ends.collect()
}

/// A process at work.
struct Running {
    server: Server,
    taken: Taken,
}

/// What it took.
#[derive(Default)]
struct Taken {
    /// As JSON.
    facts: String,
    times: Vec<f64>,
    waited: f64,
    peak_mib: Option<f64>,
    /// As JSON.
    operations: String,
}

impl Running {
    fn start(case: &Case, command: Command) -> Result<Running> {
        let mut server = Server::spawn(command)?;
        let case = serde_json::to_string(case)
            .map_err(|e| Error::Bug(format!("a case is not JSON: {e}")))?;
        let taken = Taken {
            facts: server.ask(&format!("case {case}"))?,
            ..Taken::default()
        };
        Ok(Running { server, taken })
    }

    fn step(&mut self, counts: bool) -> Result<()> {
        let ms = self.server.time("step")?;
        let waited = self.server.time("wait")?;
        if counts {
            self.taken.times.push(ms);
            self.taken.waited += waited;
        }
        Ok(())
    }

    /// Ends the process.
    fn end(mut self) -> Result<Taken> {
        self.taken.peak_mib = self.server.ask("rss")?.parse().ok();
        self.taken.operations = self.server.ask("operations")?;
        self.server.ask("quit")?;
        Ok(self.taken)
    }
}

impl Taken {
    fn min_ms(&self) -> f64 {
        self.times.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn images_per_second(&self, case: &Case) -> f64 {
        case.batch as f64 * 1e3 / median(&self.times)
    }

    /// How this compares with ours.
    fn beside(self, ours: &Taken, case: &Case, in_turns: bool) -> Result<Peer> {
        #[derive(serde::Deserialize)]
        struct Size {
            parameters: usize,
        }
        let (here, there) = (parsed::<Size>(&self.facts)?, parsed::<Size>(&ours.facts)?);
        if here.parameters != there.parameters {
            return Err(Error::Compute(format!(
                "another network: {} parameters instead of {}",
                here.parameters, there.parameters
            )));
        }
        Ok(Peer::Measured {
            median_ms: median(&self.times),
            min_ms: self.min_ms(),
            images_per_second: self.images_per_second(case),
            peak_mib: self.peak_mib,
            speed: median(&self.times) / median(&ours.times),
            memory: ours.peak_mib.zip(self.peak_mib).map(|(o, p)| o / p),
            in_turns,
        })
    }
}

fn parsed<T: DeserializeOwned>(answer: &str) -> Result<T> {
    serde_json::from_str(answer)
        .map_err(|e| Error::Bug(format!("the measuring process told `{answer}`: {e}")))
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
