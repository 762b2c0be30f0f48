//! Every operation of a GPU by itself against plain loops in 64 bits.

use crate::common::gpu::gpu;
use frbench::job::Precision;

#[test]
fn every_operation_is_within_its_bound() {
    let Some(gpu) = gpu() else { return };
    for seed in 1..=3 {
        let rows = gpu.check(seed);
        assert!(!rows.is_empty());
        let wrong: Vec<_> = rows.iter().filter(|row| !row.holds()).collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}");
        for precision in [Precision::F32, Precision::Tf32, Precision::Bf16] {
            let of = |op: &str| {
                let mut rows = rows.iter().filter(|row| row.precision == precision);
                rows.find(|row| row.op == op).map(|row| row.error)
            };
            // Less exact where asked to be: that was done. The stand-in has no TF32.
            let conv = of("conv 3x3, forward").unwrap();
            match precision {
                Precision::F32 => assert!(conv < 1e-5, "{conv}"),
                Precision::Tf32 => {}
                Precision::Bf16 => assert!(conv > 1e-4, "{conv}"),
            }
            let norm = of("batch norm + PReLU + residual, forward");
            assert_eq!(norm.is_some(), precision != Precision::Tf32);
        }
    }
}
