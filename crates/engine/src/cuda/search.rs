//! Searching probes in a gallery on a GPU: dot products by cuBLAS, tile by tile, and kernels
//! that count (`kernels/rank.cu`); and scores of listed pairs (`kernels/pairs.cu`). Scores, as
//! `protocol` defines them, are compared and returned with the bits that the CPU gives them.

use super::gemm::{Math, Matrix};
use super::gpu::{Arg, Gpu};
use super::memory::Buffer;
use super::ops::{LINE, args, over};
use crate::device;
use frbench_base::{Error, Result};
use std::sync::Arc;

/// Probes and rows of the gallery of one tile. A thread counts a 256th of the rows in 8 bits.
const BLOCK: usize = 4096;
const TILE: usize = 8192;
/// `RUNGS` in `rank.cu`.
const RUNGS: usize = 31;
/// Pairs that are scored at a time, and by one block of threads.
const PAIRS: usize = 1 << 22;
const PAIRS_OF_BLOCK: usize = 32;

/// Embeddings on the GPU.
#[derive(Debug)]
struct Rows {
    dim: usize,
    /// `[room, dim]`, in 32 bits.
    values: Buffer,
    /// 1 / norm of each, in 64 bits and in 32.
    scales: Buffer,
    scales32: Buffer,
    room: usize,
    len: usize,
    /// No dot product of them overflows 32 bits or loses much to underflow.
    tame: bool,
}

impl Rows {
    fn new(gpu: &Arc<Gpu>, dim: usize, room: usize) -> Result<Rows> {
        Ok(Rows {
            dim,
            values: gpu.buffer(room * dim * 4)?,
            scales: gpu.buffer(room * 8)?,
            scales32: gpu.buffer(room * 4)?,
            room,
            len: 0,
            tame: true,
        })
    }

    /// With room for `wanted` rows, or for half, a quarter, ... of them if memory is short.
    fn at_most(gpu: &Arc<Gpu>, dim: usize, wanted: usize) -> Result<Rows> {
        let mut room = wanted;
        loop {
            match Rows::new(gpu, dim, room) {
                Err(_) if room > TILE => room = room.div_ceil(2),
                tried => return tried,
            }
        }
    }

    fn push(&mut self, rows: &[f32], scales: &[f64]) -> Result<()> {
        let at = self.len;
        assert!(
            rows.len() == scales.len() * self.dim && at + scales.len() <= self.room,
            "embeddings that do not fit"
        );
        let scales32: Vec<f32> = scales.iter().map(|&s| s as f32).collect();
        self.values.write(at * self.dim * 4, rows)?;
        self.scales.write(at * 8, scales)?;
        self.scales32.write(at * 4, &scales32)?;
        self.len += scales.len();
        let tame = |&s: &f64| s == 0.0 || (1e-12..1e12).contains(&s);
        self.tame &= scales.iter().all(tame);
        Ok(())
    }

    /// Pointers from row `first` on: values, scales in 64 and in 32 bits.
    fn from(&self, first: usize) -> [u64; 3] {
        [
            self.values.pointer() + (first * self.dim * 4) as u64,
            self.scales.pointer() + (first * 8) as u64,
            self.scales32.pointer() + (first * 4) as u64,
        ]
    }
}

/// The ladders of all probes.
#[derive(Debug)]
struct Ladders {
    lengths: Vec<usize>,
    /// All rungs, one ladder after the other.
    rungs: Buffer,
    /// Four numbers each, as `rank_count` reads them.
    pieces: Buffer,
    /// First piece of each block of probes, and their number.
    blocks: Vec<usize>,
    /// For each piece a number of ties, and one for each rung.
    counts: Buffer,
}

impl Ladders {
    fn new(gpu: &Arc<Gpu>, ladders: &[&[f64]]) -> Result<Ladders> {
        let (mut pieces, mut rungs, mut blocks) = (Vec::new(), Vec::new(), vec![0]);
        for block in ladders.chunks(BLOCK) {
            for (probe, ladder) in block.iter().enumerate() {
                for piece in ladder.chunks(RUNGS) {
                    let place = rungs.len() + pieces.len();
                    pieces.push([probe, piece.len(), rungs.len(), place].map(|n| n as u32));
                    rungs.extend_from_slice(piece);
                }
            }
            blocks.push(pieces.len());
        }
        Ok(Ladders {
            lengths: ladders.iter().map(|l| l.len()).collect(),
            counts: gpu.buffer((rungs.len() + pieces.len()) * 4)?,
            rungs: gpu.upload(&rungs)?,
            pieces: gpu.upload(pieces.as_flattened())?,
            blocks,
        })
    }

