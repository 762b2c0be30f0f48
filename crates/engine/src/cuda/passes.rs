//! Passes that come again and again, recorded where they take longer to ask for than they do.
//!
//! A small network's pass is hundreds of kernels of a few microseconds each, which is what asking
//! for one takes. A pass over batches of one size is done as any other at first, and timed the
//! second time. If the GPU was waiting to be asked, it is recorded at the third time, with memory of
//! its own, and launched as one from then on; so is its way back. The same kernels do the same work
//! on the same numbers: not a bit depends on it.
//!
//! What is recorded writes to the same arrays at every launch. While somebody still has those of
//! the last one (a tape, a tap), a pass is done as any other, elsewhere.

use super::super::graph::Layer;
use super::super::network::{Network, Output, OutputGrads};
use super::super::value::Value;
use super::array::Array;
use super::forward::{Made, Pass, Saved, Tape};
use super::gpu::locked;
use super::memory::Kept;
use super::record::Recorded;
use super::replica::Replica;
use frbench_base::{Error, Result};
use std::sync::Arc;
use std::time::Instant;

/// Passes of a kind until it is clear how they are done.
pub const UNTIL_SETTLED: usize = 3;
/// What passes of one kind may take of a GPU's memory, if they are recorded: a part of this size.
/// Such passes are small, and what they have is nobody else's any more.
const SHARE: usize = 32;
/// And this part has to be free: others may want it.
const ROOM: usize = 16;
/// Kinds of passes that a network keeps in mind: training, evaluation, and the last batch of each.
const ROUTINES: usize = 4;
/// A pass is worth recording if asking for it takes more than this part of its time.
const WAITING: f64 = 0.75;

/// Passes of one kind do the same work.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kind {
    batch: usize,
    /// Images that share batch-norm statistics; none in evaluation.
    bn_group: Option<usize>,
    deterministic: bool,
}

#[derive(Debug)]
pub(super) struct Routine {
    kind: Kind,
    stage: Stage,
    /// What passes of this kind take, again and again.
    memory: Arc<Kept>,
}

#[derive(Debug)]
enum Stage {
    /// Done once: libraries have chosen their algorithms.
    Known,
    /// Slow to ask for.
    Slow,
    Recorded(Box<Forward>),
    /// Not worth it, or not possible.
    Plain,
}

#[derive(Debug)]
struct Forward {
    recorded: Recorded,
    input: Array,
    made: Made,
    /// How many have each of the values that are still wanted, where nobody else has them.
    own: Vec<usize>,
    /// Who has a clone has arrays of the last launch.
    last: Arc<()>,
    back: Back,
}

#[derive(Debug)]
enum Back {
    Unknown,
    Recorded {
        recorded: Recorded,
        /// Gradients at nodes, as they come in.
        seeds: Vec<(usize, Array)>,
        /// Where those of the parameters are added.
        store: u64,
    },
    Plain,
}

/// How a tape came about.
#[derive(Debug)]
pub(super) enum Link {
    Plain,
    Recorded(Arc<()>),
}

impl Made {
    fn holders(&self) -> Vec<usize> {
        self.values.iter().flatten().map(Array::holders).collect()
    }
}

impl Forward {
    fn is_free(&self) -> bool {
        Arc::strong_count(&self.last) == 1 && self.made.holders() == self.own
    }
}

