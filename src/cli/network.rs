//! A network from a file, as commands that run one without a plan are given it.

use super::output;
use crate::Result;
use crate::engine::{Device, DeviceChoice};
use crate::run::embedder::Embedder;
use crate::suite::evaluation::{Candidate, Input};
use clap::Args;

/// How a network is run.
#[derive(Args, Debug)]
pub struct How {
    /// How images become the network's input, unless the model says it after `@`
    #[arg(long, value_name = "INPUT")]
    pub input: Option<Input>,
    /// Where to compute: cpu, cuda or cuda:N, or auto
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<DeviceChoice>,
    /// Threads; results do not depend on them [default: as many as cores]
    #[arg(long, value_name = "N", value_parser = super::context::threads)]
    pub jobs: Option<std::num::NonZeroUsize>,
}

impl How {
    /// The network in a file of weights, `PATH[@INPUT]`; what is to be known of it is said.
    pub fn open(&self, model: &str) -> Result<Embedder> {
        super::context::set_threads(self.jobs)?;
        let model = Candidate::parse(model, self.input.as_ref())?;
        let choice = self.device.unwrap_or(DeviceChoice::of_build());
        let (device, why) = Device::open(choice)?;
        why.iter().for_each(|why| output::note(why));
        let embedder = Embedder::open(&model.file, model.input.spec(), &device)?;
        for note in &embedder.notes {
            output::note(&format!("{}: {note}", model.file.display()));
        }
        Ok(embedder)
    }
}
