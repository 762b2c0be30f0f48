//! Learning rate over training.

use crate::settings::{Decay, Length, ScheduleSpec};

/// Optimiser steps that a schedule takes. A part of an epoch is rounded to the nearest step.
pub fn total_steps(length: Length, steps_per_epoch: u64) -> u64 {
    match length {
        Length::Steps(steps) => steps,
        Length::Epochs(epochs) => (epochs * steps_per_epoch as f64).round() as u64,
    }
}

/// The learning rate of optimiser step `step` (0-based) of `total_steps`.
///
/// During warm-up it rises linearly from 0, reaching the peak with the first step after it.
/// Polynomial and cosine decay run over what follows the warm-up; milestones count from the
/// start of training.
pub fn lr_at(spec: &ScheduleSpec, step: u64, steps_per_epoch: u64, total_steps: u64) -> f64 {
    let unit = match spec.length {
        Length::Steps(_) => 1.0,
        Length::Epochs(_) => steps_per_epoch as f64,
    };
    let step = step as f64;
    let warmup = spec.warmup * unit;
    if step < warmup {
        return spec.lr * step / warmup;
    }
    let left = total_steps as f64 - warmup;
    let progress = if left > 0.0 {
        ((step - warmup) / left).min(1.0)
    } else {
        1.0
    };
    match &spec.decay {
        Decay::Constant => spec.lr,
        Decay::Step { milestones, gamma } => {
            let passed = milestones.iter().filter(|m| step >= **m * unit).count();
            spec.lr * libm::pow(*gamma, passed as f64)
        }
        Decay::Polynomial { power } => spec.lr * libm::pow(1.0 - progress, *power),
        Decay::Cosine => spec.lr * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(length: Length, warmup: f64, decay: Decay) -> ScheduleSpec {
        ScheduleSpec {
            length,
            lr: 0.1,
            warmup,
            decay,
        }
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }

    #[test]
    fn published_logs_of_power_two_are_met() {
        // insightface logs 0.0961 at step 2,010 and 0.0256 at 50,010 of 101,160.
        let s = spec(
            Length::Steps(101_160),
            0.0,
            Decay::Polynomial { power: 2.0 },
        );
        assert!((lr_at(&s, 2_010, 1, 101_160) - 0.0961).abs() < 5e-5);
        assert!((lr_at(&s, 50_010, 1, 101_160) - 0.0256).abs() < 5e-5);
    }

    #[test]
    fn warm_up_rises_to_the_peak() {
        let s = spec(Length::Epochs(3.0), 1.0, Decay::Polynomial { power: 1.0 });
        let total = total_steps(s.length, 10);
        assert_eq!(total, 30);
        close(lr_at(&s, 0, 10, total), 0.0);
        close(lr_at(&s, 5, 10, total), 0.05);
        close(lr_at(&s, 10, 10, total), 0.1);
        close(lr_at(&s, 20, 10, total), 0.05);
        close(lr_at(&s, 29, 10, total), 0.005);
        close(lr_at(&s, 30, 10, total), 0.0);
    }

    #[test]
    fn milestones_are_in_the_unit_of_the_length() {
        let decay = Decay::Step {
            milestones: vec![1.0, 2.0],
            gamma: 0.1,
        };
        let s = spec(Length::Epochs(2.5), 0.0, decay);
        close(lr_at(&s, 9, 10, 25), 0.1);
        close(lr_at(&s, 10, 10, 25), 0.01);
        close(lr_at(&s, 20, 10, 25), 0.001);
    }

    #[test]
    fn cosine_is_half_way_down_at_half_time() {
        let s = spec(Length::Steps(100), 0.0, Decay::Cosine);
        close(lr_at(&s, 0, 1, 100), 0.1);
        close(lr_at(&s, 50, 1, 100), 0.05);
        close(lr_at(&s, 25, 1, 100), 0.05 * (1.0 + 0.5f64.sqrt()));
        close(
            lr_at(&spec(Length::Steps(9), 0.0, Decay::Constant), 8, 1, 9),
            0.1,
        );
    }
}
