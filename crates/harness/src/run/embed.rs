//! Executes an embedding job: one part of a data set through a trained network.

use super::checkpoint::CHECKPOINT;
use super::context::Context;
use super::network::MODEL;
use super::own;
use crate::train::{Images, InputPipeline, Made, Queue};
use frbench_base::{Error, Result};
use frbench_data::source::ImageSource;
use frbench_data::zoom::Zoomed;
use frbench_engine::{Device, Network};
use frbench_eval::protocol::embeddings::{EmbeddingWriter, Resumed};
use frbench_job::result::{EmbedResult, Model};
use frbench_job::{EmbedSpec, InputSpec, Pixels, Views};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// The matrix an embedding job leaves behind.
pub const EMBEDDINGS: &str = "embeddings.f32";

pub fn run(spec: &EmbedSpec, cx: &mut Context) -> Result<EmbedResult> {
    let model = cx.jobs.network(&spec.model)?;
    let set = super::open::data_set(&spec.data, cx)?;
    let source = set.part(&spec.part)?;
    let images = |part: &str, source: &Arc<dyn ImageSource>| {
        cx.images(&spec.data, part, source, model.input.size)
    };
    let (images, mirrors) = match spec.pixels {
        Pixels::Plain => (images(&spec.part, source)?, None),
        Pixels::Zoomed => {
            let zoomed = |mirrored| -> Result<Arc<dyn Images>> {
                let name = format!("{} zoomed {}", spec.part, u8::from(mirrored));
                let source: Arc<dyn ImageSource> = Arc::new(Zoomed::new(source.clone(), mirrored));
                images(&name, &source)
            };
            (zoomed(false)?, Some(zoomed(true)?))
        }
    };
    let network = model.load(&cx.store.folder(&spec.model), cx)?;
    let mut input = model.input.clone();
    if spec.native {
        input.degrade = None;
    }
    let both = spec.views == Views::Both;
    let extraction = Extraction {
        network: &network,
        images,
        mirrors,
        input: &input,
        views: spec.views,
        dim: model.backbone.embedding * if both { 2 } else { 1 },
        rows_per_image: 1,
    };
    let mut result = extraction.run(cx)?;
    let seal = cx.store.seal(&spec.model)?;
    result.model = Some(Model {
        checkpoint_sha256: match model.file {
            Some(sha256) => sha256.to_string(),
            None => own::hash_of(&seal, CHECKPOINT)?,
        },
        model_sha256: own::hash_of(&seal, MODEL)?,
    });
    Ok(result)
}

/// Inputs of some images, and of their mirrors where those are made of others.
struct Inputs(Made, Option<Made>);

/// A network over all images of a set, whose embeddings fill the matrix of a job.
pub struct Extraction<'a> {
    pub network: &'a Network,
    pub images: Arc<dyn Images>,
    /// What is mirrored, if not those.
    pub mirrors: Option<Arc<dyn Images>>,
    pub input: &'a InputSpec,
    pub views: Views,
    /// Columns of the matrix.
    pub dim: usize,
    /// What an image yields is laid out in this many rows.
    pub rows_per_image: usize,
}

