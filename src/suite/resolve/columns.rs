//! What is evaluated: data sets under protocols.

use super::names::Names;
use super::*;

pub(super) fn columns(names: &Names, profile: &Profile) -> Result<Vec<Column>> {
    let (source, known) = (names.source(), names.known);
    let mut columns: Vec<Column> = Vec::new();
    for item in &profile.evaluate {
        let (data, protocol) = (&item.data, &item.protocol);
        for id in item.entries.iter().flatten() {
            names.entry("entry", id)?;
        }
        let found = names
            .suite
            .protocols
            .iter()
            .find(|p| p.id.value == protocol.value);
        let found = found.ok_or_else(|| {
            let ids = names.suite.protocols.iter().map(|p| p.id.as_str());
            source.error(
                &protocol.span,
                format_args!(
                    "the suite defines no protocol `{}`; {}",
                    protocol.value,
                    suggest(protocol, ids)
                ),
            )
        })?;
        let infos = known.protocol_infos();
        let info = registries::find(source, "protocol", &found.kind, &infos)?;
        let spec = ProtocolSpec {
            name: info.name.to_string(),
            params: registries::params(source, &found.kind, info)?,
        };
        let Some(line) = known.protocols.iter().find(|p| p.info.name == info.name) else {
            continue;
        };
        let set = known.dataset(source, data)?;
        if set.format != line.format {
            return Err(source.error(
                &data.span,
                format_args!(
                    "`{}` holds {}; protocol `{}` (`{}`) needs {}",
                    data.value,
                    holds(set.format),
                    protocol.value,
                    info.name,
                    holds(line.format)
                ),
            ));
        }
        let column = Column {
            data: set,
            protocol: protocol.value.clone(),
            spec,
            parts: line.parts,
            views: line.views,
            entries: item
                .entries
                .as_ref()
                .map(|ids| ids.iter().map(|id| id.value.clone()).collect()),
            native: item.native,
        };
        if columns.iter().any(|c| c.id() == column.id()) {
            return Err(source.error(
                &data.span,
                format_args!(
                    "`{}` is evaluated twice under `{}`",
                    data.value, protocol.value
                ),
            ));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// What a data set of this format is, for messages.
pub(super) fn holds(format: DataFormat) -> &'static str {
    match format {
        DataFormat::Train => "a training set",
        DataFormat::Pairs => "pairs",
        DataFormat::Identification => "probes and distractors",
        DataFormat::Templates => "templates",
        DataFormat::Gallery => "probes, a gallery and distractors",
    }
}
