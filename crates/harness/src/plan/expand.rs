//! The jobs of a resolved suite. A job that several rows need is planned once.

use super::code::{Code, Codes};
use super::keys::{Keys, Names, keys};
use super::layout::*;
use super::recipe::Recipe;
use super::{Known, Round, cost, full_identity, identity};
use crate::suite::model_file::ModelFile;
use crate::suite::resolve::{Column, Keep, ModelSource, Row, Trained};
use crate::suite::{Resolved, dataset};
use frbench_base::Size;
use frbench_base::key::Key;
use frbench_base::registry::Params;
use frbench_eval::protocol;
use frbench_job::result::{DataResult, JobResult};
use frbench_job::*;
use frbench_methods::method::derive::KEPT_FROM;
use std::collections::BTreeMap;

pub struct Planner<'a> {
    suite: &'a Resolved,
    known: &'a Known,
    codes: Codes<'a>,
    names: Names,
    jobs: Vec<Job>,
    index: BTreeMap<Key, usize>,
    open: bool,
    /// Operations of one forward pass, by row.
    forward: Vec<f64>,
}

impl<'a> Planner<'a> {
    pub fn new(suite: &'a Resolved, known: &'a Known, code: &'a Code) -> Self {
        Planner {
            suite,
            known,
            codes: Codes::new(code),
            names: Names::default(),
            jobs: Vec::new(),
            index: BTreeMap::new(),
            open: false,
            forward: forward(suite),
        }
    }

    pub fn run(mut self) -> Round {
        let suite = self.suite;
        let listed = || suite.rows.iter().filter(|r| r.listed);
        let sets = listed().filter_map(|r| Some(&r.trained()?.data));
        let data = self.data_jobs(sets.chain(suite.columns.iter().map(|c| &c.data)));
        let mut runs: Vec<Vec<SeedRun>> = vec![Vec::new(); suite.rows.len()];
        let mut cells = Vec::new();
        // Seeds outside, rows inside: what is cut short compares methods at fewer seeds
        // instead of fewer methods.
        let rounds = listed().map(|r| r.seeds.len()).max().unwrap_or(0);
        for i in 0..rounds {
            for (row, spec) in suite.rows.iter().enumerate().filter(|(_, r)| r.listed) {
                let Some(&seed) = spec.seeds.get(i) else {
                    continue;
                };
                let train = self.network(row, seed);
                runs[row].push(SeedRun {
                    seed,
                    comparison: self.comparison(&train),
                    train: train.clone(),
                });
                for column in suite.columns.iter().filter(|c| c.has(&spec.entry)) {
                    let score = self.score(row, seed, &train, column);
                    cells.push(Cell {
                        row: spec.id.clone(),
                        column: column.id(),
                        seed,
                        comparison: self.comparison(&score),
                        score,
                    });
                }
            }
        }
        let rows = suite.rows.iter().zip(runs).filter(|(r, _)| r.listed);
        let layout = Layout {
            suite: suite.suite.clone(),
            title: suite.title.clone(),
            analysis: suite.analysis.clone(),
            published: suite.published.clone(),
            paper: suite.paper.clone(),
            profile: suite.profile.clone(),
            summary: suite.summary.clone(),
            data,
            conditions: suite.conditions.clone(),
            rows: rows.map(|(r, runs)| layout_row(suite, r, runs)).collect(),
            columns: suite.columns.iter().map(layout_column).collect(),
            cells,
            claims: suite.claims.clone(),
            references: suite.references.clone(),
        };
        Round {
            jobs: self.jobs,
            layout,
            finished: !self.open,
        }
    }