impl Extraction<'_> {
    /// Fills the job's matrix chunk by chunk, going on where an earlier process stopped.
    pub fn run(&self, cx: &mut Context) -> Result<EmbedResult> {
        let n = self.images.len() * self.rows_per_image;
        let path = cx.lock.folder().file(EMBEDDINGS);
        let mut writer = self.writer(&path, cx)?;
        let first = writer.rows();
        // What is kept of a matrix is an even number of rows: whole images.
        if first > n || !first.is_multiple_of(self.rows_per_image) {
            let part = EmbeddingWriter::part(&path);
            return Err(Error::Bug(format!(
                "{}: {first} rows, of {n} that {} images have",
                part.display(),
                self.images.len()
            )));
        }
        if first > 0 {
            cx.lock.event("resumed", json!({ "row": first }))?;
            cx.observer.resumed(cx.job, first as u64, "row");
        }
        let started = Instant::now();
        // Part of no key: an embedding does not depend on its neighbours.
        let chunk = cx.options.device.embedding_batch();
        let mut inputs = self.inputs(&cx.options.device, first, chunk)?;
        let mut at = first;
        while at < n {
            cx.stop
                .check(&format!("{} at row {at} of {n}", cx.job.label))?;
            writer.append(&self.rows(&inputs()?)?)?;
            at = n.min(at + chunk);
            let rate = (at - first) as f64 / started.elapsed().as_secs_f64();
            cx.progress(at as u64, n as u64, "rows", &format!("{rate:.0} rows/s"));
        }
        writer.finish()?;
        let seconds = started.elapsed().as_secs_f64();
        Ok(EmbedResult {
            seconds,
            rows: n as u64,
            dim: self.dim,
            images_per_second: (n - first) as f64 / seconds.max(1e-9),
            model: None,
        })
    }

    /// What fills the matrix, after the rows that an earlier process has left.
    fn writer(&self, path: &Path, cx: &mut Context) -> Result<EmbeddingWriter> {
        let part = EmbeddingWriter::part(path);
        let name = part.file_name().unwrap_or_default().to_string_lossy();
        let kernels = cx.options.device.kernels();
        for _ in 0..2 {
            match EmbeddingWriter::resume(path, self.dim, &cx.job.key, &kernels)? {
                Resumed::Writer { writer, dropped } => {
                    if dropped > 0 {
                        let from = writer.rows();
                        cx.observer.warn(&format!(
                            "{}: rows {from} to {} are not what was written there (checksum \
                             mismatch); they are embedded again",
                            part.display(),
                            from + dropped
                        ));
                    }
                    return Ok(writer);
                }
                Resumed::Refused(what) => {
                    cx.set_aside(&name, &what, "starts from its first row")?;
                }
            }
        }
        Err(Error::Bug(format!("{} cannot be begun", part.display())))
    }

    /// What gives the inputs of `chunk` rows after the other, from row `first` on.
    fn inputs(
        &self,
        device: &Device,
        first: usize,
        chunk: usize,
    ) -> Result<Box<dyn FnMut() -> Result<Inputs>>> {
        let view = InputPipeline::of(self.images.clone(), self.input, self.network)?;
        let mirrors = self
            .mirrors
            .clone()
            .filter(|_| self.views != Views::Original);
        let mirrors = mirrors.map(|images| InputPipeline::of(images, self.input, self.network));
        let mirrors = mirrors.transpose()?;
        let threads = view.threads();
        let (images, per) = (self.images.len(), self.rows_per_image);
        let turns = match self.views {
            Views::Original => 1,
            Views::Sum | Views::Both => 2,
        };
        let make = move |number: u64| {
            let from = (first + number as usize * chunk) / per;
            let to = images.min(from + chunk / per);
            let indices: Vec<u32> = (from as u32..to as u32).collect();
            let flips = [vec![false; indices.len()], vec![true; indices.len()]];
            let flips = flips.each_ref().map(Vec::as_slice);
            Ok(match &mirrors {
                None => Inputs(view.make(&indices, &flips[..turns])?, None),
                Some(mirrors) => Inputs(
                    view.make(&indices, &flips[..1])?,
                    Some(mirrors.make(&indices, &flips[1..])?),
                ),
            })
        };
        let mut numbers = 0..(images * per - first).div_ceil(chunk) as u64;
        if device.leaves_cores_free() {
            let mut ahead = Queue::start(numbers, threads, make)?;
            return Ok(Box::new(move || Ok(ahead.take()?.0)));
        }
        // What decodes takes the cores that compute: nothing is gained by running ahead.
        Ok(Box::new(move || {
            let beyond = || Error::Bug("inputs beyond the last image".into());
            make(numbers.next().ok_or_else(beyond)?)
        }))
    }

    /// What the matrix holds of the images of a chunk, row-major.
    fn rows(&self, inputs: &Inputs) -> Result<Vec<f32>> {
        laid_out(self.views, |turn| {
            let input = match (turn, inputs) {
                (1, Inputs(_, Some(mirrors))) => mirrors.value(0)?,
                (turn, Inputs(made, _)) => made.value(turn)?,
            };
            let output = self.network.infer(&input)?;
            Ok((output.embedding.to_vec(), output.embedding.channels()))
        })
    }
}

/// Embeddings of images in these `views`, row-major. `embed` gives those of the images (0) and of
/// their mirror images (1), and the length of one.
pub(super) fn laid_out(
    views: Views,
    mut embed: impl FnMut(usize) -> Result<(Vec<f32>, usize)>,
) -> Result<Vec<f32>> {
    let (original, dim) = embed(0)?;
    if views == Views::Original {
        return Ok(original);
    }
    let (mirrored, _) = embed(1)?;
    if views == Views::Sum {
        return Ok(original.iter().zip(&mirrored).map(|(a, b)| a + b).collect());
    }
    let mut both = Vec::with_capacity(2 * original.len());
    for (a, b) in original.chunks_exact(dim).zip(mirrored.chunks_exact(dim)) {
        both.extend_from_slice(a);
        both.extend_from_slice(b);
    }
    Ok(both)
}
