//! The network that a finished job left: trained there, or read from a file.

use super::context::Context;
use super::folder::RunFolder;
use frbench_base::Result;
use frbench_engine::checkpoint::Checkpoint;
use frbench_engine::{Graph, Network};
use frbench_job::{BackboneSpec, ImportSpec, InputSpec, Precision, TrainSpec};
use frbench_methods::backbone;

/// The network as it is evaluated.
pub const MODEL: &str = "model.safetensors";

/// What its graph is called among the remarks of that file, where a network from elsewhere brings
/// its own.
pub const GRAPH: &str = "graph";

/// A network as the job that leaves it was specified.
#[derive(Clone, Copy, Debug)]
pub struct NetworkSpec<'a> {
    pub backbone: &'a BackboneSpec,
    pub input: &'a InputSpec,
    pub precision: Precision,
    /// sha256 of the file that it was read from, if it was not trained here.
    pub file: Option<&'a str>,
}

impl<'a> NetworkSpec<'a> {
    pub fn of_training(spec: &'a TrainSpec) -> Self {
        NetworkSpec {
            backbone: &spec.backbone,
            input: &spec.input,
            precision: spec.precision,
            file: None,
        }
    }

    pub fn of_file(spec: &'a ImportSpec) -> Self {
        NetworkSpec {
            backbone: &spec.backbone,
            input: &spec.input,
            precision: Precision::F32,
            file: Some(&spec.file),
        }
    }

    /// The network that lies in the folder of its job, ready to embed on the device of the run.
    pub fn load(&self, folder: &RunFolder, cx: &Context) -> Result<Network> {
        let model = Checkpoint::load(&folder.file(MODEL))?;
        let graph = match model.metadata.get(GRAPH) {
            Some(text) => Graph::from_json(text)?,
            None => backbone::build(self.backbone, self.input.size)?,
        };
        let mut network = Network::new(graph);
        network.load_state_dict(&model.tensors)?;
        network.move_to(&cx.options.device, self.precision)?;
        Ok(network)
    }
}
