//! Searches on a GPU against the same searches on the CPU: protocols must find the same to the
//! bit, scores kept as evidence included.

use crate::common::gpu::{gpu, in_little_memory, own, passes_with_memory};
use crate::common::scoring::{faces, metric, npy_u32, try_run_on, write};
use frbench::engine::Device;
use frbench::engine::device::Counts;
use frbench::job::Description;
use frbench::job::Views;
use frbench::job::description::{GalleryData, IdentificationData, TemplateData};
use frbench::protocol::{Embeddings, Scored};
use frbench::registry::Params;
use frbench::rng::Stream;
use serde_json::{Value, json};

fn params(value: Value) -> Params {
    serde_json::from_value(value).unwrap()
}

/// Whole numbers from -2 to 2: dot products are exact, and many are equal.
fn whole(count: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::derive(seed, "whole", &[]);
    let numbers = (0..count * dim).map(|_| (stream.normal() * 1.2).round().clamp(-2.0, 2.0));
    numbers.map(|v| v as f32).collect()
}

/// Embeddings of probes and of distractors, and what is known of them.
struct Case {
    dim: usize,
    probes: Vec<f32>,
    distractors: Vec<f32>,
    data: IdentificationData,
    params: Value,
}

impl Case {
    fn new(dim: usize, per: usize, probes: Vec<f32>, distractors: Vec<f32>) -> Case {
        let count = probes.len() / dim;
        Case {
            dim,
            probes,
            distractors,
            data: IdentificationData {
                probe_ids: (0..count).map(|i| (i / per) as u32).collect(),
                ..Default::default()
            },
            params: json!({ "bootstrap": 20 }),
        }
    }

    fn random([probes, per, distractors, dim]: [usize; 4]) -> Case {
        let own = faces(probes, per, dim, 1.0, 1);
        Case::new(dim, per, own, faces(distractors, 1, dim, 1.0, 2))
    }

    fn fars(mut self, fars: &[f64]) -> Case {
        self.params["fars"] = json!(fars);
        self
    }

    fn on(&self, device: Device) -> Scored {
        let folder = tempfile::tempdir().unwrap();
        let probes = write(folder.path(), "p.emb", self.dim, &self.probes);
        let distractors = write(folder.path(), "d.emb", self.dim, &self.distractors);
        let parts = [
            ("probes", &probes, Views::Sum),
            ("distractors", &distractors, Views::Sum),
        ];
        let data = &Description::Identification(self.data.clone());
        let params = params(self.params.clone());
        try_run_on(device, "identification", params, &parts, data).unwrap()
    }

    /// What a GPU of its own is asked to do.
    fn counts(&self) -> Counts {
        let gpu = own().expect("a GPU");
        self.on(gpu.clone());
        gpu.counts()
    }

    /// What both devices find.
    fn check(&self, what: &str) -> Option<Scored> {
        let on_gpu = self.on(gpu()?);
        assert!(self.on(Device::CPU) == on_gpu, "{what}: the devices differ");
        Some(on_gpu)
    }
}

#[test]
fn ranks_and_rates_are_those_of_the_cpu_for_every_shape() {
    for shape in [
        [2, 2, 1, 3],
        [5, 2, 17, 5],
        [2, 2, 300, 7],
        // Several tiles of distractors.
        [41, 4, 20_001, 16],
        // Several blocks of probes, the last one with one.
        [4097, 3, 70, 8],
        // More genuine scores of a probe than one block of threads takes.
        [140, 70, 900, 33],
    ] {
        let what = format!("{shape:?}");
        let [probes, per, distractors, dim] = shape;
        Case::random(shape).check(&what);
        Case::random(shape).fars(&[1e-4, 0.2, 0.999]).check(&what);
        let (own, others) = (whole(probes, dim, 3), whole(distractors, dim, 4));
        let mut ties = Case::new(dim, per, own, others);
        if distractors > 10 {
            ties.data.noisy_distractors = vec![0, 3, distractors - 1];
        }
        if probes > 2 {
            ties.data.noisy_probes = vec![probes - 1];
        }
        ties.check(&format!("{shape:?}, whole numbers"));
    }
}

/// In 32 bits none of these comparisons can be decided.
#[test]
fn close_calls_are_decided_as_on_the_cpu() {
    let dim = 24;
    let probes = faces(12, 3, dim, 0.5, 5);
    let mut distractors = faces(400, 1, dim, 1.0, 6);
    for (i, row) in distractors.chunks_exact_mut(dim).enumerate() {
        let mate = &probes[(i % 12) * dim..][..dim];
        match i % 8 {
            // An image of the person, twice as long, nearly so, or zero.
            0 => row.iter_mut().zip(mate).for_each(|(v, m)| *v = 2.0 * m),
            1 | 2 => {
                row.copy_from_slice(mate);
                row[i % dim] *= 1.0 + f32::EPSILON;
            }
            3 => row.fill(0.0),
            _ => {}
        }
    }
    let case = Case::new(dim, 3, probes, distractors).fars(&[1e-3, 0.05]);
    let Some(found) = case.check("close calls") else {
        return;
    };
    let ranks = npy_u32(&found, "pair_rank.npy");
    assert!(ranks.iter().any(|&r| r > 0), "no distractor was in the way");
    let notes = found.result.notes.join("\n");
    assert!(notes.contains("equal a genuine score"), "{notes}");
}

/// Longer or shorter than what 32 bits can hold the product of.
#[test]
fn the_length_of_embeddings_does_not_matter() {
    for scale in [1e-18, 1e18] {
        let mut case = Case::random([20, 4, 300, 12]);
        let plain = case.on(Device::CPU);
        for v in case.probes.iter_mut().chain(&mut case.distractors) {
            *v *= scale;
        }
        if let Some(scaled) = case.check(&format!("times {scale}")) {
            assert_eq!(
                metric(&scaled, "rank-1"),
                metric(&plain, "rank-1"),
                "times {scale}"
            );
        }
    }
}