impl Replica {
    /// A pass as it is asked for, recorded or not.
    pub(super) fn pass(
        &self,
        net: &Network,
        x: &Value,
        pass: Pass,
    ) -> Result<(Output, Vec<Saved>, Link)> {
        let mut routines = locked(&self.routines);
        let routine = match self.kind(net, x, pass) {
            Some(kind) => self.routine(&mut routines, kind)?,
            None => None,
        };
        let Some(routine) = routine else {
            drop(routines);
            return self.plain_pass(net, x, pass);
        };
        match &mut routine.stage {
            Stage::Known => {
                let (made, slow) = self.timed(x, |input| self.run(net, input, pass))?;
                routine.stage = if slow { Stage::Slow } else { Stage::Plain };
                Ok((self.output(net, &made.values)?, made.saved, Link::Plain))
            }
            Stage::Slow => {
                match self.record_pass(net, x, pass, &routine.memory) {
                    Ok(forward) => {
                        // What such passes have left is of no use to them any more.
                        self.gpu.kept().clear();
                        routine.stage = Stage::Recorded(Box::new(forward));
                        self.launch(net, routine)
                    }
                    Err(_) => {
                        routine.stage = Stage::Plain;
                        routine.memory = self.memory_apart()?;
                        drop(routines);
                        self.plain_pass(net, x, pass)
                    }
                }
            }
            Stage::Recorded(forward) if forward.is_free() => {
                self.refill(&forward.input, x)?;
                self.launch(net, routine)
            }
            Stage::Recorded(_) | Stage::Plain => {
                drop(routines);
                self.plain_pass(net, x, pass)
            }
        }
    }

    fn record_pass(
        &self,
        net: &Network,
        x: &Value,
        pass: Pass,
        memory: &Arc<Kept>,
    ) -> Result<Forward> {
        let (free, all) = self.gpu.memory()?;
        if free < all / ROOM {
            return Err(Error::Compute(format!("the GPU has {free} bytes left")));
        }
        let input = self.own(x, self.is_low(0))?;
        let run = || self.run(net, input.clone(), pass);
        let (made, recorded) = self.gpu.record(memory, run)?;
        Ok(Forward {
            recorded,
            input,
            own: made.holders(),
            made,
            last: Arc::default(),
            back: Back::Unknown,
        })
    }

    fn memory_apart(&self) -> Result<Arc<Kept>> {
        let (_, all) = self.gpu.memory()?;
        Ok(Kept::new(self.gpu.context(), self.gpu.turns(), all / SHARE))
    }

    /// Whether some pass is recorded, with its way back if it has been asked for.
    pub fn is_recorded(&self) -> bool {
        let recorded = |r: &Routine| match &r.stage {
            Stage::Recorded(forward) => !matches!(forward.back, Back::Plain),
            _ => false,
        };
        locked(&self.routines).iter().any(recorded)
    }

    /// None for what is never recorded: single passes, and masks that the host draws.
    fn kind(&self, net: &Network, x: &Value, pass: Pass) -> Option<Kind> {
        let drops = |node: &super::super::graph::Node| matches!(node.layer, Layer::Dropout { .. });
        let bn_group = match pass {
            Pass::Inference => None,
            Pass::Training { mode, update: true } if !net.graph.nodes().iter().any(drops) => {
                Some(mode.bn_group)
            }
            _ => return None,
        };
        self.gpu.records().then_some(Kind {
            batch: x.batch(),
            bn_group,
            deterministic: self.gpu.is_deterministic(),
        })
    }