    /// What was counted for each ladder: rows above each of its scores, and ties.
    fn read(&self) -> Result<Vec<(Vec<u64>, u64)>> {
        let numbers = self.lengths.iter().map(|n| n + n.div_ceil(RUNGS)).sum();
        let counts: Vec<u32> = self.counts.read(0, numbers)?;
        let mut left = counts.as_slice();
        let mut next = |length: usize| {
            let (piece, rest) = left.split_at(length + 1);
            left = rest;
            let mut sum = 0;
            let mut above: Vec<u64> = (piece[1..].iter().rev())
                .map(|&n| {
                    sum += u64::from(n);
                    sum
                })
                .collect();
            above.reverse();
            (above, u64::from(piece[0]))
        };
        let ladder = |&length: &usize| {
            let (mut above, mut ties) = (Vec::with_capacity(length), 0);
            while above.len() < length {
                let (more, tied) = next(RUNGS.min(length - above.len()));
                above.extend(more);
                ties += tied;
            }
            (above, ties)
        };
        Ok(self.lengths.iter().map(ladder).collect())
    }
}

/// Room for the highest scores of a tile.
#[derive(Debug)]
struct Tail {
    counts: Buffer,
    spots: Buffer,
    scores: Buffer,
}

/// A search of probes in a gallery, as much of which is on the GPU as fits.
#[derive(Debug)]
pub(super) struct Search {
    gpu: Arc<Gpu>,
    probes: Rows,
    ladders: Ladders,
    dots: Buffer,
    tail: Option<Tail>,
    gallery: Rows,
}

impl Search {
    /// Of probes `(rows, 1 / norms)`, row-major, and a gallery of `rows` rows. What is counted
    /// stands between the scores of `ladders`, ascending, one ladder for each probe; with `tail`,
    /// the highest scores can be asked for.
    ///
    /// # Errors
    /// [`Error::Compute`] if the GPU's memory does not suffice for probes and one tile.
    pub fn new(
        gpu: &Arc<Gpu>,
        (values, scales): (&[f32], &[f64]),
        ladders: &[&[f64]],
        rows: usize,
        tail: bool,
    ) -> Result<Search> {
        let (count, dim) = (scales.len(), values.len() / scales.len().max(1));
        if rows >= 1 << 32 || TILE * dim >= 1 << 32 {
            return Err(Error::Compute(format!(
                "a gallery of {rows} rows of {dim} numbers has more than a kernel counts"
            )));
        }
        let mut probes = Rows::new(gpu, dim, count)?;
        probes.push(values, scales)?;
        let block = count.min(BLOCK);
        let tile = block * rows.min(TILE);
        let tail = match tail {
            false => None,
            true => Some(Tail {
                counts: gpu.buffer((block + 1) * 4)?,
                spots: gpu.buffer(tile * 4)?,
                scores: gpu.buffer(tile * 8)?,
            }),
        };
        Ok(Search {
            gpu: Arc::clone(gpu),
            probes,
            ladders: Ladders::new(gpu, ladders)?,
            dots: gpu.buffer(tile * 4)?,
            tail,
            gallery: Rows::at_most(gpu, dim, rows.max(1))?,
        })
    }

    /// How far a score in 32 bits may be off.
    fn margin(&self) -> f32 {
        // A sum of n products in any order is off by n roundings at most, relative to the
        // product of the norms; some more for scaling and for the comparison itself.
        match self.probes.tame && self.gallery.tame {
            true => {
                let off = (self.probes.dim + 16) as f32 * (f32::EPSILON / 2.0);
                off / (1.0 - off)
            }
            false => f32::INFINITY,
        }
    }

    /// Probes of a block.
    fn probes_of(&self, block: usize) -> usize {
        BLOCK.min(self.probes.len - block * BLOCK)
    }

    /// Makes a tile, and adds what it holds to the counts.
    fn count(&self, block: usize, row: usize, columns: usize) -> Result<()> {
        let dim = self.probes.dim;
        let [probes, scales, _] = self.probes.from(block * BLOCK);
        let [rows, row_scales, row_scales32] = self.gallery.from(row);
        let count = self.probes_of(block);
        self.gpu.product(
            Matrix::new(probes, [count, dim], false),
            Matrix::new(rows, [columns, dim], false).t(),
            Matrix::new(self.dots.pointer(), [count, columns], false),
            false,
            Math::Full,
        )?;
        let [first, end] = [self.ladders.blocks[block], self.ladders.blocks[block + 1]];
        let args = args![
            self.dots.pointer(),
            columns as u32,
            probes,
            scales,
            rows,
            row_scales,
            row_scales32,
            dim as u32,
            self.margin(),
            self.ladders.pieces.pointer() + (first * 16) as u64,
            self.ladders.rungs.pointer(),
            self.ladders.counts.pointer(),
        ];
        let grid = [(end - first) as u32, 1, 1];
        self.gpu.launch("rank_count", grid, LINE, args)
    }

