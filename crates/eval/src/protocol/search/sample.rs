//! Which scores are worth taking, guessed before all are seen.

use super::{Gallery, Ladder, Vectors, exact};

/// Rows of the gallery on which the lowest score worth taking is guessed: one of so many, within
/// limits.
const ONE_OF: usize = 128;
const SAMPLE: std::ops::RangeInclusive<usize> = 256..=1024;

/// A score that some more reach than are kept, judged by rows all over the gallery; minus infinity
/// where all are. What the sample may be off by chance is taken `generous` times.
pub(super) fn floor(probes: &Vectors, gallery: Gallery, keep: usize, generous: usize) -> f64 {
    let size = (gallery.rows.len() / ONE_OF).clamp(*SAMPLE.start(), *SAMPLE.end());
    let step = gallery.rows.len() / size;
    if keep == 0 || step < 2 {
        return f64::NEG_INFINITY;
    }
    let sample: Vec<usize> = gallery.rows.iter().step_by(step).copied().collect();
    let share = sample.len() as f64 / gallery.rows.len() as f64;
    let of_sample = keep as f64 * share;
    // Three standard deviations, where a row that is near one probe is near some thirty others of the
    // same person; and few scores tell little.
    let off = 16.0 * of_sample.sqrt() + 32.0;
    let most = (of_sample + generous as f64 * off).ceil() as usize;
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
