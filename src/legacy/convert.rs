//! A run of the older tool as a run file of ours: every event as a line, phases
//! as steps, an outcome where the events prove one.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::document::State;
use super::judge::{Verdict, judge};
use super::split::Run;
use super::times::written;
use crate::plan::{Event, EventKind, Outcome, RunInfo, Status, StepEnd, StepId, Stream};
use crate::runs::{Header, flow, is_id};

/// What is known of a run besides its events.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// The deployment's id.
    pub(super) deployment: Option<&'a str>,
    /// Where the events' file will be, relative to the lab.
    pub(super) from: &'a str,
    /// The state: for the last run, whose end it is.
    pub(super) state: Option<&'a State>,
    /// Who deployed.
    pub(super) deployer: Option<&'a str>,
}

/// A run file, not yet written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunFile {
    /// The run's id: from its start and its events, so that the same run has
    /// the same one whenever it is taken over.
    pub(super) id: String,
    /// `legacy` and the deployment's id.
    pub(super) recipe: String,
    /// The whole text.
    pub(super) text: String,
    /// How it ended.
    pub(super) verdict: Verdict,
    /// Its optional components.
    pub(super) with: Vec<String>,
}

/// One phase as it ended.
struct Record {
    at: Timestamp,
    phase: String,
    status: Status,
    summary: String,
}

/// The run file of a run; none when it has no time at all.
pub(super) fn convert(run: &Run, about: &About<'_>) -> Option<RunFile> {
    let times = run.times()?;
    let start = *times.first()?;
    let id = id(run, start, about.deployment)?;
    let begun = about.state.into_iter().flat_map(|state| &state.phases);
    let begun = begun.filter(|(_, phase)| phase.status == "in_progress");
    let verdict = judge(&run.events, &times, begun);
    let records = records(run, &times, about.state, &verdict);
    let with = match (&run.with, about.state) {
        (Some(with), _) => with.clone(),
        (None, Some(state)) => state.with.clone().unwrap_or_default(),
        (None, None) => Vec::new(),
    };
    let recipe = ["legacy"].into_iter().chain(about.deployment);
    let recipe = recipe.collect::<Vec<_>>().join(" ");
    let info = RunInfo {
        id: id.clone(),
        recipe: recipe.clone(),
        steps: records.len(),
        version: "legacy".to_owned(),
        operator: about.deployer.unwrap_or("unknown").to_owned(),
        ..RunInfo::default()
    };
    let flags = (!with.is_empty()).then(|| ("with".to_owned(), Value::from(with.clone())));
    let mut header = Header::new(&info, &written(start), flags.into_iter().collect(), None);
    // An address says nothing about a machine, and its processes are long gone.
    header.host = String::new();
    header.boot_id = String::new();
    header.migrated_from = Some(about.from.to_owned());
    let mut events = vec![event(start, None, EventKind::RunStarted(info))];
    events.extend(told(run, &times, records));
    events.extend(end(start, &verdict));
    let mut text = header.text().ok()?;
    for event in &events {
        // Writing to a string cannot fail.
        writeln!(text, "  - {}", flow(event).ok()?).unwrap_or_default();
    }
    Some(RunFile {
        id,
        recipe,
        text,
        verdict,
        with,
    })
}

fn id(run: &Run, start: Timestamp, deployment: Option<&str>) -> Option<String> {
    let mut hash = Sha256::new();
    hash.update(deployment.unwrap_or_default());
    for event in &run.events {
        let phase = event.phase.as_deref().unwrap_or_default();
        for part in [&event.stamp, &event.action, phase] {
            hash.update([0]);
            hash.update(part);
        }
    }
    let digest = hash.finalize();
    let stamp = start.to_zoned(TimeZone::UTC);
    let stamp = stamp.strftime("%Y%m%d-%H%M%S");
    let mut digest = digest.iter();
    let (a, b) = (digest.next()?, digest.next()?);
    let id = format!("{stamp}-{a:02x}{b:02x}");
    is_id(&id).then_some(id)
}