/// Every fourth distractor looks like the probes, and those are the ones a guess is made from.
#[test]
fn a_floor_that_was_guessed_too_high_is_lowered() {
    let (dim, count) = (8, 1024);
    let probes: Vec<f32> = faces(9, 3, dim, 0.1, 7).iter().map(|v| v + 3.0).collect();
    let mut distractors = faces(count, 1, dim, 1.0, 8);
    for row in distractors.chunks_exact_mut(dim).step_by(4) {
        row.iter_mut().for_each(|v| *v = *v * 0.1 + 3.0);
    }
    let case = Case::new(dim, 3, probes, distractors).fars(&[0.3]);
    if case.check("a biased sample").is_none() {
        return;
    }
    assert_eq!(case.counts().library_calls, 2);
}

fn in_gallery(device: Device, parts: &[(&str, &Embeddings, Views)], data: &GalleryData) -> Scored {
    let params = params(json!({ "bootstrap": 20 }));
    let data = &Description::Gallery(data.clone());
    try_run_on(device, "gallery-identification", params, parts, data).unwrap()
}

#[test]
fn a_gallery_with_mates_is_searched_as_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, dim) in [("faces", 16), ("whole", 6)] {
        let make = |count, per, seed| match name {
            "faces" => faces(count, per, dim, 1.2, seed),
            _ => whole(count, dim, seed),
        };
        // Images 0, 3, 6, ... are probes, the others the gallery; the last person has none.
        let all = make(90, 3, 11);
        let rows = |keep: fn(usize) -> bool| -> Vec<f32> {
            let images = all.chunks_exact(dim).enumerate();
            let kept = images.filter(|(i, _)| keep(*i));
            kept.flat_map(|(_, row)| row.to_vec()).collect()
        };
        let path = folder.path();
        let probes = write(path, &format!("{name}p"), dim, &rows(|i| i % 3 == 0));
        let gallery = rows(|i| i % 3 > 0 && i < 87);
        let gallery = write(path, &format!("{name}g"), dim, &gallery);
        let distractors = write(path, &format!("{name}d"), dim, &make(9000, 1, 12));
        let data = GalleryData {
            probe_ids: (0..30).collect(),
            gallery_ids: (0..58).map(|i| i / 2).collect(),
            distractors: distractors.rows(),
            ..Default::default()
        };
        let parts = [
            ("probes", &probes, Views::Sum),
            ("gallery", &gallery, Views::Sum),
            ("distractors", &distractors, Views::Sum),
        ];
        let on_gpu = in_gallery(gpu.clone(), &parts, &data);
        assert!(on_gpu == in_gallery(Device::CPU, &parts, &data), "{name}");
    }
}

#[test]
fn every_kernel_is_launched_once_for_a_tile() {
    if gpu().is_none() {
        return;
    }
    let made = Case::random([40, 4, 20_001, 16]).counts();
    assert_eq!(made.library_calls, 3);
    assert_eq!(made.launches, 3 * 5);
}

#[test]
fn pairs_of_templates_score_as_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (dim, pairs) in [(3, 31), (16, 4000), (29, 1000)] {
        let images = faces(240, 12, dim, 1.0, 21);
        let images = write(folder.path(), &format!("{dim}"), dim, &images);
        let mut stream = Stream::derive(22, "pairs", &[]);
        let mut draw = || (0..pairs).map(|_| stream.below(60) as u32 + 100).collect();
        let (pair_a, pair_b): (Vec<u32>, Vec<u32>) = (draw(), draw());
        let person = |template: &u32| (template - 100) / 3;
        let both = pair_a.iter().zip(&pair_b);
        let data = TemplateData {
            template: (0..240).map(|i| 100 + i / 4).collect(),
            media: (0..240).map(|i| i / 2).collect(),
            same: both.map(|(a, b)| person(a) == person(b)).collect(),
            pair_a,
            pair_b,
            ..Default::default()
        };
        let on = |device| {
            let params = params(json!({ "norm": "keep", "detector_score": false }));
            let parts = [("images", &images, Views::Sum)];
            let data = &Description::Templates(data.clone());
            try_run_on(device, "template-verification", params, &parts, data).unwrap()
        };
        let on_gpu = on(gpu.clone());
        assert!(on_gpu == on(Device::CPU), "{pairs} pairs, {dim}");
    }
}

/// In a process of its own, on a stand-in with 9 MiB beside cuBLAS's 32: the gallery does not fit.
#[test]
fn a_gallery_that_does_not_fit_comes_in_chunks() {
    passes_with_memory((32 + 9) << 20, "search::a_large_gallery");
}

/// The process of the test before: only there does it have the GPU, and little of it, to itself.
#[test]
fn a_large_gallery() {
    if !in_little_memory() {
        return;
    }
    let gpu = gpu().expect("a GPU");
    let mut case = Case::random([40, 4, 33_000, 64]);
    case.check("in chunks").expect("a GPU");
    let once = gpu.counts();
    // Over all chunks once more, from the last one on, which is there already.
    for row in case.distractors.chunks_exact_mut(64).step_by(33_000 / 256) {
        row.copy_from_slice(&case.probes[..64]);
    }
    let case = case.fars(&[0.02]);
    case.check("in chunks, twice").expect("a GPU");
    let twice = gpu.counts() - once;
    // All tiles are whole where all of the gallery is there.
    let little = gpu.memory().unwrap().unwrap().1 < 42 << 20;
    assert_eq!(twice.library_calls, 2 * once.library_calls);
    assert!(once.library_calls > 5 || !little, "{once:?}");
}
