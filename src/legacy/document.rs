//! The trees of every generation as one type. Each generation only added keys,
//! so what is missing is simply not there; a value of another type than
//! expected counts as missing, and truth may be written as `"true"`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::secrets::Mask;
use super::{phases, times};

/// `deployment-state.yaml`, as far as it is of use.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct State {
    /// Who deployed.
    pub(super) deployer: Option<String>,
    /// When the file was last written.
    pub(super) updated: Option<Timestamp>,
    /// Optional components that were asked for last.
    pub(super) with: Option<Vec<String>>,
    /// Its phases by name; the first generations have none.
    pub(super) phases: BTreeMap<String, Phase>,
    /// `WireGuard` peers by name.
    pub(super) peers: BTreeMap<String, Peer>,
    /// The VPN, where the file knows one.
    pub(super) vpn: Option<Vpn>,
}

/// One phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phase {
    /// `pending`, `in_progress`, `completed`, `skipped`.
    pub(super) status: String,
    /// Since when.
    pub(super) at: Option<Timestamp>,
    /// Why it was skipped.
    pub(super) reason: Option<String>,
}

/// One `WireGuard` peer, without its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) ip: Option<String>,
    /// `hub`, `controller`, `worker`.
    pub(super) role: Option<String>,
    pub(super) public_key: Option<String>,
}

/// The VPN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vpn {
    /// Whether it was connected when the file was last written.
    pub(super) connected: bool,
    /// `192.168.100.0/24`
    pub(super) network: Option<String>,
    pub(super) port: Option<u16>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Its time as it is written.
    pub(super) stamp: String,
    /// The instant, where the text names one.
    pub(super) at: Option<Timestamp>,
    /// `phase_completed`, ...
    pub(super) action: String,
    /// For people.
    pub(super) message: String,
    /// The phase it is about.
    pub(super) phase: Option<String>,
}

/// Events of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Events {
    /// `k0rdent-` and eight characters.
    pub(super) deployment: Option<String>,
    /// In the order of the file.
    pub(super) list: Vec<Event>,
    /// How many items were no events.
    pub(super) strange: usize,
}

/// Reads a state.
pub(super) fn state(tree: &Value, mask: &Mask) -> State {
    let text = |value: &Value| plain(value).map(|text| mask.text(&text));
    let mut peers = BTreeMap::new();
    for (name, peer) in fields(&tree["wireguard_peers"]) {
        if peer.is_object() {
            let peer = Peer {
                ip: text(&peer["ip"]),
                role: text(&peer["role"]),
                public_key: plain(&peer["public_key"]).and_then(|key| mask.public_key(&key)),
            };
            peers.insert(mask.text(name), peer);
        }
    }
    let config = &tree["config"];
    let network = text(&config["wireguard_network"]);
    let connected = truth(&tree["wg_vpn_connected"]);
    State {
        deployer: text(&tree["deployer"]),
        updated: plain(&tree["last_updated"]).and_then(|at| times::instant(&at)),
        with: tree["deployment_flags"].is_object().then(|| {
            let flags = fields(&tree["deployment_flags"]);
            flags
                .filter(|(_, on)| truth(on) == Some(true))
                .map(|(name, _)| component(&mask.text(name)))
                .collect()
        }),
        phases: fields(&tree["phases"])
            .filter_map(|(name, phase)| {
                let known = Phase {
                    status: plain(&phase["status"])?,
                    at: plain(&phase["updated_at"]).and_then(|at| times::instant(&at)),
                    reason: text(&phase["skipped_reason"]),
                };
                Some((phases::named(&mask.text(name)), known))
            })
            .collect(),
        vpn: (connected.is_some() || network.is_some()).then(|| Vpn {
            connected: connected == Some(true),
            network,
            port: plain(&config["wireguard_port"]).and_then(|port| port.parse().ok()),
        }),
        peers,
    }
}

/// Reads the events of an events file, or those that the first generation kept
/// in the state.
pub(super) fn events(tree: &Value, mask: &Mask) -> Events {
    let items = tree["events"].as_array().map_or(&[][..], Vec::as_slice);
    let list: Vec<Event> = items.iter().filter_map(|item| event(item, mask)).collect();
    Events {
        deployment: plain(&tree["deployment_id"]).map(|id| mask.text(&id)),
        strange: items.len() - list.len(),
        list,
    }
}

fn event(item: &Value, mask: &Mask) -> Option<Event> {
    let text = |key: &str| plain(&item[key]).map(|text| mask.text(&text));
    let (action, message) = (text("action"), text("message"));
    if action.is_none() && message.is_none() {
        return None;
    }
    let action = action.unwrap_or_default();
    let message = message.unwrap_or_default();
    let stamp = text("timestamp").unwrap_or_default();
    let about_phase = action.starts_with("phase_");
    Some(Event {
        at: times::instant(&stamp),
        phase: text("phase")
            .map(|phase| phases::named(&phase))
            .or_else(|| about_phase.then(|| phases::in_message(&message)).flatten()),
        stamp,
        action,
        message,
    })
}

/// A component's name as `with` has it.
pub(super) fn component(name: &str) -> String {
    name.trim().replace('_', "-")
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// A text or a number, as text; an empty one is none.
fn plain(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => text.trim().to_lowercase().parse().ok(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn texts_for_truth_and_ports_are_taken() {
        let tree = json!({
            "wg_vpn_connected": "true", "config": {"wireguard_port": "51987"},
            "deployment_flags": {"kof": true, "azure_children": "false"},
        });
        let state = state(&tree, &Mask::default());
        let vpn = state.vpn.unwrap();
        assert_eq!((vpn.connected, vpn.port), (true, Some(51987)));
        assert_eq!(state.with.unwrap(), ["kof"]);
    }

    #[test]
    fn a_shape_that_never_existed_is_an_empty_state() {
        let tree = json!({"deployment": {"id": "x"}, "phases": {"create_vms": true}, "wireguard_peers": [1]});
        assert_eq!(state(&tree, &Mask::default()), State::default());
    }

    #[test]
    fn events_without_words_are_counted() {
        let tree = json!({"events": [1, {}, {"message": "only this"}, {"action": "phase_completed", "message": "Phase completed: create_vms"}]});
        let events = events(&tree, &Mask::default());
        assert_eq!((events.list.len(), events.strange), (2, 2));
        assert_eq!(events.list[1].phase.as_deref(), Some("create_vms"));
    }

    fn any_tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let key = prop_oneof![
                Just("events".to_owned()),
                Just("phases".to_owned()),
                Just("wireguard_peers".to_owned()),
                Just("private_key".to_owned()),
                Just("deployment_flags".to_owned()),
                Just("timestamp".to_owned()),
                Just("message".to_owned()),
                "[a-z_]{1,6}",
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_tree_is_read_to_its_end(tree in any_tree()) {
            let mask = Mask::new([&tree], []);
            let _state = state(&tree, &mask);
            let events = events(&tree, &mask);
            let items = tree["events"].as_array().map_or(0, Vec::len);
            prop_assert_eq!(events.list.len() + events.strange, items);
        }
    }
}
