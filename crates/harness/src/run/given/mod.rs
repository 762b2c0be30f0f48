//! Scores of embeddings that others made: protocols without a network.

pub mod feature;
mod matrix;

pub use matrix::Matrix;

use frbench_base::registry::Params;
use frbench_base::{Error, Result};
use frbench_data::list;
use frbench_data::set::listed::read_listed;
use frbench_data::watch::UNWATCHED;
use frbench_engine::Device;
use frbench_eval::protocol::{self, Part, ScoreInput, Scored};
use frbench_job::description::{GalleryData, IdentificationData, PairData, TemplateData};
use frbench_job::{Description, ProtocolSpec};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Embeddings by the parts that a protocol asks for, and what they are of.
#[derive(Debug)]
pub struct Given {
    pub parts: Vec<(&'static str, Matrix)>,
    pub description: Description,
    /// Things a reader must know.
    pub notes: Vec<String>,
}

impl Given {
    fn new(parts: Vec<(&'static str, Matrix)>, description: Description) -> Given {
        let notes = parts.iter().flat_map(|(_, matrix)| matrix.notes.clone());
        Given {
            notes: notes.collect(),
            parts,
            description,
        }
    }

    /// Whether they are of pairs, which are scored by rules.
    pub fn is_of_pairs(&self) -> bool {
        matches!(self.description, Description::Pairs(_))
    }

    /// Pairs of rows that a list names: a table `first,second,same` and perhaps `fold` and `group`, or
    /// a list of pairs as LFW, CALFW and AgeDB-30 have it. Rows go by their names, or by their numbers
    /// from 0.
    ///
    /// # Errors
    /// [`Error::Data`] for a list that is none, or that names no row.
    pub fn pairs(images: Matrix, path: &Path) -> Result<Given> {
        let listed = read_listed(path, UNWATCHED)?;
        let rows = Rows::of(&images);
        let data = listed.data(path, images.rows.rows(), |pair| {
            let row = |name: &str| {
                let wrong =
                    |what| Error::Data(format!("{}: {}: {what}", path.display(), pair.place));
                rows.find(name).map_err(wrong)
            };
            Ok(Some((row(&pair.first)?, row(&pair.second)?)))
        })?;
        let mut given = Given::new(vec![("images", images)], Description::Pairs(data));
        given.notes.extend(listed.findings.notes());
        Ok(given)
    }

    /// Pairs as packs have them: rows `2i` and `2i + 1` are pair `i`, of one person where the lines
    /// of a list of identities are the same, one for each row.
    ///
    /// # Errors
    /// [`Error::Data`] if there are not as many identities as rows, or an odd number.
    pub fn packed(images: Matrix, identities: &Path) -> Result<Given> {
        let ids = identities_of(&images, identities)?;
        if ids.len() % 2 == 1 {
            return Err(Error::Data(format!(
                "{}: {} rows are no pairs",
                images.rows.path().display(),
                ids.len()
            )));
        }
        let mut data = PairData::packed(ids.chunks(2).map(|p| p[0] == p[1]).collect());
        data.identities = Some(ids.chunks(2).map(|p| (p[0], p[1])).collect());
        let parts = vec![("images", images)];
        Ok(Given::new(parts, Description::Pairs(data)))
    }

    /// Probes to find among distractors (MegaFace), with the identity of each probe a line.
    ///
    /// # Errors
    /// [`Error::Data`] where the numbers do not fit each other.
    pub fn identification(probes: Matrix, identities: &Path, distractors: Matrix) -> Result<Given> {
        let data = IdentificationData {
            probe_ids: identities_of(&probes, identities)?,
            distractors: distractors.rows.rows(),
            ..IdentificationData::default()
        };
        same_size(&probes, &distractors)?;
        let parts = vec![("probes", probes), ("distractors", distractors)];
        Ok(Given::new(parts, Description::Identification(data)))
    }

    /// Probes and a gallery (TinyFace), with the identity of each a line, and perhaps distractors
    /// in the gallery.
    ///
    /// # Errors
    /// [`Error::Data`] where the numbers do not fit each other.
    pub fn gallery(
        (probes, probe_ids): (Matrix, &Path),
        (gallery, gallery_ids): (Matrix, &Path),
        distractors: Option<Matrix>,
    ) -> Result<Given> {
        let mut of = Names::default();
        let probe = of.numbers(&probes, probe_ids)?;
        let mates = of.numbers(&gallery, gallery_ids)?;
        same_size(&probes, &gallery)?;
        let data = GalleryData {
            probe_ids: probe,
            gallery_ids: mates,
            distractors: distractors.as_ref().map_or(0, |d| d.rows.rows()),
            ..GalleryData::default()
        };
        let distractors = match distractors {
            Some(distractors) => distractors,
            None => probes.without_rows()?,
        };
        same_size(&probes, &distractors)?;
        let parts = vec![
            ("probes", probes),
            ("gallery", gallery),
            ("distractors", distractors),
        ];
        Ok(Given::new(parts, Description::Gallery(data)))
    }

    /// Templates (IJB 1:1): `image template media` for each row, and pairs of templates `template
    /// template 0|1`; perhaps the detector's score of each image, as IJB's list of landmarks has
    /// it.
    ///
    /// # Errors
    /// [`Error::Data`] for lists that are none, or that are of other images.
    pub fn templates(
        images: Matrix,
        members: &Path,
        pairs: &Path,
        detections: Option<&Path>,
    ) -> Result<Given> {
        let listed = list::parse_members(&list::read(members)?, members)?;
        let rows = images.rows.rows();
        let differs = |path: &Path, count: usize| {
            Error::Data(format!(
                "{}: {count} images for {rows} embeddings",
                path.display()
            ))
        };
        if listed.len() != rows {
            return Err(differs(members, listed.len()));
        }
        let detector = match detections {
            None => None,
            Some(path) => {
                let found = list::parse_detections(&list::read(path)?, path)?;
                if found.len() != rows {
                    return Err(differs(path, found.len()));
                }
                Some(found.iter().map(|d| d.score).collect())
            }
        };
        let pairs = list::parse_pairs(&list::read(pairs)?, pairs)?;
        let data = TemplateData {
            template: listed.iter().map(|m| m.template).collect(),
            media: listed.iter().map(|m| m.media).collect(),
            detector,
            pair_a: pairs.iter().map(|p| p.first).collect(),
            pair_b: pairs.iter().map(|p| p.second).collect(),
            same: pairs.iter().map(|p| p.same).collect(),
            subjects: None,
            ..TemplateData::default()
        };
        let parts = vec![("images", images)];
        Ok(Given::new(parts, Description::Templates(data)))
    }

    /// How it is scored: pairs by `rule`.
    pub fn protocol(&self, rule: &str) -> ProtocolSpec {
        let (name, params) = match &self.description {
            Description::Pairs(_) => ("verification", json!({ "rule": rule })),
            Description::Identification(_) => ("identification", json!({ "ranks": [1, 10] })),
            Description::Gallery(_) => {
                ("gallery-identification", json!({ "ranks": [1, 5, 10, 20] }))
            }
            Description::Templates(data) => (
                "template-verification",
                json!({
                    "norm": "keep",
                    "detector_score": data.detector.is_some(),
                    "far_selection": "nearest",
                    "fars": [1e-6, 1e-5, 1e-4, 1e-3, 1e-2],
                }),
            ),
            Description::Train(_) => ("verification", json!({})),
        };
        let params: Params = match params {
            serde_json::Value::Object(map) => map.into_iter().collect(),
            _ => Params::new(),
        };
        ProtocolSpec {
            name: name.into(),
            params,
        }
    }

    /// Scores them under a protocol.
    ///
    /// # Errors
    /// [`Error::Data`] for what cannot be scored; [`Error::Compute`] for embeddings that are all
    /// alike.
    pub fn score(&self, spec: &ProtocolSpec, device: &Device) -> Result<Scored> {
        protocol::check(spec, &self.description)?;
        let mut parts = BTreeMap::new();
        for (name, matrix) in &self.parts {
            let part = Part {
                matrix: &matrix.rows,
                views: matrix.views,
            };
            parts.insert(*name, part);
        }
        protocol::score(
            spec,
            &ScoreInput {
                parts,
                data: &self.description,
                device: device.clone(),
            },
        )
    }
}

fn same_size(a: &Matrix, b: &Matrix) -> Result<()> {
    match a.rows.dim() == b.rows.dim() {
        true => Ok(()),
        false => Err(Error::Data(format!(
            "{} has {} columns and {} {}",
            a.rows.path().display(),
            a.rows.dim(),
            b.rows.path().display(),
            b.rows.dim()
        ))),
    }
}

/// Numbers for identities, in the order in which they come.
#[derive(Default)]
struct Names(BTreeMap<String, u32>);

impl Names {
    fn numbers(&mut self, of: &Matrix, path: &Path) -> Result<Vec<u32>> {
        let lines = matrix::lines(path)?;
        if lines.len() != of.rows.rows() {
            return Err(Error::Data(format!(
                "{}: {} identities for the {} rows of {}",
                path.display(),
                lines.len(),
                of.rows.rows(),
                of.rows.path().display()
            )));
        }
        let number = |line: String| {
            let next = self.0.len() as u32;
            *self.0.entry(line).or_insert(next)
        };
        Ok(lines.into_iter().map(number).collect())
    }
}

fn identities_of(of: &Matrix, path: &Path) -> Result<Vec<u32>> {
    Names::default().numbers(of, path)
}

/// Rows by their names.
struct Rows<'a> {
    names: BTreeMap<&'a str, Option<u32>>,
    count: usize,
}

impl<'a> Rows<'a> {
    fn of(matrix: &'a Matrix) -> Rows<'a> {
        let mut names = BTreeMap::new();
        for (name, row) in matrix.names.iter().flatten().zip(0..) {
            // A name of two rows names neither.
            let of_name = names.entry(name.as_str()).or_insert(Some(row));
            if *of_name != Some(row) {
                *of_name = None;
            }
        }
        Rows {
            names,
            count: matrix.rows.rows(),
        }
    }

    /// The row of a name: its own, without the folders before it, or a number from 0.
    fn find(&self, name: &str) -> Result<u32, String> {
        let starts = name.match_indices('/').map(|(at, _)| at + 1);
        for at in std::iter::once(0).chain(starts) {
            match self.names.get(&name[at..]) {
                Some(Some(row)) => return Ok(*row),
                Some(None) => return Err(format!("`{name}` is the name of several rows")),
                None => {}
            }
        }
        match name.parse::<u32>() {
            Ok(row) if (row as usize) < self.count => Ok(row),
            Ok(row) => Err(format!(
                "row {row} of {}; rows are counted from 0",
                self.count
            )),
            Err(_) if self.names.is_empty() => Err(format!(
                "`{name}`: the embeddings have no names; --names gives a list of them, one a line, \
                 or pairs go by the numbers of rows"
            )),
            Err(_) => Err(format!("no embedding is called `{name}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frbench_base::rng::Stream;
    use std::fs;

    /// Twelve people, two pictures each and their mirrors, far enough apart.
    fn embeddings(dir: &Path) -> std::path::PathBuf {
        let mut stream = Stream::derive(1, "given", &[]);
        let mut draw =
            |scale: f64| -> Vec<f64> { (0..16).map(|_| scale * stream.normal()).collect() };
        let mut rows = Vec::new();
        for _ in 0..24 {
            let person = draw(1.0);
            for _ in 0..4 {
                let noise = draw(0.8);
                rows.extend(person.iter().zip(noise).map(|(a, b)| (a + b) as f32));
            }
        }
        let path = dir.join("a.npy");
        frbench_weights::npy::write(&path, &[48, 2, 16], &rows).unwrap();
        path
    }

    fn metrics(given: &Given, rule: &str) -> Vec<(String, f64)> {
        let scored = given.score(&given.protocol(rule), &Device::CPU).unwrap();
        let metrics = scored.result.metrics.iter();
        metrics.map(|m| (m.id.clone(), m.value)).collect()
    }

    #[test]
    fn pairs_go_by_number_or_by_name_and_rules_differ() {
        let dir = tempfile::tempdir().unwrap();
        let path = embeddings(dir.path());
        let mut by_number = String::from("first,second,same\n");
        let mut by_name = by_number.clone();
        for i in 0..40 {
            let (a, b) = match i % 2 {
                0 => (i, i + 1),
                _ => (i, (i + 7) % 48),
            };
            let same = u8::from(i % 2 == 0);
            by_number += &format!("{a},{b},{same}\n");
            by_name += &format!("faces/{a}.png,faces/{b}.png,{same}\n");
        }
        let pairs = dir.path().join("pairs.csv");
        fs::write(&pairs, by_number).unwrap();
        let given = Given::pairs(Matrix::open(&path, None).unwrap(), &pairs).unwrap();
        let rules = ["insightface", "face-pytorch", "facex-zoo"];
        let found = rules.map(|rule| metrics(&given, rule));
        let different: Vec<f64> = found.iter().map(|m| m[0].1).collect();
        assert!(different.iter().all(|v| *v > 0.5), "{different:?}");

        let error = |text: &str| {
            fs::write(&pairs, text).unwrap();
            let matrix = Matrix::open(&path, None).unwrap();
            Given::pairs(matrix, &pairs).unwrap_err().to_string()
        };
        assert!(error("first,second,same\n0,48,1\n").contains("row 48 of 48"));
        assert!(error(&by_name).contains("have no names"));
        let names: String = (0..48).map(|i| format!("{i}.png\n")).collect();
        fs::write(dir.path().join("a.txt"), names).unwrap();
        fs::write(&pairs, &by_name).unwrap();
        let named = Given::pairs(Matrix::open(&path, None).unwrap(), &pairs).unwrap();
        assert_eq!(rules.map(|rule| metrics(&named, rule)), found);
    }

    #[test]
    fn a_list_says_folds_groups_and_people_of_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = embeddings(dir.path());
        let pairs = dir.path().join("pairs.csv");
        let rows =
            (0..24).map(|k| format!("{},{},{},{},g{}\n", 2 * k, 2 * k + 1, k % 2, k % 4, k % 3));
        let text = format!("first,second,same,fold,group\n{}", rows.collect::<String>());
        fs::write(&pairs, text).unwrap();
        let data = |pairs: &Path| {
            let given = Given::pairs(Matrix::open(&path, None).unwrap(), pairs).unwrap();
            match given.description {
                Description::Pairs(data) => data,
                _ => panic!("no pairs"),
            }
        };
        let read = data(&pairs);
        assert_eq!(read.folds.unwrap()[..5], [0, 1, 2, 3, 0]);
        assert_eq!(read.groups.unwrap().names, ["g0", "g1", "g2"]);
        let names = (0..24).flat_map(|k| [1, 2].map(|i| format!("P{k}/P{k}_000{i}.jpg\n")));
        fs::write(dir.path().join("a.txt"), names.collect::<String>()).unwrap();
        let pairs = dir.path().join("pairs.txt");
        let rows = (0..23).map(|k| format!("P{k} 1 2\nP{k} 1 P{} 1\n", k + 1));
        fs::write(&pairs, rows.collect::<String>()).unwrap();
        let people = data(&pairs).identities.unwrap();
        assert_eq!(people[..3], [(0, 0), (0, 1), (1, 1)]);
    }

    #[test]
    fn packs_searches_and_templates() {
        let dir = tempfile::tempdir().unwrap();
        let path = embeddings(dir.path());
        let open = || Matrix::open(&path, None).unwrap();
        let put = |name: &str, text: String| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        // Every second pair is of two people.
        let ids = (0..48).map(|i| match i % 4 {
            3 => format!("other{i}\n"),
            _ => format!("person{}\n", i / 2),
        });
        let ids = put("ids.txt", ids.collect());
        let packed = Given::packed(open(), &ids).unwrap();
        let Description::Pairs(data) = &packed.description else {
            panic!("no pairs")
        };
        assert_eq!(data.same.iter().filter(|s| **s).count(), 12);
        let list = (0..24).map(|k| format!("{},{},{}\n", 2 * k, 2 * k + 1, (k + 1) % 2));
        let list = put(
            "pairs.csv",
            format!("first,second,same\n{}", list.collect::<String>()),
        );
        let listed = Given::pairs(open(), &list).unwrap();
        for rule in ["insightface", "face-pytorch", "facex-zoo"] {
            assert_eq!(metrics(&packed, rule), metrics(&listed, rule));
        }

        let people = put(
            "people.txt",
            (0..48).map(|i| format!("p{}\n", i / 2)).collect(),
        );
        let given = Given::identification(open(), &people, open()).unwrap();
        let rank = metrics(&given, "")[0].clone();
        assert_eq!(rank.0, "rank-1");
        let given = Given::gallery((open(), &people), (open(), &people), None).unwrap();
        assert_eq!(metrics(&given, "")[0], ("rank-1".into(), 1.0));

        let members = (0..48).map(|i| format!("{i}.jpg {} {i}\n", i / 2));
        let members = put("members.txt", members.collect());
        let pairs =
            (0..24).flat_map(|t| [format!("{t} {t} 1\n"), format!("{t} {} 0\n", (t + 1) % 24)]);
        let pairs = put("template_pairs.txt", pairs.collect());
        let given = Given::templates(open(), &members, &pairs, None).unwrap();
        assert!(
            metrics(&given, "")
                .iter()
                .any(|(id, _)| id == "tar@far=1e-2")
        );
        let error = Given::packed(open(), &members.with_file_name("missing.txt"));
        assert!(error.is_err());
    }
}