    /// The scores in the tile that are `floor` or more.
    fn highest(
        &self,
        tail: &Tail,
        floor: f64,
        block: usize,
        row: usize,
        columns: usize,
    ) -> Result<Vec<f64>> {
        let [probes, scales, _] = self.probes.from(block * BLOCK);
        let [rows, row_scales, row_scales32] = self.gallery.from(row);
        let count = self.probes_of(block);
        let grid = [count as u32, 1, 1];
        let (dots, places, spots) = (&self.dots, tail.counts.pointer(), tail.spots.pointer());
        let floor = floor as f32 - self.margin();
        let tile = [dots.pointer(), scales, row_scales32];
        let args = args![tile[0], columns as u32, tile[1], tile[2], floor, places];
        self.gpu.launch("tail_count", grid, LINE, args)?;
        let args = args![places, count as u32];
        self.gpu.launch("tail_places", [1, 1, 1], LINE, args)?;
        let found = tail.counts.read::<u32>(count * 4, 1)?[0];
        if found == 0 {
            return Ok(Vec::new());
        }
        let args = args![
            tile[0],
            columns as u32,
            tile[1],
            tile[2],
            floor,
            places,
            spots
        ];
        self.gpu.launch("tail_take", grid, LINE, args)?;
        let args = args![
            spots,
            found,
            columns as u32,
            probes,
            scales,
            rows,
            row_scales,
            self.probes.dim as u32,
            tail.scores.pointer(),
        ];
        self.gpu
            .launch("tail_scores", over(found as usize), LINE, args)?;
        tail.scores.read(0, found as usize)
    }
}

impl device::Search for Search {
    fn room(&self) -> usize {
        self.gallery.room
    }

    fn clear(&mut self) {
        self.gallery.len = 0;
        self.gallery.tame = true;
    }

    fn push(&mut self, rows: &[f32], scales: &[f64]) -> Result<()> {
        self.gallery.push(rows, scales)
    }

    fn start(&mut self) -> Result<()> {
        self.ladders.counts.clear()
    }

    fn pass(&mut self, mut floor: f64, take: &mut dyn FnMut(&mut Vec<f64>) -> f64) -> Result<()> {
        for row in (0..self.gallery.len).step_by(TILE) {
            let columns = TILE.min(self.gallery.len - row);
            for block in 0..self.ladders.blocks.len() - 1 {
                self.count(block, row, columns)?;
                if let Some(tail) = &self.tail {
                    let mut found = self.highest(tail, floor, block, row, columns)?;
                    floor = take(&mut found);
                }
            }
        }
        Ok(())
    }

    fn found(&self) -> Result<Vec<(Vec<u64>, u64)>> {
        self.ladders.read()
    }
}

impl Gpu {
    /// See [`device::Device::pair_scores`].
    pub(crate) fn pair_scores(
        self: &Arc<Self>,
        rows: &[f64],
        dim: usize,
        pairs: [&[u32]; 2],
    ) -> Result<Vec<f64>> {
        let [left, right] = pairs;
        let there = |&row: &u32| (row as usize + 1) * dim <= rows.len();
        assert!(
            left.len() == right.len() && left.iter().chain(right).all(there),
            "pairs of rows that there are not"
        );
        let rows = self.upload(rows)?;
        let mut out = Vec::with_capacity(left.len());
        for (left, right) in left.chunks(PAIRS).zip(right.chunks(PAIRS)) {
            let count = left.len();
            let (left, right) = (self.upload(left)?, self.upload(right)?);
            let scores = self.buffer(count * 8)?;
            let args = args![
                rows.pointer(),
                dim as u32,
                left.pointer(),
                right.pointer(),
                count as u32,
                scores.pointer(),
            ];
            let grid = [count.div_ceil(PAIRS_OF_BLOCK) as u32, 1, 1];
            self.launch("pair_scores", grid, LINE, args)?;
            out.extend(scores.read::<f64>(0, count)?);
        }
        Ok(out)
    }
}
