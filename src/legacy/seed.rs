//! What of older files goes to `state/runtime.yaml`: the VPN and its peers, and
//! what the last run came to. What is there already stays.

use serde_json::{Map, Value};

use super::convert::RunFile;
use super::document::{Peer, State, Vpn};
use super::judge::Verdict;
use super::times::written;
use crate::handoff::{LastRun, Runtime};
use crate::plan::Outcome;

/// The snapshot with what is new in the newest of these states and in these
/// runs, oldest first; `None` when nothing is.
pub(super) fn seeded<'a>(
    before: Option<Runtime>,
    states: impl Iterator<Item = &'a State>,
    runs: &[RunFile],
) -> Option<Runtime> {
    let mut runtime = before.clone().unwrap_or_default();
    let mut states: Vec<&State> = states.collect();
    // The sort is stable: of two without a time the newer layout is the last.
    states.sort_by_key(|state| state.updated);
    for state in states.iter().rev() {
        if runtime.peers.is_empty() {
            let peers = state.peers.iter();
            runtime.peers = peers.map(|(name, it)| (name.clone(), peer(it))).collect();
        }
        if let Some(known) = state.vpn.as_ref().filter(|_| runtime.vpn.is_empty()) {
            runtime.vpn = vpn(known).into_iter().collect();
        }
    }
    if before.is_none()
        && let Some(last) = runs.last()
    {
        runtime.current_run_id = Some(last.id.clone());
        runtime.last_outcome = match last.verdict {
            Verdict::Succeeded { .. } => Some(Outcome::Succeeded),
            Verdict::Failed { .. } => Some(Outcome::Failed),
            Verdict::Unfinished { .. } => None,
        };
        if !last.with.is_empty() {
            let with = Value::from(last.with.clone());
            runtime.flags.insert("with".to_owned(), with);
        }
        runtime.last_successful_run = runs.iter().rev().find_map(|run| match run.verdict {
            Verdict::Succeeded { at } => Some(LastRun {
                id: run.id.clone(),
                recipe: run.recipe.clone(),
                finished_at: written(at),
            }),
            Verdict::Failed { .. } | Verdict::Unfinished { .. } => None,
        });
    }
    (runtime != before.unwrap_or_default()).then_some(runtime)
}

fn peer(peer: &Peer) -> Value {
    let fields = [
        ("ip", &peer.ip),
        ("role", &peer.role),
        ("public_key", &peer.public_key),
    ];
    let known = fields.into_iter().filter_map(|(name, text)| {
        let text = text.as_ref()?;
        Some((name.to_owned(), Value::from(text.clone())))
    });
    Value::Object(known.collect::<Map<_, _>>())
}

fn vpn(vpn: &Vpn) -> Vec<(String, Value)> {
    let mut fields = vec![("connected".to_owned(), Value::Bool(vpn.connected))];
    if let Some(network) = &vpn.network {
        fields.push(("network".to_owned(), Value::from(network.clone())));
    }
    if let Some(port) = vpn.port {
        fields.push(("port".to_owned(), Value::from(port)));
    }
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(updated: Option<&str>, ip: &str) -> State {
        State {
            updated: updated.and_then(|text| text.parse().ok()),
            peers: [(
                "mylaptop".to_owned(),
                Peer {
                    ip: Some(ip.to_owned()),
                    role: None,
                    public_key: Some("PUBLIC".to_owned()),
                },
            )]
            .into(),
            vpn: Some(Vpn {
                connected: true,
                network: None,
                port: Some(51999),
            }),
            ..State::default()
        }
    }

    fn run(id: &str, verdict: Verdict) -> RunFile {
        RunFile {
            id: id.to_owned(),
            recipe: "legacy x".to_owned(),
            text: String::new(),
            verdict,
            with: vec!["kof".to_owned()],
        }
    }

    #[test]
    fn the_newest_state_and_the_last_runs_are_told() {
        let states = [
            state(Some("2025-12-01T00:00:00Z"), "10.0.0.2"),
            state(Some("2025-11-01T00:00:00Z"), "10.0.0.1"),
        ];
        let at = "2025-12-01T00:00:00Z".parse().unwrap();
        let runs = [
            run("20251201-000000-aaaa", Verdict::Succeeded { at }),
            run("20251202-000000-bbbb", Verdict::Unfinished { phase: None }),
        ];
        let runtime = seeded(None, states.iter(), &runs).unwrap();
        let peer = json!({"ip": "10.0.0.2", "public_key": "PUBLIC"});
        assert_eq!(runtime.peers["mylaptop"], peer);
        assert_eq!(runtime.vpn["port"], 51999);
        assert_eq!(runtime.current_run_id.unwrap(), "20251202-000000-bbbb");
        assert_eq!(runtime.last_outcome, None);
        let last = runtime.last_successful_run.unwrap();
        assert_eq!(last.id, "20251201-000000-aaaa");
        assert_eq!(last.finished_at, "2025-12-01T00:00:00.000Z");
        assert_eq!(runtime.flags["with"], json!(["kof"]));
    }

    #[test]
    fn what_is_known_stays_and_nothing_is_nothing() {
        assert_eq!(seeded(None, [State::default()].iter(), &[]), None);
        let known = Runtime {
            current_run_id: Some("20260101-000000-cccc".to_owned()),
            peers: [("own".to_owned(), json!({}))].into(),
            ..Runtime::default()
        };
        let runs = [run(
            "20251202-000000-bbbb",
            Verdict::Unfinished { phase: None },
        )];
        let states = [state(None, "10.0.0.1")];
        let after = seeded(Some(known.clone()), states.iter(), &runs).unwrap();
        assert_eq!(after.current_run_id, known.current_run_id);
        assert_eq!(after.peers, known.peers);
        assert_eq!(after.vpn["connected"], true);
        assert_eq!(seeded(Some(after), states.iter(), &runs), None);
    }
}
