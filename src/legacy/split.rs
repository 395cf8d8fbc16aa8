//! Events to runs: a run begins with `deployment_started`, and what led up to
//! it belongs to it.

use jiff::Timestamp;

use super::document::{Event, component};

/// The events of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Never empty.
    pub(super) events: Vec<Event>,
    /// The components that its `deployment_started` names; none when it has no
    /// such event, or one of the generations that did not tell.
    pub(super) with: Option<Vec<String>>,
}

/// The runs in these events, each event in one of them.
pub(super) fn runs(events: Vec<Event>) -> Vec<Run> {
    let starts = events
        .iter()
        .filter(|event| event.action == "deployment_started")
        .count();
    let mut runs: Vec<Vec<Event>> = Vec::with_capacity(starts + 1);
    let mut current: Vec<Event> = Vec::new();
    for event in events {
        let begun = current
            .iter()
            .any(|event| event.action == "deployment_started");
        if event.action == "deployment_started" && begun {
            let prelude = current
                .iter()
                .rposition(|event| !is_prelude(&event.action))
                .map_or(0, |last| last + 1);
            let next = current.split_off(prelude);
            runs.push(std::mem::replace(&mut current, next));
        }
        current.push(event);
    }
    runs.push(current);
    runs.into_iter()
        .filter(|events| !events.is_empty())
        .map(|events| Run {
            with: events.iter().find_map(with),
            events,
        })
        .collect()
}

/// What is said before `deployment_started`.
fn is_prelude(action: &str) -> bool {
    matches!(action, "deployment_initialized" | "preparation_started")
}

/// `Deployment started with flags: azure-children=false, kof=true`, or the
/// options as they were typed: `Deployment started (--with-kof)`.
fn with(event: &Event) -> Option<Vec<String>> {
    if event.action != "deployment_started" && !is_prelude(&event.action) {
        return None;
    }
    if let Some((_, flags)) = event.message.split_once("flags:")
        && flags.contains('=')
    {
        let on = flags.split(',').filter_map(|flag| {
            let (name, value) = flag.split_once('=')?;
            (value.trim() == "true").then(|| component(name))
        });
        return Some(on.collect());
    }
    let edge = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let mut typed: Vec<String> = Vec::new();
    for word in event.message.split_whitespace() {
        let name = word.trim_matches(edge).strip_prefix("--with-");
        let name = name.filter(|name| !name.is_empty()).map(component);
        typed.extend(name.filter(|name| !typed.contains(name)));
    }
    (!typed.is_empty()).then_some(typed)
}

impl Run {
    /// When it began: its first time, whichever event has one.
    pub(super) fn start(&self) -> Option<Timestamp> {
        self.events.iter().find_map(|event| event.at)
    }

    /// The time of each event: one without a time of its own has that of the
    /// event before it.
    pub(super) fn times(&self) -> Option<Vec<Timestamp>> {
        let mut last = self.start()?;
        let times = self.events.iter().map(|event| {
            last = event.at.unwrap_or(last);
            last
        });
        Some(times.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn event(action: &str, message: &str) -> Event {
        Event {
            stamp: String::new(),
            at: None,
            action: action.to_owned(),
            message: message.to_owned(),
            phase: None,
        }
    }

    #[test]
    fn what_leads_up_to_a_start_belongs_to_it() {
        let events = [
            ("deployment_initialized", ""),
            (
                "deployment_started",
                "with flags: azure-children=true, kof=false",
            ),
            ("vpn_connected", ""),
            ("preparation_started", ""),
            ("deployment_started", "again"),
            ("deployment_started", "flags: kof=true"),
        ];
        let events = events.map(|(action, message)| event(action, message));
        let runs = runs(events.to_vec());
        let sizes: Vec<usize> = runs.iter().map(|run| run.events.len()).collect();
        assert_eq!(sizes, [3, 2, 1]);
        assert_eq!(runs[0].with.as_deref().unwrap(), ["azure-children"]);
        assert_eq!(runs[1].with, None);
        assert_eq!(runs[2].with.as_deref().unwrap(), ["kof"]);
    }

    #[test]
    fn options_as_they_were_typed_are_flags_too() {
        let with = |action: &str, message: &str| runs(vec![event(action, message)])[0].with.clone();
        let typed = "Deployment started: deploy --with-kof --with-azure_children, --with-kof";
        let both = Some(vec!["kof".to_owned(), "azure-children".to_owned()]);
        assert_eq!(with("deployment_started", typed), both);
        assert_eq!(with("deployment_initialized", typed), both);
        assert_eq!(with("deployment_started", "without --with- anything"), None);
        let flags = "with flags: --with-kof";
        assert_eq!(
            with("deployment_started", flags),
            Some(vec!["kof".to_owned()])
        );
        // What a later step says of itself is not the run's.
        assert_eq!(with("kof_failed", "helm install --with-kof"), None);
    }

    #[test]
    fn events_without_a_start_are_one_run_and_none_are_none() {
        assert_eq!(runs(vec![event("vpn_connected", "")]).len(), 1);
        assert_eq!(runs(Vec::new()), []);
    }

    #[test]
    fn an_event_without_a_time_takes_the_one_before() {
        let mut run = runs(vec![event("a", ""), event("b", ""), event("c", "")]).remove(0);
        assert_eq!(run.times(), None);
        run.events[1].at = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(run.times().unwrap(), [Timestamp::UNIX_EPOCH; 3]);
    }
}
