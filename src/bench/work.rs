//! One iteration of a case, on the objects that a suite would build.

use super::case::{Case, Work};
use frbench_base::key::Key;
use frbench_base::rng::Stream;
use frbench_base::{Error, Result};
use frbench_data::image::Image;
use frbench_data::source::ImageSource;
use frbench_engine::clock::Clock;
use frbench_engine::{Device, Network, Value};
use frbench_harness::run::images::ImageCache;
use frbench_harness::train::{Teacher, Trainer};
use frbench_job::{
    Color, Decay, HeadSpec, InputSpec, Length, MethodSpec, OptimizerSpec, ScheduleSpec, TrainSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a case turned out to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Parameters of the network, without class weights.
    pub parameters: usize,
    /// Multiply-accumulates of one forward pass of one image.
    pub macs: u64,
    /// The kernel set.
    pub kernels: String,
    pub threads: usize,
    /// Whether a GPU does it as one recorded piece of work, and not kernel by kernel.
    #[serde(default)]
    pub recorded: bool,
}

/// A case that is set up and can be iterated.
pub trait Iterate {
    fn network(&self) -> &Network;

    /// One iteration; how long it waited for its input.
    fn step(&mut self) -> Result<Duration>;

    /// Times single operations from now on.
    fn timed(&mut self) -> Clock;
}

/// Sets the case up on a device, runs `body` with it and takes it down.
pub fn with<R>(
    case: &Case,
    device: &Device,
    body: impl FnOnce(&mut dyn Iterate) -> Result<R>,
) -> Result<R> {
    let graph = case.check()?;
    match case.work {
        Work::Train => train(case, device, body),
        Work::Embed => {
            let mut network = Network::new(graph);
            network.init(1);
            network.move_to(device, case.precision)?;
            let mut noise = Stream::derive(1, "bench", &[]);
            let shape = [case.batch, case.size, case.size, 3];
            let len = shape.iter().product();
            let x = (0..len).map(|_| noise.normal() as f32).collect();
            let x = Value::new(shape, x)?;
            body(&mut Embedding { network, x })
        }
    }
}

struct Embedding {
    network: Network,
    x: Value,
}

impl Iterate for Embedding {
    fn network(&self) -> &Network {
        &self.network
    }

    fn step(&mut self) -> Result<Duration> {
        self.network.infer(&self.x).map(|_| Duration::ZERO)
    }

    fn timed(&mut self) -> Clock {
        self.network.timed()
    }
}

impl Iterate for Trainer<'_> {
    fn network(&self) -> &Network {
        Trainer::network(self)
    }

    fn step(&mut self) -> Result<Duration> {
        Trainer::step(self).map(|report| report.waited)
    }

    fn timed(&mut self) -> Clock {
        Trainer::timed(self)
    }
}

/// Facts of a case that is set up on a device.
pub fn facts(work: &dyn Iterate, device: &Device) -> Facts {
    let network = work.network();
    Facts {
        parameters: network.parameter_count(),
        macs: network.macs(),
        kernels: device.kernels(),
        threads: rayon::current_num_threads(),
        recorded: network.is_recorded(),
    }
}

/// Batches in the training set.
const BATCHES: usize = 4;

fn train<R>(
    case: &Case,
    device: &Device,
    body: impl FnOnce(&mut dyn Iterate) -> Result<R>,
) -> Result<R> {
    let images = BATCHES * case.batch;
    let source: Arc<dyn ImageSource> = Arc::new(Noise {
        images,
        side: case.size,
    });
    let pixels = ImageCache::default().view(&data(), "images", &source, case.size.into())?;
    let mut draw = Stream::derive(1, "bench/labels", &[]);
    let labels: Vec<u32> = (0..images)
        .map(|_| draw.below(case.classes as u64) as u32)
        .collect();
    let spec = spec(case);
    let none = BTreeMap::new();
    let mut trainer = Trainer::new(
        &spec,
        pixels,
        &labels,
        case.classes,
        Teacher::default(),
        &none,
    )?;
    trainer.move_to(device)?;
    body(&mut trainer)
}

fn data() -> Key {
    Key::of(&"noise")
}

fn spec(case: &Case) -> TrainSpec {
    TrainSpec {
        method: MethodSpec {
            name: "margin-softmax".into(),
            params: BTreeMap::new(),
        },
        backbone: case.backbone.clone(),
        input: InputSpec {
            size: case.size.into(),
            color: Color::Rgb,
            mean: 0.5,
            std: 0.5,
            degrade: None,
        },
        head: Some(HeadSpec {
            name: "arcface".into(),
            params: [("s".into(), json!(64.0)), ("m".into(), json!(0.5))].into(),
        }),
        data: data(),
        teacher: None,
        start: None,
        derived: BTreeMap::new(),
        seed: 1,
        schedule: ScheduleSpec {
            // Longer than anybody waits.
            length: Length::Steps(1 << 40),
            // The labels are noise: small enough that the loss stays finite for good.
            lr: 1e-4,
            warmup: 0.0,
            decay: Decay::Constant,
        },
        optimizer: OptimizerSpec {
            momentum: 0.9,
            nesterov: false,
            weight_decay: 5e-4,
            clip: None,
            spare_norms: false,
        },
        batch: case.batch,
        bn_group: case.batch,
        balanced: None,
        keep_last: false,
        flip: true,
        precision: case.precision,
    }
}

/// Images of noise.
struct Noise {
    images: usize,
    side: usize,
}

impl ImageSource for Noise {
    fn len(&self) -> usize {
        self.images
    }

    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        Err(Error::Bug(format!("{} is not encoded", self.describe(i))))
    }

    fn label(&self, _: usize) -> Option<u32> {
        None
    }

    fn describe(&self, i: usize) -> String {
        format!("noise {i}")
    }

    fn image(&self, i: usize) -> Result<Image> {
        let mut noise = Stream::derive(1, "bench/images", &[i as u64]);
        let pixels = (0..3 * self.side * self.side).map(|_| noise.next_u64() as u8);
        Image::new(self.side, self.side, pixels.collect())
    }
}
