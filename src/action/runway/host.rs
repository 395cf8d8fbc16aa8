//! The node and its bridge.

use super::environment::bridges as bridges_of;
use crate::action::{Done, StepContext};
use crate::diag::StepError;
use crate::diag::did_you_mean;
use crate::pve::Network;
use crate::pve::rights::Objects;

/// The node exists and is online.
pub(super) fn node(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let wanted = Objects::from_env(ctx.env).node;
    let nodes = ctx.pve()?.nodes()?;
    let Some(node) = nodes.iter().find(|node| node.node == wanted) else {
        let set = match nodes.as_slice() {
            [only] => format!("set `PVE_NODE={}` in `.env`", only.node),
            _ => "set `PVE_NODE` in `.env` to a name that `pvesh get /nodes` lists".to_owned(),
        };
        return Err(StepError::new(format!(
            "there is no node `{wanted}`, which `PVE_NODE` names"
        ))
        .helps(did_you_mean(&wanted, nodes.iter().map(|n| n.node.as_str())))
        .help(set));
    };
    if !node.is_online() {
        return Err(StepError::new(format!(
            "node `{wanted}` is {}, expected online",
            node.status
        ))
        .help(format!(
            "start `{wanted}`, or look at its network and at `pvecm status` on another node"
        )));
    }
    Ok(Done::new(format!("`{wanted}` is online")))
}

/// The bridges that are used exist on the node and are active.
pub(super) fn bridges(ctx: &StepContext<'_>, env: &str) -> Result<Done, StepError> {
    let node = Objects::from_env(ctx.env).node;
    let networks = ctx.pve()?.networks(&node)?;
    let mut good = Vec::new();
    let mut bad: Option<StepError> = None;
    for (name, who) in bridges_of(ctx, env) {
        match bridge(&node, &networks, &name, &who) {
            Ok(what) => good.push(what),
            Err(error) => match &mut bad {
                None => bad = Some(error),
                Some(first) => {
                    first.message = format!("{}; {}", first.message, error.message);
                    first.help.extend(error.help);
                }
            },
        }
    }
    match bad {
        Some(error) => Err(error),
        None => Ok(Done::new(format!("bridge {}", good.join(", bridge ")))),
    }
}

fn bridge(node: &str, networks: &[Network], bridge: &str, who: &str) -> Result<String, StepError> {
    let bridges = || networks.iter().filter(|network| network.is_bridge());
    let Some(found) = networks.iter().find(|network| network.iface == bridge) else {
        return Err(StepError::new(format!(
            "there is no bridge `{bridge}` on `{node}`, which {who}"
        ))
        .helps(did_you_mean(bridge, bridges().map(|b| b.iface.as_str())))
        .help(format!(
            "set `PVE_BRIDGE` in `.env`, or make the bridge: node `{node}`, System, Network, Create, Linux Bridge"
        )));
    };
    if !found.is_bridge() {
        return Err(not_a_bridge(node, found, bridges().next()));
    }
    if !found.active {
        return Err(
            StepError::new(format!("bridge `{bridge}` on `{node}` is not active")).help(format!(
                "on `{node}`: `ifup {bridge}`, or `ifreload -a` to apply pending changes"
            )),
        );
    }
    let address = found.cidr.as_deref().map(|cidr| format!(", {cidr}"));
    Ok(format!(
        "`{bridge}` is active{}",
        address.unwrap_or_default()
    ))
}

fn not_a_bridge(node: &str, found: &Network, other: Option<&Network>) -> StepError {
    let error = StepError::new(format!(
        "`{}` on `{node}` is of type `{}`, expected a bridge",
        found.iface, found.kind
    ));
    match other {
        Some(other) => error.help(format!("set `PVE_BRIDGE={}` in `.env`", other.iface)),
        None => error.help(format!(
            "make a bridge: node `{node}`, System, Network, Create, Linux Bridge"
        )),
    }
}
