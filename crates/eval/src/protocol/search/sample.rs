//! Which scores are worth taking, guessed before all are seen.

use super::{Gallery, Ladder, Vectors, exact};

/// Rows of the gallery on which the lowest score worth taking is guessed.
const SAMPLE: usize = 256;

/// A score that about `generous` times as many reach as are kept, judged by rows all over the
/// gallery; minus infinity where all are.
pub(super) fn floor(probes: &Vectors, gallery: Gallery, keep: usize, generous: usize) -> f64 {
    let step = gallery.rows.len() / SAMPLE;
    if keep == 0 || step < 2 {
        return f64::NEG_INFINITY;
    }
    let sample: Vec<usize> = gallery.rows.iter().step_by(step).copied().collect();
    let share = sample.len() as f64 / gallery.rows.len() as f64;
    // And some more, as few scores tell little.
    let most = generous * ((keep as f64 * share).ceil() as usize + 32);
    if most >= sample.len() * probes.len() {
        return f64::NEG_INFINITY;
    }
    let rows = &sample;
    let highest = exact::search(
        probes,
        &mut vec![Ladder::default(); probes.len()],
        Gallery { rows, ..gallery },
        most,
    );
    highest[most - 1]
}
