//! `hl vm wait`

use super::args::VmVerb;
use super::dry::{announce, decide};
use super::run::end_of_plan;
use super::session::Session;
use crate::app::vms::{find, wait};
use crate::diag::{Exit, Failure};
use crate::pve::Client;

pub(super) fn vm(session: &Session, verb: &VmVerb) -> Result<Exit, Failure> {
    let VmVerb::Wait { name, patience } = verb;
    let lab = session.lab()?;
    let env = session.environment(&lab, true)?;
    let env = env.for_node(env.node())?.into_owned();
    let failed = |error: crate::pve::Error| Failure::message(Exit::Runway, error.to_string());
    let client = Client::new(&env, &lab.paths).map_err(failed)?;
    let all = client.cluster_resources_vms().map_err(failed)?;
    let plan = wait(find(&all, name)?, patience);
    let dry = decide(session, &lab)?;
    let ended = end_of_plan(session, &lab, &env, plan, dry.on, true)?;
    announce(session, &dry);
    let outputs = ended.tally.ended().map(|ended| &ended.end.outputs);
    let mut addresses = outputs.filter_map(|outputs| outputs.get("vm_ip")?.as_str());
    // The document of `--json` holds it.
    if let Some(address) = addresses.next().filter(|_| !session.globals.json) {
        session.data(address)?;
    }
    Ok(ended.exit)
}