/// The phases that ended in this run, by its events and, for the last run, by
/// the state. A phase that neither names is not there.
fn records(
    run: &Run,
    times: &[Timestamp],
    state: Option<&State>,
    verdict: &Verdict,
) -> Vec<Record> {
    let mut records: BTreeMap<String, Record> = BTreeMap::new();
    for (event, at) in run.events.iter().zip(times) {
        let Some(phase) = &event.phase else { continue };
        let status = match event.action.as_str() {
            "phase_completed" => Status::Succeeded,
            "phase_skipped" => Status::Skipped,
            "phase_reset" => {
                records.remove(phase);
                continue;
            }
            _ => continue,
        };
        // The second of two equal ones is the same end, told again.
        if records
            .get(phase)
            .is_none_or(|known| known.status != status)
        {
            let why = event.message.split_once(" - ").map(|(_, why)| why);
            let record = record(*at, phase, status, why.unwrap_or_default());
            records.insert(phase.clone(), record);
        }
    }
    let start = times.first().copied().unwrap_or_default();
    for (name, phase) in state.into_iter().flat_map(|state| &state.phases) {
        let status = match phase.status.as_str() {
            "completed" => Status::Succeeded,
            "skipped" => Status::Skipped,
            _ => continue,
        };
        // One that ended before belongs to a run before.
        let Some(at) = phase.at.filter(|at| *at >= start) else {
            continue;
        };
        let why = phase.reason.as_deref().unwrap_or_default();
        let record = record(at, name, status, why);
        records.entry(name.clone()).or_insert(record);
    }
    if let Verdict::Failed {
        at,
        phase: Some(phase),
        message,
    } = verdict
    {
        let record = record(*at, phase, Status::Failed, message);
        records.insert(phase.clone(), record);
    }
    let mut records: Vec<Record> = records.into_values().collect();
    records.sort_by_key(|record| record.at);
    records
}

fn record(at: Timestamp, phase: &str, status: Status, summary: &str) -> Record {
    Record {
        at,
        phase: phase.to_owned(),
        status,
        summary: summary.to_owned(),
    }
}

/// Every event as a line, in the order of the file, and each phase's end behind
/// what was said by then.
fn told(run: &Run, times: &[Timestamp], records: Vec<Record>) -> Vec<Event> {
    let mut records = records.into_iter().peekable();
    let mut events = Vec::new();
    for (told, at) in run.events.iter().zip(times) {
        while let Some(record) = records.next_if(|record| record.at < *at) {
            events.push(finished(record));
        }
        let line = [told.action.as_str(), told.message.as_str()];
        let mut line = line
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(": ");
        if told.at.is_none() && !told.stamp.is_empty() {
            line = format!("{} {line}", told.stamp);
        }
        let note = EventKind::Output {
            stream: Stream::Note,
            line,
        };
        events.push(event(*at, told.phase.as_deref(), note));
    }
    events.extend(records.map(finished));
    events
}

fn finished(record: Record) -> Event {
    let kind = EventKind::StepFinished(StepEnd::new(record.status, record.summary));
    event(record.at, Some(&record.phase), kind)
}

/// The last event; none for a run that was cut off.
fn end(start: Timestamp, verdict: &Verdict) -> Option<Event> {
    let (at, outcome, exit) = match verdict {
        Verdict::Succeeded { at } => (*at, Outcome::Succeeded, 0),
        Verdict::Failed { at, .. } => (*at, Outcome::Failed, 1),
        Verdict::Unfinished { .. } => return None,
    };
    let took = at.duration_since(start).as_millis();
    let kind = EventKind::RunFinished {
        outcome,
        exit,
        duration_ms: u64::try_from(took).unwrap_or_default(),
        earlier_ms: 0,
    };
    Some(event(at, None, kind))
}

