//! Whether pictures reach a network from elsewhere as it was trained on them: a subset of pairs is
//! embedded in both orders of colours and in common scalings, too, and d' tells how far genuine and
//! impostor cosines are apart. Where another way is clearly better, the stated one is probably wrong.
//! It is only said: what is scored is what was stated.

use super::embedder::{Embedder, cosine};
use frbench_base::Result;
use frbench_base::key::sha256_hex;
use frbench_base::rng::Stream;
use frbench_data::set::DataSet;
use frbench_data::source::{ImageSource, Selected};
use frbench_job::{Color, Description, InputSpec, Views};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pairs of each kind that are looked at, at most, and at least.
const PAIRS: usize = 60;
const FEWEST: usize = 10;
/// Scalings besides that which is stated: mean and deviation of x / 255.
const SCALINGS: [(f64, f64); 3] = [(0.5, 0.5), (0.0, 1.0), (0.0, 1.0 / 255.0)];
/// How often pairs are drawn again, and in how many draws another way may not be better.
const DRAWS: u64 = 1000;
const DOUBT: usize = 1;
/// By how much its d' has to be larger.
const CLEARLY: f64 = 1.1;

/// Cosines of pairs under one preprocessing.
#[derive(Clone, Debug, Default, PartialEq)]
struct Cosines {
    genuine: Vec<f64>,
    impostor: Vec<f64>,
}

impl Cosines {
    /// The difference of means in units of the mean deviation.
    fn d_prime(&self) -> f64 {
        let moments = |v: &[f64]| {
            let mean = v.iter().sum::<f64>() / v.len() as f64;
            let square = v.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            (mean, square / v.len() as f64)
        };
        let ((g, vg), (i, vi)) = (moments(&self.genuine), moments(&self.impostor));
        (g - i) / ((vg + vi) / 2.0).sqrt().max(1e-9)
    }

    fn drawn(&self, genuine: &[usize], impostor: &[usize]) -> Cosines {
        let of = |v: &[f64], at: &[usize]| at.iter().map(|i| v[*i]).collect();
        Cosines {
            genuine: of(&self.genuine, genuine),
            impostor: of(&self.impostor, impostor),
        }
    }

    /// Whether `other`, of the same pairs, tells them apart clearly better: by a tenth, and in all
    /// but one of a thousand draws of pairs.
    fn clearly_worse_than(&self, other: &Cosines, seed: u64) -> bool {
        if other.d_prime() <= CLEARLY * self.d_prime().max(0.0) || other.d_prime() <= 0.0 {
            return false;
        }
        let draw = |stream: &mut Stream, n: usize| -> Vec<usize> {
            (0..n)
                .map(|_| (stream.uniform() * n as f64) as usize % n)
                .collect()
        };
        let doubtful = (0..DRAWS).filter(|draws| {
            let mut stream = Stream::derive(seed, "input-probe", &[*draws]);
            let genuine = draw(&mut stream, self.genuine.len());
            let impostor = draw(&mut stream, self.impostor.len());
            let of = |c: &Cosines| c.drawn(&genuine, &impostor).d_prime();
            of(other) <= of(self)
        });
        doubtful.count() <= DOUBT
    }
}

/// What a look has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Pairs that were looked at.
    pub pairs: usize,
    /// d' of what is stated.
    pub stated: f64,
    /// Every other way, its d', and whether it is clearly better; no d' where cosines are not defined.
    pub others: Vec<(InputSpec, Option<f64>, bool)>,
}

impl Found {
    /// A warning, if there is reason for one.
    pub fn warning(&self) -> Option<String> {
        let better = self.others.iter().filter(|(_, _, better)| *better);
        let better = better.filter_map(|(input, d, _)| Some((input, (*d)?)));
        let (input, d) = better.max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(format!(
            "on {} pairs, pictures in the form {},{},{} are told apart clearly better (d' {d:.2}) \
             than as stated (d' {:.2}); what is scored is what was stated",
            self.pairs,
            input.color.name(),
            input.mean,
            input.std,
            self.stated
        ))
    }
}

