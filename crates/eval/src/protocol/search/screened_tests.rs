//! What is found through f32 is what f64 finds, to the bit.

use super::screened::{pass, search};
use super::tail::Tail;
use super::{Gallery, Ladder, Vectors, exact, highest};
use crate::protocol::embeddings::Embeddings;
use crate::protocol::input::Part;
use frbench_base::rng::Stream;
use frbench_job::Views;
use proptest::prelude::*;

const DIM: usize = 24;

/// Rows of `dim` around centres, `spread` away from them; the further, the more pairs of different
/// centres score like those of one.
fn rows(seed: u64, [count, dim]: [usize; 2], centres: usize, spread: f32) -> Vec<f32> {
    let mut stream = Stream::derive(seed, "search", &[]);
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| stream.normal() as f32).collect() };
    let (middle, noise) = (draw(centres * dim), draw(count * dim));
    let at = |i: usize, k: usize| middle[i % centres * dim + k] + spread * noise[i * dim + k];
    let row = |i: usize| (0..dim).map(move |k| (i, k));
    (0..count).flat_map(row).map(|(i, k)| at(i, k)).collect()
}

fn part(matrix: &Embeddings) -> Part<'_> {
    Part {
        matrix,
        views: Views::Original,
    }
}

/// Holds the searches against each other, each score of a probe with its mates on its ladder. Gives
/// the ties, and whether f32 alone left little enough open.
fn compare(dim: usize, probes: &[f32], gallery: &[f32], keep: usize) -> (u64, bool) {
    let probes = Embeddings::of_rows("probes", Box::new(probes.to_vec()), dim).unwrap();
    let matrix = Embeddings::of_rows("gallery", Box::new(gallery.to_vec()), dim).unwrap();
    let probes = Vectors::of(&part(&probes), 0..probes.rows());
    let rows: Vec<usize> = (0..matrix.rows()).collect();
    let gallery = Gallery {
        part: &part(&matrix),
        rows: &rows,
    };
    let mates = |i: usize| (0..probes.len()).filter(move |j| i % 5 == j % 5 && i != *j);
    let ladder = |i: usize| Ladder::new(mates(i).map(|j| probes.score(i, &probes, j)).collect());
    let ladders: Vec<Ladder> = (0..probes.len()).map(ladder).collect();
    let bits = |scores: &[f64]| -> Vec<u64> { scores.iter().map(|v| v.to_bits()).collect() };

    let (mut ours, mut theirs) = (ladders.clone(), ladders.clone());
    let tail = search(&probes, &mut ours, gallery, keep);
    let want = exact::search(&probes, &mut theirs, gallery, keep);
    assert_eq!(bits(&tail), bits(&want));
    for (a, b) in ours.iter().zip(&theirs) {
        assert_eq!((&a.above, a.ties), (&b.above, b.ties));
    }
    let all = Vectors::of(gallery.part, rows.iter().copied());
    let most = |i: usize| {
        let scores = (0..all.len()).map(|j| probes.score(i, &all, j));
        scores.fold(f64::NEG_INFINITY, f64::max)
    };
    let most: Vec<f64> = (0..probes.len()).map(most).collect();
    assert_eq!(bits(&highest(&probes, gallery)), bits(&most));
    let mut none = Tail::new(0, f64::NEG_INFINITY);
    let alone = pass(&probes, &ladders, gallery, &mut none).is_some();
    (ours.iter().map(|l| l.ties).sum(), alone)
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
        let left = rows(seed, [probes, DIM], 5, spread);
        compare(DIM, &left, &rows(seed, [gallery, DIM], 7, spread), keep);
    }
}

#[test]
fn many_columns_are_summed_in_blocks() {
    let (left, right) = (rows(4, [30, 600], 5, 0.4), rows(4, [700, 600], 7, 0.4));
    assert!(compare(600, &left, &right, 50).1);
}

#[test]
fn rows_that_differ_in_the_last_bit_are_told_apart() {
    let probes = rows(1, [40, DIM], 5, 0.3);
    // Among others there are copies of the probes as distractors, equal and a bit to either side, so
    // that their scores are around those of the ladder.
    let mut gallery = rows(9, [8000, DIM], 7, 0.3);
    for (i, row) in gallery.chunks_exact_mut(DIM).step_by(5).enumerate() {
        row.copy_from_slice(&probes[i % 40 * DIM..][..DIM]);
        let at = &mut row[i / 40 % DIM];
        *at = [*at, at.next_up(), at.next_down()][i % 3];
    }
    let (ties, alone) = compare(DIM, &probes, &gallery, 100);
    assert!(ties > 500 && alone, "{ties} {alone}");
}

#[test]
fn what_f32_leaves_open_as_a_whole_is_left_to_f64() {
    let probes = rows(1, [40, DIM], 1, 1e-4);
    let (_, alone) = compare(DIM, &probes, &rows(1, [900, DIM], 1, 1e-4), 50);
    assert!(!alone);
}

#[test]
fn a_sample_that_promises_too_much_is_asked_again() {
    let probes = rows(1, [40, DIM], 5, 0.2);
    // Every fourth row, which are those of the sample, is like the probes.
    let mut gallery = rows(7, [1024, DIM], 9, 2.0);
    let like = rows(1, [256, DIM], 5, 0.2);
    let places = gallery.chunks_exact_mut(DIM).step_by(4);
    places
        .zip(like.chunks_exact(DIM))
        .for_each(|(row, like)| row.copy_from_slice(like));
    for keep in [300, 1000, 2100] {
        compare(DIM, &probes, &gallery, keep);
    }
}

#[test]
fn lengths_of_rows_do_not_matter_and_zero_rows_score_zero() {
    let mut probes = rows(2, [20, DIM], 5, 0.5);
    let mut gallery = rows(2, [700, DIM], 7, 0.5);
    for (i, row) in gallery.chunks_exact_mut(DIM).enumerate() {
        let scale = [1e-30f32, 1.0, 1e15, 0.0][i % 4];
        row.iter_mut().for_each(|v| *v *= scale);
    }
    probes[..DIM].fill(0.0);
    compare(DIM, &probes, &gallery, 50);
}
