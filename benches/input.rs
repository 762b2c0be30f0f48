//! Images per second that a training of a set too large for memory is fed: records are read, decoded,
//! mirrored at random and normalised on all cores.
//!
//! `cargo bench --bench input [FILE.rec [SECONDS]]`; a file that is not there is made, of 2,048
//! generated faces. `benches/peer/input.py` compares with PyTorch's data loader.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for the one who measures"
)]

use frbench::Result;
use frbench::data::record::{RecWriter, RecordLayout};
use frbench::data::source::{ImageSource, RecSource};
use frbench::data::watch::UNWATCHED;
use frbench::job::{Color, InputSpec, SynthSpec};
use frbench::key::Key;
use frbench::rng::Stream;
use frbench::run::images::ImageCache;
use frbench::synth::twin;
use frbench::train::InputPipeline;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

const FACES: u64 = 2048;
const SIDE: usize = 112;
const BATCH: usize = 256;

fn make(path: &Path) -> Result<()> {
    let faces = twin(&SynthSpec {
        world: "v1".into(),
        twin: "lfw".into(),
        size: BTreeMap::new(),
    })?;
    let mut writer = RecWriter::create(path, RecordLayout::Plain)?;
    for i in 0..FACES {
        writer.push(0, &faces.render_jpeg(i)?)?;
    }
    writer.finish(SIDE)
}

/// The records over and over, as a set that is not kept in memory.
struct Long {
    records: RecSource,
    order: Vec<u32>,
}

impl ImageSource for Long {
    fn len(&self) -> usize {
        self.order.len()
    }

    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        self.records.bytes(self.order[i] as usize)
    }

    fn label(&self, _: usize) -> Option<u32> {
        None
    }

    fn describe(&self, i: usize) -> String {
        self.records.describe(self.order[i] as usize)
    }
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    let own = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("input.rec");
    let path = args.next().map_or_else(own, PathBuf::from);
    let seconds: f64 = args.next().map_or(5.0, |s| s.parse().unwrap());
    if !path.exists() {
        make(&path)?;
    }
    let records = RecSource::open(&path, UNWATCHED)?;
    let mut stream = Stream::derive(1, "bench/input", &[]);
    let order = (0..100_000).map(|_| stream.below(records.len() as u64) as u32);
    let order = order.collect();
    let source: Arc<dyn ImageSource> = Arc::new(Long { records, order });
    let images = ImageCache::default().view(&Key::of(&"input"), "images", &source, SIDE.into())?;
    assert!(images.pixels().is_none(), "kept in memory");
    let input = InputSpec {
        size: SIDE.into(),
        color: Color::Rgb,
        mean: 0.5,
        std: 0.5,
        degrade: None,
    };
    let pipeline = InputPipeline::on_host(images, &input);
    let all: Vec<u32> = (0..source.len() as u32).collect();
    let (mut done, mut started) = (0, Instant::now());
    for (i, batch) in all.chunks_exact(BATCH).cycle().enumerate() {
        let flips: Vec<bool> = batch.iter().map(|_| stream.below(2) == 1).collect();
        pipeline.make(batch, &[&flips])?.value(0)?;
        done += BATCH;
        // The first ones warm up.
        if i == 3 {
            (done, started) = (0, Instant::now());
        }
        if i > 3 && started.elapsed().as_secs_f64() > seconds {
            break;
        }
    }
    println!("{:.1}", done as f64 / started.elapsed().as_secs_f64());
    Ok(())
}