    fn data_jobs<'b>(&mut self, sets: impl Iterator<Item = &'b DataSpec>) -> Vec<LayoutData> {
        let mut out: Vec<LayoutData> = Vec::new();
        for set in sets.flat_map(|set| set.parts().chain([set])) {
            let job = self.data(set);
            if out.iter().all(|d| d.job != job) {
                out.push(LayoutData {
                    name: set.name.clone(),
                    job,
                });
            }
        }
        out
    }

    fn data(&mut self, set: &DataSpec) -> Key {
        let label = format!("data {}", set.name);
        let needs: Vec<Key> = set.parts().map(|part| self.data(part)).collect();
        let spec = JobSpec::Data(self.of_identities(set, &needs));
        let key = self.add(label, spec, &needs, cost::data(set));
        // What a generated set says follows from its generator, so its pin is all of it. What
        // else the files of a user say is not known before they are read.
        let pinned = set.identity.clone();
        let generated = !matches!(set.source, DataSource::Files { .. });
        let (name, full) = match self.described(&key) {
            Some(found) => (
                Some(identity(found).to_string()),
                Some(full_identity(found)),
            ),
            None => (pinned.clone(), pinned.filter(|_| generated)),
        };
        self.open |= full.is_none();
        let open = || format!("not made yet: {}", self.comparison(&key));
        let name = format!("data {}", name.unwrap_or_else(open));
        let mut described = full.map_or_else(|| name.clone(), |full| format!("data {full}"));
        // A set that is made of others says what they say.
        for facts in needs
            .iter()
            .filter_map(|part| self.described(part)?.facts_sha256.as_ref())
        {
            described += &format!(" of {facts}");
        }
        self.names.data.insert(key.clone(), name);
        self.names.described.insert(key.clone(), described);
        key
    }

    /// What is known of the set that a data job makes.
    fn described(&self, key: &Key) -> Option<&DataResult> {
        match self.known.results.get(key) {
            Some(JobResult::Data(found)) => Some(found),
            _ => None,
        }
    }

    /// A set with the sets that it is made of named by their identities, as far as they are
    /// known: another pixel there makes another list here.
    fn of_identities(&self, set: &DataSpec, parts: &[Key]) -> DataSpec {
        let mut set = set.clone();
        for (part, key) in set.parts_mut().zip(parts) {
            if let Some(found) = self.described(key) {
                part.identity = Some(full_identity(found));
            }
        }
        set
    }

    /// The job that leaves the network of a row.
    fn network(&mut self, index: usize, seed: u64) -> Key {
        let suite = self.suite;
        match &suite.rows[index].model {
            ModelSource::Trained(trained) => self.train(index, trained, seed),
            ModelSource::File(file) => self.import(index, file),
        }
    }

    fn import(&mut self, index: usize, file: &ModelFile) -> Key {
        let row = &self.suite.rows[index];
        let spec = JobSpec::Import(ImportSpec {
            file: file.sha256.clone(),
            backbone: row.backbone.clone(),
            input: row.input.clone(),
        });
        // Reading a weight is no work beside using it.
        self.add(format!("import {}", row.id), spec, &[], 1e9)
    }

    fn train(&mut self, index: usize, trained: &Trained, seed: u64) -> Key {
        let suite = self.suite;
        let row = &suite.rows[index];
        let data = self.data(&trained.data);
        let mut needs = vec![data.clone()];
        let teacher = row
            .teacher
            .map(|t| self.network(t, suite.rows[t].first_seed));
        needs.extend(teacher.clone());
        let start = row.start.map(|s| {
            let has = suite.rows[s].seeds.contains(&seed);
            self.network(s, if has { seed } else { suite.rows[s].first_seed })
        });
        needs.extend(start.clone());
        let mut derived: BTreeMap<String, Key> = BTreeMap::new();
        for need in &trained.needs.derive {
            let from: BTreeMap<String, Key> = need
                .from
                .iter()
                .filter_map(|name| Some((name.to_string(), derived.get(*name)?.clone())))
                .collect();
            // The one pass that looks at images; the others compute with artefacts and labels.
            let model = teacher.clone().filter(|_| need.derivation == "embeddings");
            let passes = match row.teacher.filter(|_| model.is_some()) {
                Some(t) => cost::images(&trained.data) * self.forward[t],
                None => cost::images(&trained.data) * 1e4,
            };
            let mut on: Vec<Key> = vec![data.clone()];
            on.extend(model.clone());
            on.extend(from.values().cloned());
            let spec = JobSpec::Derive(DeriveSpec {
                derivation: need.derivation.to_string(),
                params: need.params.clone(),
                data: data.clone(),
                model,
                from,
            });
            let label = format!("derive {} for {}", need.derivation, row.id);
            let key = self.add(label, spec, &on, passes);
            derived.insert(need.name.to_string(), key);
        }
        if let Some(keep) = &row.keep {
            let key = self.kept_images(keep, seed, trained, &data);
            derived.insert(KEPT_IMAGES.to_string(), key);
        }
        needs.extend(derived.values().cloned());
        let spec = JobSpec::Train(TrainSpec {
            method: trained.method.clone(),
            backbone: row.backbone.clone(),
            input: row.input.clone(),
            head: trained.head.clone(),
            data,
            teacher,
            start,
            derived,
            seed,
            schedule: trained.schedule.clone(),
            optimizer: trained.optimizer.clone(),
            batch: trained.batch,
            bn_group: trained.bn_group,
            flip: trained.flip,
            balanced: trained.balanced,
            keep_last: trained.keep_last,
            precision: trained.precision,
        });
        let seen = cost::seen(&trained.schedule, trained.batch, &trained.data);
        let mut work = cost::train(seen, self.forward[index]);
        if let Some(t) = row.teacher.filter(|_| trained.needs.teacher_network()) {
            work += seen * self.forward[t];
            if trained.needs.input_gradients {
                work += cost::input_gradients(seen, self.forward[index], self.forward[t]);
            }
        }
        self.add(format!("train {} seed {seed}", row.id), spec, &needs, work)
    }

    /// The images of the data job `data` that `row` is confined to: those that the network of
    /// another row, trained on all of them with the same seed, finds near to their class.
    fn kept_images(&mut self, keep: &Keep, seed: u64, trained: &Trained, data: &Key) -> Key {
        let model = self.network(keep.by, seed);
        let images = cost::images(&trained.data);
        let views = Views::Original;
        let by = &self.suite.rows[keep.by].id;
        let embeddings = self.add(
            format!("embed {by} seed {seed} {} images", trained.data.name),
            JobSpec::Embed(EmbedSpec {
                model: model.clone(),
                data: data.clone(),
                part: "images".to_string(),
                views,
                native: false,
                pixels: Pixels::Plain,
            }),
            &[model.clone(), data.clone()],
            cost::embed(images, self.forward[keep.by], views),
        );
        let spec = JobSpec::Derive(DeriveSpec {
            derivation: KEPT_IMAGES.to_string(),
            params: Params::from([("degrees".to_string(), keep.degrees.into())]),
            data: data.clone(),
            model: Some(model.clone()),
            from: BTreeMap::from([(KEPT_FROM[0].to_string(), embeddings.clone())]),
        });
        let label = format!("derive {KEPT_IMAGES} by {by} seed {seed}");
        self.add(
            label,
            spec,
            &[data.clone(), model, embeddings],
            images * 1e4,
        )
    }

    fn score(&mut self, row: usize, seed: u64, model: &Key, column: &Column) -> Key {
        let data = self.data(&column.data);
        let forward = self.forward[row];
        let row = &self.suite.rows[row];
        let images = match self.described(&data) {
            Some(found) => found.images as f64,
            None => cost::images(&column.data),
        };
        let mut embeddings = BTreeMap::new();
        for part in column.parts {
            let spec = JobSpec::Embed(EmbedSpec {
                model: model.clone(),
                data: data.clone(),
                part: (*part).to_string(),
                views: column.views,
                native: column.native,
                pixels: protocol::pixels(&column.spec),
            });
            let label = format!("embed {} seed {seed} {} {part}", row.id, column.data.name);
            let work = cost::embed(images / column.parts.len() as f64, forward, column.views);
            let key = self.add(label, spec, &[model.clone(), data.clone()], work);
            embeddings.insert((*part).to_string(), key);
        }
        let mut needs = vec![data.clone()];
        needs.extend(embeddings.values().cloned());
        let spec = JobSpec::Score(ScoreSpec {
            protocol: column.spec.clone(),
            data,
            embeddings,
        });
        let label = format!("score {} seed {seed} {}", row.id, column.id());
        self.add(label, spec, &needs, cost::score(images))
    }

    fn comparison(&self, key: &Key) -> Key {
        self.jobs[self.index[key]].comparison.clone()
    }

    /// Adds the job unless it is there, and returns its key.
    fn add(&mut self, label: String, spec: JobSpec, needs: &[Key], cost: f64) -> Key {
        let Keys {
            cache: key,
            comparison,
            made_of,
        } = keys(&spec, &self.names, &self.codes);
        if !self.index.contains_key(&key) {
            self.index.insert(key.clone(), self.jobs.len());
            if !matches!(spec, JobSpec::Data(_)) {
                let name = comparison.0.clone();
                self.names.comparison.insert(key.clone(), name);
            }
            self.jobs.push(Job {
                key: key.clone(),
                comparison,
                label,
                spec,
                needs: needs.to_vec(),
                made_of,
                cost,
            });
        }
        key
    }
}