    /// The routine of this kind, from the second time on.
    fn routine<'a>(
        &self,
        routines: &'a mut Vec<Routine>,
        kind: Kind,
    ) -> Result<Option<&'a mut Routine>> {
        if let Some(at) = routines.iter().position(|r| r.kind == kind) {
            return Ok(Some(&mut routines[at]));
        }
        if routines.len() == ROUTINES {
            let recorded = |r: &Routine| matches!(r.stage, Stage::Recorded(_));
            match routines.iter().position(|r| !recorded(r)) {
                Some(at) => drop(routines.remove(at)),
                None => return Ok(None),
            }
        }
        routines.push(Routine {
            kind,
            stage: Stage::Known,
            memory: self.memory_apart()?,
        });
        Ok(None)
    }

    fn plain_pass(
        &self,
        net: &Network,
        x: &Value,
        pass: Pass,
    ) -> Result<(Output, Vec<Saved>, Link)> {
        let made = self.run(net, self.input(x)?, pass)?;
        Ok((self.output(net, &made.values)?, made.saved, Link::Plain))
    }

    /// What `run` makes, and whether the GPU was waiting to be asked for it.
    fn timed(&self, x: &Value, run: impl FnOnce(Array) -> Result<Made>) -> Result<(Made, bool)> {
        let input = self.input(x)?;
        let ((made, asked), took) = self.gpu.time(|| {
            let started = Instant::now();
            let made = run(input)?;
            Ok((made, started.elapsed().as_secs_f64() * 1e3))
        })?;
        Ok((made, asked > WAITING * took))
    }

    fn launch(&self, net: &Network, routine: &Routine) -> Result<(Output, Vec<Saved>, Link)> {
        let Stage::Recorded(forward) = &routine.stage else {
            return Err(Error::Bug("a pass that was not recorded".into()));
        };
        self.gpu.launch_recorded(&forward.recorded)?;
        Ok((
            self.output(net, &forward.made.values)?,
            forward.made.saved.clone(),
            Link::Recorded(Arc::clone(&forward.last)),
        ))
    }

    /// An array with these numbers that nobody else has.
    fn own(&self, numbers: &Value, low: bool) -> Result<Array> {
        let there = Array::new(&self.gpu, numbers.shape(), low)?;
        self.refill(&there, numbers)?;
        Ok(there)
    }

    /// Brings other numbers to an array that something recorded reads.
    fn refill(&self, there: &Array, numbers: &Value) -> Result<()> {
        let here = Array::upload(&self.gpu, numbers, there.low)?;
        self.gpu.convert_to(there, (here.pointer(), here.low))
    }

    /// The way back of a pass, recorded or not, that adds to the gradients at `store`.
    pub(super) fn pass_back(
        &self,
        net: &Network,
        tape: Tape,
        grads: OutputGrads,
        store: u64,
    ) -> Result<()> {
        let plain = |tape: Tape, grads: OutputGrads| {
            let seeds = self.seeds(net, grads, tape.batch)?;
            self.run_back(net, tape, seeds, store, false).map(|_| ())
        };
        let last = match &tape.link {
            Link::Plain => return plain(tape, grads),
            Link::Recorded(last) => Arc::clone(last),
        };
        let mut routines = locked(&self.routines);
        let ours = routines.iter_mut().find_map(|r| match &mut r.stage {
            Stage::Recorded(forward) if Arc::ptr_eq(&forward.last, &last) => {
                Some((forward, &r.memory))
            }
            _ => None,
        });
        drop(last);
        let Some((forward, memory)) = ours else {
            return plain(tape, grads);
        };
        match &forward.back {
            Back::Plain => plain(tape, grads),
            Back::Unknown => {
                let seeds = net.seeds(grads, tape.batch)?;
                match self.record_back(net, tape.again(), &seeds, store, memory) {
                    Ok((recorded, seeds)) => {
                        self.gpu.launch_recorded(&recorded)?;
                        forward.back = Back::Recorded {
                            recorded,
                            seeds,
                            store,
                        };
                        Ok(())
                    }
                    Err(_) => {
                        forward.back = Back::Plain;
                        let seeds = self.seeds_of(seeds)?;
                        self.run_back(net, tape, seeds, store, false).map(|_| ())
                    }
                }
            }
            Back::Recorded {
                recorded,
                seeds,
                store: to,
            } => {
                let fresh = net.seeds(grads, tape.batch)?;
                let nodes = fresh.iter().map(|s| s.0);
                let same = nodes.eq(seeds.iter().map(|s| s.0));
                if !same || *to != store {
                    let fresh = self.seeds_of(fresh)?;
                    return self.run_back(net, tape, fresh, store, false).map(|_| ());
                }
                for ((_, there), (_, numbers)) in seeds.iter().zip(&fresh) {
                    self.refill(there, numbers)?;
                }
                self.gpu.launch_recorded(recorded)
            }
        }
    }
    fn record_back(
        &self,
        net: &Network,
        tape: Tape,
        numbers: &[(usize, Value)],
        store: u64,
        memory: &Arc<Kept>,
    ) -> Result<(Recorded, Vec<(usize, Array)>)> {
        let mut seeds = Vec::new();
        for (id, grad) in numbers {
            seeds.push((*id, self.own(grad, self.is_low(*id))?));
        }
        let run = || self.run_back(net, tape, seeds.clone(), store, false);
        let (_, recorded) = self.gpu.record(memory, run)?;
        Ok((recorded, seeds))
    }
}
