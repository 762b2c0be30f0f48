//! References between the parts of a suite: who is the teacher, what is a variant of what.

use super::rows::ALL;
use crate::suite::catalogue::{self, Catalogue, ProtocolLine};
use crate::suite::check::suggest;
use crate::suite::dataset;
use crate::suite::model::*;
use crate::suite::source::{At, Source};
use frbench_base::{Error, Result};
use frbench_job::ProtocolSpec;
use std::collections::{BTreeMap, BTreeSet};

/// References between parts of a suite.
pub(super) struct Names<'a> {
    pub suite: &'a Suite,
    pub known: &'a Catalogue,
}

impl<'a> Names<'a> {
    pub fn source(&self) -> &'a Source {
        &self.suite.source
    }

    pub fn entry(&self, what: &str, id: &At<String>) -> Result<&'a Entry> {
        let found = self.suite.entries.iter().find(|e| e.id.value == id.value);
        found
            .ok_or_else(|| self.unknown(what, id, self.suite.entries.iter().map(|e| e.id.as_str())))
    }

    pub fn condition(&self, id: &At<String>) -> Result<&'a Condition> {
        let conditions = &self.suite.conditions;
        let found = conditions.iter().find(|c| c.id.value == id.value);
        let known = conditions.iter().map(|c| c.id.as_str());
        found.ok_or_else(|| self.unknown("condition", id, known))
    }

    /// A protocol by the name that profiles use: what it is, and its parameters, which are right.
    pub fn protocol(&self, id: &At<String>) -> Result<(&'a ProtocolLine, ProtocolSpec)> {
        let (source, known) = (self.source(), &self.known.protocols);
        let found = self.suite.protocols.iter().find(|p| p.id.value == id.value);
        let found = found.ok_or_else(|| {
            let ids = self.suite.protocols.iter().map(|p| p.id.as_str());
            let hint = match self.suite.protocols.is_empty() {
                true => format!("state it as `[protocol.{}]`", id.value),
                false => suggest(id, ids),
            };
            source.error(
                &id.span,
                format_args!("the suite defines no protocol `{}`; {hint}", id.value),
            )
        })?;
        let infos = self.known.protocol_infos();
        let info = catalogue::find(source, "protocol", &found.kind, &infos)?;
        let spec = ProtocolSpec {
            name: info.name.to_string(),
            params: catalogue::params(source, &found.kind, info)?,
        };
        let line = known.iter().find(|p| p.info.name == info.name);
        let line = line.ok_or_else(|| Error::Bug(format!("protocol `{}` is gone", info.name)))?;
        (line.metrics)(&spec).map_err(|e| source.error(&found.kind.span, e))?;
        Ok((line, spec))
    }

    /// The metrics that a protocol yields, whose parameters are right.
    pub fn metrics(&self, spec: &ProtocolSpec) -> Result<Vec<String>> {
        let line = self
            .known
            .protocols
            .iter()
            .find(|p| p.info.name == spec.name);
        let line = line.ok_or_else(|| Error::Bug(format!("protocol `{}` is gone", spec.name)))?;
        (line.metrics)(spec)
    }

    pub fn unknown<'b>(
        &self,
        what: &str,
        name: &At<String>,
        known: impl IntoIterator<Item = &'b str> + Clone,
    ) -> frbench_base::Error {
        self.source().error(
            &name.span,
            format_args!("unknown {what} `{}`; {}", name.value, suggest(name, known)),
        )
    }

    pub fn undefined<'b>(
        &self,
        profile: &Profile,
        what: &str,
        name: &At<String>,
        known: impl IntoIterator<Item = &'b str> + Clone,
    ) -> frbench_base::Error {
        self.source().error(
            &name.span,
            format_args!(
                "profile `{}` defines no {what} `{}`; {}",
                profile.id.value,
                name.value,
                suggest(name, known)
            ),
        )
    }

    /// What does not depend on a profile.
    pub fn check(&self) -> Result<()> {
        for entry in &self.suite.entries {
            self.origin(entry)?;
            self.teachers(entry)?;
            for id in entry.under.iter().flat_map(|u| &u.value) {
                let span = entry.under.as_ref().map_or(0..0, |u| u.span.clone());
                self.condition(&At::new(id.clone(), span))?;
            }
        }
        let measured = self.measured()?;
        for claim in &self.suite.claims {
            self.entry("entry", &claim.better)?;
            self.entry("entry", &claim.than)?;
            if let Some(under) = &claim.under {
                self.condition(under)?;
            }
            self.measurable(&claim.on, &claim.metric, &measured)?;
        }
        for gate in &self.suite.gates {
            self.entry("entry", &gate.entry)?;
            if let Some(under) = &gate.under {
                self.condition(under)?;
            }
            self.measurable(&gate.on, &gate.metric, &measured)?;
        }
        for reference in &self.suite.references {
            self.entry("entry", &reference.entry)?;
        }
        Ok(())
    }

    /// The entry that an ablation varies; ablations of ablations are not allowed.
    pub fn origin(&self, entry: &Entry) -> Result<Option<&'a Entry>> {
        let Some(of) = &entry.of else {
            return Ok(None);
        };
        let origin = self.entry("entry", of)?;
        if origin.role == Role::Ablation {
            return Err(self.source().error(
                &of.span,
                format_args!(
                    "`{}` varies `{}`, itself an ablation; vary the entry behind it",
                    entry.id.value, of.value
                ),
            ));
        }
        Ok(Some(origin))
    }

    pub fn teacher(&self, entry: &Entry) -> Result<Option<&'a At<String>>> {
        let own = self.entry("entry", &entry.id)?;
        match self.origin(entry)? {
            Some(origin) => Ok(origin.teacher.as_ref()),
            None => Ok(own.teacher.as_ref()),
        }
    }

    fn teachers(&self, entry: &Entry) -> Result<()> {
        let mut chain = vec![entry.id.value.as_str()];
        let mut next = self.teacher(entry)?;
        while let Some(id) = next {
            let seen = chain.contains(&id.as_str());
            chain.push(id);
            if seen {
                return Err(self.source().error(
                    &id.span,
                    format_args!("teachers form a circle: {}", chain.join(" -> ")),
                ));
            }
            next = self.teacher(self.entry("teacher", id)?)?;
        }
        Ok(())
    }

    /// The metrics that profiles measure, by the names and families of data sets.
    fn measured(&self) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let mut measured: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        if self.suite.claims.is_empty() && self.suite.gates.is_empty() {
            return Ok(measured);
        }
        for item in self.suite.profiles.iter().flat_map(|p| &p.evaluate) {
            let data = self.known.dataset(self.source(), &item.data)?;
            let (line, spec) = self.protocol(&item.protocol)?;
            let metrics = (line.metrics)(&spec)?;
            for name in [dataset::family(&data), data.name] {
                measured
                    .entry(name)
                    .or_default()
                    .extend(metrics.iter().cloned());
            }
        }
        Ok(measured)
    }

    /// Claims and gates are about data that some profile evaluates, and about a metric that a
    /// protocol yields there.
    fn measurable(
        &self,
        on: &At<String>,
        metric: &At<String>,
        measured: &BTreeMap<String, BTreeSet<String>>,
    ) -> Result<()> {
        let Some(metrics) = measured.get(&on.value) else {
            let known = measured.keys().map(String::as_str);
            return Err(self.source().error(
                &on.span,
                format_args!(
                    "no profile evaluates `{}`; {}",
                    on.value,
                    suggest(on, known)
                ),
            ));
        };
        if !metrics.contains(&metric.value) {
            let known = metrics.iter().map(String::as_str);
            return Err(self.unknown("metric", metric, known));
        }
        Ok(())
    }

    pub fn overrides(&self, profile: &Profile) -> Result<()> {
        for (id, _) in &profile.overrides {
            let (entry, condition) = match id.value.split_once('@') {
                Some((entry, condition)) => (entry, Some(condition)),
                None => (id.as_str(), None),
            };
            let at = |name: &str| At::new(name.to_string(), id.span.clone());
            if entry != ALL {
                self.entry("entry", &at(entry))?;
            }
            if let Some(condition) = condition {
                self.condition(&at(condition))?;
            }
        }
        Ok(())
    }
}
