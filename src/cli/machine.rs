//! What runs the suites of `frbench nightly` and `frbench baseline`.

use super::context::{DataArgs, RunsArgs, set_threads};
use super::progress::Progress;
use crate::Result;
use crate::engine::{Device, DeviceChoice};
use crate::gate::baseline::Recorded;
use crate::gate::replicate::Rig;
use crate::plan::{Code, DeviceKind};
use crate::run::executors::Executor;
use crate::run::{Options, Program, Stop, Store};
use crate::{build, embedded};
use clap::Args;

#[derive(Args, Debug)]
pub struct MachineArgs {
    #[command(flatten)]
    pub runs: RunsArgs,
    #[command(flatten)]
    pub data: DataArgs,
    /// Where to compute: cpu, cuda or cuda:N (a GPU, counted from 0), or auto, the first GPU if
    /// there is one [default: cpu, or auto if this was built with CUDA]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<DeviceChoice>,
    /// Threads; results do not depend on them [default: as many as cores]
    #[arg(long, value_name = "N", value_parser = super::context::threads)]
    pub jobs: Option<std::num::NonZeroUsize>,
}

/// What executes jobs, and the code that their keys hold.
#[derive(Clone, Copy)]
pub struct Executors {
    pub execute: Executor,
    pub code: fn(DeviceKind) -> Code,
}

impl Executors {
    /// Those of this build.
    pub fn of_build() -> Executors {
        Executors {
            execute: crate::run::executors::execute,
            code: build::code,
        }
    }
}

/// A device, and all that a run needs beside a suite.
pub struct Machine {
    program: Program,
    store: Store,
    options: Options,
    pub progress: Progress,
    stop: Stop,
    executors: Executors,
    kind: DeviceKind,
}

impl Machine {
    /// # Errors
    /// A device that is not there.
    pub fn open(args: &MachineArgs, quiet: bool, executors: Executors) -> Result<Machine> {
        set_threads(args.jobs)?;
        let (device, why) = Device::open(args.device.unwrap_or(DeviceChoice::of_build()))?;
        let progress = Progress::new(quiet);
        if let Some(why) = why {
            progress.line(&why);
        }
        let kind = DeviceKind::of(&device);
        Ok(Machine {
            program: Program {
                build: build::BUILD,
                code: (executors.code)(kind),
                declarations: embedded::declarations(None)?,
            },
            store: Store::new(args.data.root(), &args.runs.runs),
            options: Options {
                device,
                ..Options::default()
            },
            progress,
            stop: Stop::on_signals()?,
            executors,
            kind,
        })
    }

    pub fn rig(&self) -> Rig<'_> {
        Rig {
            program: &self.program,
            store: &self.store,
            options: &self.options,
            observer: &self.progress,
            stop: &self.stop,
            executor: self.executors.execute,
        }
    }

    /// What is recorded now.
    pub fn recorded(&self) -> Recorded {
        let kernels = self.options.device.kernels();
        Recorded::now(&self.program.build, self.kind.name(), &kernels)
    }
}
