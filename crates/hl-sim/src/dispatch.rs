//! A call whose caller is known goes to its handler, wherever it came from: by HTTP or
//! from a node's command line.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::auth::Identity;
use super::call::Call;
use super::error::{ApiError, bail};
use super::kind::VMID;
use super::machine::Sim;
use super::params::Params;
use super::route::{Access, Captures, Route};
use super::snippets;

/// The data, and what is told beside it.
pub(super) type Answered = Result<(Data, Map<String, Value>), ApiError>;

/// The data of an answer.
#[derive(Debug)]
pub(super) enum Data {
    /// As a handler returns it.
    Value(Value),
    /// JSON text already: a long list.
    Text(String),
}

impl Data {
    /// The data to look into.
    pub(super) fn into_value(self) -> Result<Value, ApiError> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Text(text) => {
                serde_json::from_str(&text).map_err(|error| ApiError::die(error.to_string()))
            }
        }
    }

    /// The data as JSON.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Value(value) => value.to_string(),
            Self::Text(text) => text,
        }
    }
}

/// Checks rights, path and parameters, and lets the handler answer. Not to be called
/// where waiting is not allowed: handlers wait for locks, tasks and guests.
pub(super) fn run(
    sim: &Arc<Sim>,
    who: &Identity,
    path: &str,
    (route, captures): (&'static Route, Captures),
    mut params: Params,
) -> Answered {
    params.drop_repeated(&captures)?;
    if route.access == Access::Ticket && who.is_token() {
        let text = format!("URI '{path}' not available with API token, need proper ticket.");
        return Err(ApiError::denied(&text));
    }
    let mut call = Call {
        sim,
        who,
        path: captures,
        kind: route.guests(),
        params,
        beside: RefCell::default(),
        written: RefCell::default(),
    };
    // Who may not is told so, however wrong the rest is.
    route.admit(&call)?;
    check_captures(sim, &call.path)?;
    call.params.settle(route.params);
    call.params.check(route.params, route.keys)?;
    if route.looks_at_files() {
        snippets::adopt(sim, call.node());
    }
    let data = (route.handler)(&call)?;
    if route.changes_storages() {
        snippets::make_folders(sim);
    }
    if let Some(error) = sim.save_error().filter(|_| route.method != "GET") {
        bail!("the simulator cannot save its world: {error}");
    }
    let data = match call.written.take() {
        Some(text) => Data::Text(text),
        None => Data::Value(data),
    };
    Ok((data, call.beside.take()))
}

/// What is in the path is checked like a parameter, and the node must exist.
fn check_captures(sim: &Sim, captures: &BTreeMap<&'static str, String>) -> Result<(), ApiError> {
    if let Some(vmid) = captures.get("vmid") {
        VMID.check(vmid)
            .map_err(|text| ApiError::param("vmid", text))?;
    }
    if let Some(node) = captures.get("node") {
        let world = sim.world();
        match world.node(node) {
            Some(node) if node.online => {}
            Some(_) => return Err(ApiError::new(595, "No route to host")),
            None => {
                bail!(
                    "hostname lookup '{node}' failed - failed to get address info for: {node}: \
                     Name or service not known"
                );
            }
        }
    }
    Ok(())
}
