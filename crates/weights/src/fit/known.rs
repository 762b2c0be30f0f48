//! What the shapes of tensors say of a backbone: its width, its embedding, the size of its input.

use super::Named;
use frbench_base::Size;
use frbench_engine::{Graph, Layer};
use frbench_job::BackboneSpec;
use frbench_methods::backbone::{self, BackboneEntry};
use std::collections::BTreeMap;

/// What networks of aligned faces take, if nothing else is known.
const USUAL: Size = Size::square(112);
/// What they take if it is no square: SphereFace's template.
const NARROW: Size = Size {
    height: 112,
    width: 96,
};
const TURNED: Size = Size {
    height: 96,
    width: 112,
};
/// The largest side that is tried; sides are multiples of 16.
const LARGEST: usize = 512;
/// A backbone with its usual settings.
pub struct Known {
    entry: &'static BackboneEntry,
    graph: Graph,
    pub state: BTreeMap<String, Vec<usize>>,
}

/// What the shapes of tensors may mean.
pub struct Reading {
    pub spec: BackboneSpec,
    pub size: Size,
    /// Tensors of another shape: name, what it is, what it would have to be.
    pub off: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl Reading {
    pub fn words(&self) -> String {
        let params: Vec<String> = self
            .spec
            .params
            .iter()
            .map(|(k, v)| format!("{k} {v}"))
            .collect();
        let params = match params.is_empty() {
            true => String::new(),
            false => format!(" with {}", params.join(", ")),
        };
        format!("{} pixels{params}", self.size)
    }
}

fn spec(entry: &BackboneEntry, embedding: usize) -> BackboneSpec {
    let mut spec = BackboneSpec {
        name: entry.info.name.into(),
        embedding,
        params: BTreeMap::new(),
        conv: Default::default(),
    };
    if has(entry, "stem_stride") {
        spec.params.insert("stem_stride".into(), 2.into());
    }
    spec
}

pub fn has(entry: &BackboneEntry, param: &str) -> bool {
    entry.info.params.iter().any(|p| p.name == param)
}

impl Known {
    pub fn of(entry: &'static BackboneEntry) -> Option<Known> {
        let graph = backbone::build(&spec(entry, 512), USUAL).ok()?;
        let state = graph.state().into_iter().collect();
        Some(Known {
            entry,
            graph,
            state,
        })
    }

    /// What the tensors may be, those first whose shapes fit, and of these the usual size; squares
    /// before others. Names fit already.
    pub fn read(&self, tensors: &Named) -> Vec<Reading> {
        let nodes = self.graph.nodes();
        let weight = |wanted: &dyn Fn(&Layer) -> bool, last: bool| {
            let mut found = nodes.iter().filter(|n| wanted(&n.layer));
            let node = if last {
                found.next_back()
            } else {
                found.next()
            };
            let name = format!("{}.weight", node?.name);
            Some((self.state.get(&name)?, tensors.shape(&name)?))
        };
        let is_linear = |layer: &Layer| matches!(layer, Layer::Linear { .. });
        let is_conv = |layer: &Layer| matches!(layer, Layer::Conv(_));
        let embedding = weight(&is_linear, true).and_then(|(_, is)| is.first());
        let colours = weight(&is_conv, false)
            .and_then(|(_, is)| is.get(1))
            .copied();
        let widths = self.widths(tensors);
        let strides: &[usize] = match has(self.entry, "stem_stride") {
            true => &[2, 1],
            false => &[0],
        };
        let readings = |sizes: &mut dyn Iterator<Item = Size>| -> Vec<Reading> {
            let mut all = Vec::new();
            for size in sizes {
                for (width, stride) in widths
                    .iter()
                    .flat_map(|w| strides.iter().map(move |s| (w, s)))
                {
                    let mut spec = spec(self.entry, embedding.copied().unwrap_or(512));
                    if *width != 1.0 {
                        spec.params.insert("width".into(), (*width).into());
                    }
                    if *stride != 0 {
                        spec.params.insert("stem_stride".into(), (*stride).into());
                    }
                    if let Some(colours) = colours.filter(|c| *c != 3)
                        && has(self.entry, "input_channels")
                    {
                        spec.params.insert("input_channels".into(), colours.into());
                    }
                    let Ok(graph) = backbone::build(&spec, size) else {
                        continue;
                    };
                    let off = tensors.misshapen(&graph.state());
                    all.push(Reading { spec, size, off });
                }
            }
            all.sort_by_key(|reading| reading.off.len());
            all
        };
        let sides = || (1..=LARGEST / 16).map(|n| 16 * n);
        let others = sides().map(Size::square).filter(|s| *s != USUAL);
        let mut all = readings(&mut std::iter::once(USUAL).chain(others));
        // The size shows in one tensor, that behind the last map.
        if all.first().is_some_and(|nearest| nearest.off.len() == 1) {
            let exact = |sizes: &mut dyn Iterator<Item = Size>| {
                let mut found = readings(sizes);
                found.retain(|reading| reading.off.is_empty());
                found
            };
            let mut longer = exact(&mut [NARROW, TURNED].into_iter());
            if longer.is_empty() {
                let all = sides().flat_map(|h| sides().map(move |w| Size::from([h, w])));
                let long = |s: &Size| !s.is_square() && s.most() <= 2 * s.least();
                longer = exact(&mut all.filter(long));
            }
            all.splice(0..0, longer);
        }
        all
    }
}

/// How many widths are tried.
const WIDTHS: usize = 6;

impl Known {
    /// Channels in proportion to those of the usual width, as the convolutions have them: the
    /// proportion of most of them first, and of wide ones, where rounding is least.
    fn widths(&self, tensors: &Named) -> Vec<f64> {
        if !has(self.entry, "width") {
            return vec![1.0];
        }
        // By proportion: how many have it, and the most channels of one.
        let mut found: BTreeMap<(usize, usize), (usize, usize)> = BTreeMap::new();
        for (name, usual) in self.state.iter().filter(|(_, shape)| shape.len() == 4) {
            if let Some([is, _, _, _]) = tensors.shape(name) {
                let by = greatest_divisor(*is, usual[0]).max(1);
                let (count, most) = found.entry((is / by, usual[0] / by)).or_default();
                (*count, *most) = (*count + 1, (*most).max(usual[0]));
            }
        }
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by_key(|(_, rank)| std::cmp::Reverse(*rank));
        let ratios = found
            .into_iter()
            .map(|((is, usual), _)| is as f64 / usual as f64);
        ratios.take(WIDTHS).collect()
    }
}

fn greatest_divisor(a: usize, b: usize) -> usize {
    if b == 0 {
        a
    } else {
        greatest_divisor(b, a % b)
    }
}