/// Operations of one forward pass, by row: rows of a matrix have one network.
fn forward(suite: &Resolved) -> Vec<f64> {
    let mut known: Vec<(&BackboneSpec, Size, f64)> = Vec::new();
    let mut out = Vec::with_capacity(suite.rows.len());
    for row in &suite.rows {
        if let ModelSource::File(file) = &row.model {
            out.push(2.0 * file.macs as f64);
            continue;
        }
        let (spec, size) = (&row.backbone, row.input.size);
        let found = known.iter().find(|(s, n, _)| (*s, *n) == (spec, size));
        out.push(match found {
            Some((_, _, cost)) => *cost,
            None => {
                let cost = cost::forward(spec, size);
                known.push((spec, size, cost));
                cost
            }
        });
    }
    out
}

fn layout_row(suite: &Resolved, row: &Row, runs: Vec<SeedRun>) -> LayoutRow {
    LayoutRow {
        info: row.info.clone(),
        entry: row.entry.clone(),
        recipe: row
            .trained()
            .map(|trained| Recipe::of(trained, row.start.map(|s| suite.rows[s].label.as_str())))
            .unwrap_or_default(),
        runs,
    }
}

fn layout_column(column: &Column) -> LayoutColumn {
    LayoutColumn {
        id: column.id(),
        data: column.data.name.clone(),
        family: dataset::family(&column.data),
        protocol: column.protocol.clone(),
        kind: column.spec.name.clone(),
        synthetic: matches!(column.data.source, DataSource::Synth(_)),
    }
}