fn event(at: Timestamp, phase: Option<&str>, kind: EventKind) -> Event {
    Event {
        time: written(at),
        step: phase.map(|phase| StepId::new("legacy", phase)),
        kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::legacy::secrets::Mask;
    use crate::legacy::split;
    use crate::legacy::{document, document::Phase};
    use crate::runs::{Ending, parse};
    use proptest::prelude::*;
    use serde_json::json;

    const ACTIONS: &[&str] = &[
        "deployment_started",
        "deployment_completed",
        "phase_completed",
        "phase_skipped",
        "phase_reset",
        "vpn_connected",
        "k0s_deployment_failed",
        "kof_mothership_deployment_started",
    ];

    const PHASES: &[&str] = &["create_vms", "install_k0s", "connect_vpn"];

    fn about(state: Option<&State>) -> About<'_> {
        About {
            deployment: Some("k0rdent-abcd1234"),
            from: "state/legacy/deployment-events.yaml",
            state,
            deployer: Some("ops@example.org"),
        }
    }

    proptest! {
        #[test]
        fn every_run_is_a_run_file_that_holds_every_event(
            picks in prop::collection::vec((0..ACTIONS.len(), 0i64..40, 0..PHASES.len(), "[ -~\u{e4}\u{85}]{0,8}"), 1..12)
        ) {
            let items: Vec<Value> = picks
                .iter()
                .map(|(action, second, phase, message)| json!({
                    "timestamp": format!("2025-12-05T09:00:{second:02}Z"),
                    "action": ACTIONS[*action],
                    "phase": PHASES[*phase],
                    "message": message,
                }))
                .collect();
            let events = document::events(&json!({ "events": items }), &Mask::default());
            let runs = split::runs(events.list);
            let mut lines = 0;
            for run in &runs {
                let file = convert(run, &about(None)).unwrap();
                prop_assert_eq!(&file, &convert(run, &about(None)).unwrap());
                let read = parse(file.text.as_bytes()).unwrap();
                prop_assert!(read.header.is_legacy());
                prop_assert_eq!(&read.header.id, &file.id);
                let is_line = |event: &&Event| matches!(event.kind, EventKind::Output { .. });
                lines += read.events.iter().filter(is_line).count();
                let fits = match (&file.verdict, read.ending) {
                    (Verdict::Succeeded { .. }, Ending::Finished { outcome, .. }) => outcome == Outcome::Succeeded,
                    (Verdict::Failed { .. }, Ending::Finished { outcome, .. }) => outcome == Outcome::Failed,
                    (Verdict::Unfinished { .. }, ending) => ending == Ending::Interrupted,
                    _ => false,
                };
                prop_assert!(fits);
            }
            prop_assert_eq!(lines, picks.len());
        }
    }

    #[test]
    fn the_state_tells_phases_of_the_last_run_alone() {
        let phase = |status: &str, at: &str| Phase {
            status: status.to_owned(),
            at: at.parse().ok(),
            reason: None,
        };
        let state = State {
            phases: [
                ("create_vms", phase("completed", "2025-12-05T08:00:00Z")),
                ("install_k0s", phase("completed", "2025-12-05T09:00:05Z")),
                ("install_k0rdent", phase("pending", "2025-12-05T09:00:05Z")),
            ]
            .map(|(name, phase)| (name.to_owned(), phase))
            .into(),
            ..State::default()
        };
        let events = json!({"events": [{"timestamp": "2025-12-05T09:00:00Z", "action": "deployment_started"}]});
        let run = split::runs(document::events(&events, &Mask::default()).list).remove(0);
        let file = convert(&run, &about(Some(&state))).unwrap();
        let read = parse(file.text.as_bytes()).unwrap();
        let steps: Vec<&str> = read
            .events
            .iter()
            .filter_map(|event| event.step.as_ref().map(StepId::as_str))
            .collect();
        assert_eq!(steps, ["legacy/install_k0s"]);
    }
}