/// Looks at pairs of `set`; none of a set that has too few.
///
/// # Errors
/// An image that cannot be decoded; [`Error::Compute`](frbench_base::Error::Compute) where what is stated gives embeddings without a
/// direction; what `go_on` returns.
pub fn look(
    embedder: &mut Embedder,
    set: &DataSet,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Option<Found>> {
    let Description::Pairs(data) = &set.description else {
        return Ok(None);
    };
    // In an order that follows from their numbers and from nothing else.
    let mut order: Vec<usize> = (0..data.pairs.len()).collect();
    order.sort_by_cached_key(|k| sha256_hex(&(*k as u64).to_le_bytes()));
    let mut chosen: [Vec<(u32, u32)>; 2] = [Vec::new(), Vec::new()];
    for k in order {
        let of_kind = &mut chosen[usize::from(data.same[k])];
        if let Some(pair) = data.pairs[k].filter(|_| of_kind.len() < PAIRS) {
            of_kind.push(pair);
        }
    }
    let [impostor, genuine] = chosen;
    if genuine.len().min(impostor.len()) < FEWEST {
        return Ok(None);
    }
    let mut numbers: BTreeMap<u32, usize> = BTreeMap::new();
    for (a, b) in genuine.iter().chain(&impostor) {
        for image in [a, b] {
            let next = numbers.len();
            numbers.entry(*image).or_insert(next);
        }
    }
    let mut indices: Vec<u32> = vec![0; numbers.len()];
    for (image, at) in &numbers {
        indices[*at] = *image;
    }
    let images: Arc<dyn ImageSource> = Arc::new(Selected {
        source: set.part("images")?.clone(),
        indices,
    });
    let stated = embedder.input.clone();
    let mut cosines = |input: &InputSpec| -> Result<Result<Cosines>> {
        embedder.input = input.clone();
        let mut rows: Vec<f32> = Vec::new();
        let dim = embedder.dim(Views::Original);
        embedder.embed(&images, (Views::Original, 0), |some, _| {
            rows.extend_from_slice(some);
            go_on()
        })?;
        let row = |image: &u32| {
            let at = numbers.get(image).copied().unwrap_or_default();
            &rows[at * dim..(at + 1) * dim]
        };
        let of = |pairs: &[(u32, u32)]| -> Result<Vec<f64>> {
            pairs.iter().map(|(a, b)| cosine(row(a), row(b))).collect()
        };
        let [genuine, impostor] = [of(&genuine), of(&impostor)];
        Ok(genuine.and_then(|genuine| {
            Ok(Cosines {
                genuine,
                impostor: impostor?,
            })
        }))
    };
    let own = cosines(&stated)??;
    let mut others = Vec::new();
    for input in ways(&stated) {
        // What is not stated may suit the network so little that it gives no numbers.
        others.push(match cosines(&input)? {
            Ok(found) => {
                let better = own.clearly_worse_than(&found, others.len() as u64);
                (input, Some(found.d_prime()), better)
            }
            Err(_) => (input, None, false),
        });
    }
    embedder.input = stated;
    Ok(Some(Found {
        pairs: genuine.len() + impostor.len(),
        stated: own.d_prime(),
        others,
    }))
}

/// Other ways that pictures may become input; those alone that differ by more than a hundredth.
fn ways(stated: &InputSpec) -> Vec<InputSpec> {
    let own = (stated.mean, stated.std);
    let far = |&&(mean, std): &&(f64, f64)| {
        (mean - own.0).abs() > 0.01 || (std / own.1 - 1.0).abs() > 0.01
    };
    let mut scalings = vec![own];
    scalings.extend(SCALINGS.iter().filter(far));
    let all = scalings.iter().flat_map(|&(mean, std)| {
        [Color::Rgb, Color::Bgr].map(|color| InputSpec {
            color,
            mean,
            std,
            ..stated.clone()
        })
    });
    all.filter(|input| input != stated).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosines(stream: &mut Stream, genuine: f64) -> Cosines {
        let mut of =
            |mean: f64| -> Vec<f64> { (0..PAIRS).map(|_| mean + 0.2 * stream.normal()).collect() };
        Cosines {
            genuine: of(genuine),
            impostor: of(0.0),
        }
    }

    /// Another way that is as good, its cosines like those of the stated one or independent.
    #[test]
    fn false_warnings_are_rare_and_right_ones_come() {
        let (mut alone, mut alike, mut right) = (0, 0, 0);
        for subset in 0..1000 {
            let mut stream = Stream::derive(7, "subsets", &[subset]);
            let stated = cosines(&mut stream, 0.5);
            let other = cosines(&mut stream, 0.5);
            alone += usize::from(stated.clearly_worse_than(&other, subset));
            let mut near = stated.clone();
            let shake = |v: &mut f64, stream: &mut Stream| *v += 0.05 * stream.normal();
            near.genuine.iter_mut().for_each(|v| shake(v, &mut stream));
            near.impostor.iter_mut().for_each(|v| shake(v, &mut stream));
            alike += usize::from(stated.clearly_worse_than(&near, subset));
            if subset < 50 {
                let better = cosines(&mut stream, 0.9);
                right += usize::from(stated.clearly_worse_than(&better, subset));
            }
        }
        assert!(alone <= 10 && alike <= 10, "{alone} {alike}");
        assert!(right >= 48, "{right}");
    }

    #[test]
    fn ways_are_those_that_differ() {
        let stated: InputSpec =
            serde_json::from_str(r#"{"size": 112, "color": "bgr", "mean": 0.5, "std": 0.50196}"#)
                .unwrap();
        let ways = ways(&stated);
        assert_eq!(ways.len(), 5);
        assert!(ways.iter().all(|w| *w != stated));
    }
}
