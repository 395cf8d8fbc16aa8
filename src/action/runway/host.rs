//! The node and its bridge.

use super::check::client;
use crate::action::{Done, StepContext, StepError};
use crate::diag::did_you_mean;
use crate::pve::Network;
use crate::pve::rights::Objects;

/// The node exists and is online.
pub(super) fn node(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let wanted = Objects::from_env(ctx.env).node;
    let nodes = client(ctx)?.nodes()?;
    let Some(node) = nodes.iter().find(|node| node.node == wanted) else {
        let mut error = StepError::new(format!(
            "there is no node `{wanted}`, which `PVE_NODE` names"
        ));
        error.help = did_you_mean(&wanted, nodes.iter().map(|n| n.node.as_str()))
            .into_iter()
            .collect();
        error.help.push(match nodes.as_slice() {
            [only] => format!("set `PVE_NODE={}` in `.env`", only.node),
            _ => "set `PVE_NODE` in `.env` to a name that `pvesh get /nodes` lists".to_owned(),
        });
        return Err(error);
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

/// The bridge exists on the node and is active.
pub(super) fn bridge(ctx: &StepContext<'_>) -> Result<Done, StepError> {
    let Objects { node, bridge, .. } = Objects::from_env(ctx.env);
    let networks = client(ctx)?.networks(&node)?;
    let bridges = || networks.iter().filter(|network| network.is_bridge());
    let Some(found) = networks.iter().find(|network| network.iface == bridge) else {
        let mut error = StepError::new(format!(
            "there is no bridge `{bridge}` on `{node}`, which `PVE_BRIDGE` names"
        ));
        error.help = did_you_mean(&bridge, bridges().map(|b| b.iface.as_str()))
            .into_iter()
            .collect();
        error.help.push(format!(
            "set `PVE_BRIDGE` in `.env`, or make the bridge: node `{node}`, System, Network, Create, Linux Bridge"
        ));
        return Err(error);
    };
    if !found.is_bridge() {
        return Err(not_a_bridge(&node, found, bridges().next()));
    }
    if !found.active {
        return Err(
            StepError::new(format!("bridge `{bridge}` on `{node}` is not active")).help(format!(
                "on `{node}`: `ifup {bridge}`, or `ifreload -a` to apply pending changes"
            )),
        );
    }
    let address = found.cidr.as_deref().map(|cidr| format!(", {cidr}"));
    Ok(Done::new(format!(
        "bridge `{bridge}` is active{}",
        address.unwrap_or_default()
    )))
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
