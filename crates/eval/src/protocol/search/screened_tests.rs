//! What is found through f32 is what f64 finds, to the bit.

use super::screened::search;
use super::{Gallery, Ladder, Vectors, exact, highest};
use crate::protocol::embeddings::Embeddings;
use crate::protocol::input::Part;
use frbench_base::rng::Stream;
use frbench_job::Views;
use proptest::prelude::*;

const DIM: usize = 24;

/// Rows around centres, `spread` away from them; the further, the more pairs of different centres
/// score like those of one.
fn rows(seed: u64, count: usize, centres: usize, spread: f32) -> Vec<f32> {
    let mut stream = Stream::derive(seed, "search", &[]);
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| stream.normal() as f32).collect() };
    let (middle, noise) = (draw(centres * DIM), draw(count * DIM));
    let at = |i: usize, k: usize| middle[i % centres * DIM + k] + spread * noise[i * DIM + k];
    (0..count)
        .flat_map(|i| (0..DIM).map(move |k| at(i, k)))
        .collect()
}

/// What was found: by each probe, above all, and at most by each.
type Found = (Vec<Ladder>, Vec<f64>, Vec<f64>);

/// Both searches, each score of a probe with its mates on the ladder.
fn both(probes: &[f32], gallery: &[f32], keep: usize) -> [Found; 2] {
    let probes = Embeddings::of_rows("probes", Box::new(probes.to_vec()), DIM).unwrap();
    let gallery = Embeddings::of_rows("gallery", Box::new(gallery.to_vec()), DIM).unwrap();
    let part = |matrix| Part {
        matrix,
        views: Views::Original,
    };
    let (probes, part) = (part(&probes), part(&gallery));
    let probes = Vectors::of(&probes, 0..probes.matrix.rows());
    let all: Vec<usize> = (0..part.matrix.rows()).collect();
    let ladders: Vec<Ladder> = (0..probes.len())
        .map(|i| {
            let mates = (0..probes.len()).filter(|j| i % 5 == j % 5 && i != *j);
            Ladder::new(mates.map(|j| probes.score(i, &probes, j)).collect())
        })
        .collect();
    let rows = Vectors::of(&part, all.iter().copied());
    let scores = |i: usize| {
        let (probes, rows) = (&probes, &rows);
        (0..rows.len()).map(move |j| probes.score(i, rows, j))
    };
    let gallery = Gallery {
        part: &part,
        rows: &all,
    };
    let most = (0..probes.len()).map(|i| scores(i).fold(f64::NEG_INFINITY, f64::max));
    let most = [highest(&probes, gallery), most.collect()];
    let mut searches = [search, exact::search].into_iter();
    most.map(|most| {
        let search = searches.next().unwrap();
        let mut ladders = ladders.clone();
        let tail = search(&probes, &mut ladders, gallery, keep);
        (ladders, tail, most)
    })
}

fn assert_equal([one, two]: [Found; 2]) {
    let bits = |tail: &[f64]| -> Vec<u64> { tail.iter().map(|v| v.to_bits()).collect() };
    assert_eq!(bits(&one.1), bits(&two.1));
    assert_eq!(bits(&one.2), bits(&two.2));
    for (a, b) in one.0.iter().zip(&two.0) {
        assert_eq!((&a.above, a.ties), (&b.above, b.ties));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn counts_ties_and_the_highest_are_those_of_64_bits(
        seed: u64,
        probes in 2usize..130,
        gallery in 1usize..1500,
        spread in prop::sample::select(vec![0.05f32, 0.4, 3.0]),
        keep in 0usize..400,
    ) {
        let (left, right) = (rows(seed, probes, 5, spread), rows(seed, gallery, 7, spread));
        assert_equal(both(&left, &right, keep));
    }
}

#[test]
fn rows_that_differ_in_the_last_bit_are_told_apart() {
    let probes = rows(1, 40, 5, 0.3);
    // Mates of the probes as distractors: equal, and a bit to either side, so that their scores are
    // around those of the ladder.
    let mut gallery = Vec::new();
    for i in 0..3000 {
        let row = &probes[i % 40 * DIM..][..DIM];
        let at = i / 40 % DIM;
        for (k, &v) in row.iter().enumerate() {
            gallery.push(match (k == at, i % 3) {
                (true, 1) => v.next_up(),
                (true, 2) => v.next_down(),
                _ => v,
            });
        }
    }
    let [one, two] = both(&probes, &gallery, 100);
    assert!(one.0.iter().map(|l| l.ties).sum::<u64>() > 1000);
    assert_equal([one, two]);
}

#[test]
fn lengths_of_rows_do_not_matter_and_zero_rows_score_zero() {
    let mut probes = rows(2, 20, 5, 0.5);
    let mut gallery = rows(2, 700, 7, 0.5);
    for (i, row) in gallery.chunks_exact_mut(DIM).enumerate() {
        let scale = [1e-30f32, 1.0, 1e15, 0.0][i % 4];
        row.iter_mut().for_each(|v| *v *= scale);
    }
    probes[..DIM].fill(0.0);
    assert_equal(both(&probes, &gallery, 50));
}
