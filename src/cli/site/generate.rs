//! `hl site node-config` and `hl site host-config`: files of a site-config from
//! what is really there.

use std::net::Ipv4Addr;

use serde::Serialize;
use serde_json::json;

use super::args::{HostConfigArgs, NodeConfigArgs};
use super::open::OpenSite;
use crate::base::ticked;
use crate::cli::session::Session;
use crate::cli::templates::failure;
use crate::diag::{Diagnostic, Exit, Failure, StepError, did_you_mean};
use crate::lab::Environment;
use crate::pve::{self, Client, Network, Storage};
use crate::report::Paint;
use crate::site::machine::{NodeFile, Place, Placed, is_name, look};
use crate::site::secrets::Secrets;

pub(super) fn node_config(
    session: &Session,
    site: &OpenSite,
    args: &NodeConfigArgs,
) -> Result<Exit, Failure> {
    let root = site.tree.root();
    let lab = session.lab()?;
    let env = session.environment(&lab, true)?;
    let client = Client::new(&env, &lab.paths).map_err(failed)?;
    let name = node_name(&client, args.name.as_deref().or(env.get("PVE_NODE")))?;
    let storages = client.storages(&name).map_err(failed)?;
    let networks = client.networks(&name).map_err(failed)?;
    let has_host = root.join("hosts").join(format!("{name}.yaml")).is_file();
    let file = NodeFile {
        host: has_host.then(|| name.clone()),
        api_endpoint: client.endpoint().url(),
        api_token: name.clone(),
        datastore: datastore(&storages, &env)?,
        ip: address(&networks).or_else(|| literal(client.endpoint().host())),
        ssh_user: None,
        node: name.clone(),
    };
    let version = client.version().map_err(failed)?.version;
    let comments = [format!(
        "Written by `hl site node-config` from Proxmox VE {}.",
        crate::plan::sanitize(&version)
    )];
    let place = Place {
        dir: root,
        shown: site.tree.shown_root(),
        folder: "nodes",
        schema: "node",
        name: &name,
    };
    let placed = place.put(&file, &comments, args.force, session.globals.dry_run)?;
    let known =
        secrets(session, site).is_some_and(|secrets| secrets.api_tokens.get(&name).is_some());
    if !known {
        session.warn(&[Diagnostic::warning(format!(
            "secrets.yaml has no `api_tokens.{name}`, which `{}` names",
            placed.file
        ))
        .help("add it with `hl site secrets edit`: `USER@REALM!NAME=SECRET`")]);
    }
    tell(session, &placed, &file)
}

pub(super) fn host_config(
    session: &Session,
    site: &OpenSite,
    args: &HostConfigArgs,
) -> Result<Exit, Failure> {
    let facts = look(args.ssh.as_deref(), &session.caller.process)?;
    let name = args.name.as_deref().unwrap_or(&facts.name);
    if let Some(given) = &args.name
        && is_name(given)
        && *given != facts.name
    {
        let who = args.ssh.as_deref().unwrap_or("this machine");
        session.warn(&[Diagnostic::warning(format!(
            "{who} calls itself `{}`, not `{given}`",
            crate::plan::sanitize(&facts.name)
        ))
        .help("`--ssh [USER@]HOST` asks another machine")]);
    }
    let secrets = secrets(session, site);
    let file = facts.host_file(name, secrets.as_ref());
    let from = if args.ssh.is_some() { " over ssh" } else { "" };
    let comments = [format!("Written by `hl site host-config`{from}.")];
    let place = Place {
        dir: site.tree.root(),
        shown: site.tree.shown_root(),
        folder: "hosts",
        schema: "host",
        name,
    };
    let placed = place.put(&file, &comments, args.force, session.globals.dry_run)?;
    tell(session, &placed, &file)
}

/// The secrets, where they can be had: they only make the file better.
fn secrets(session: &Session, site: &OpenSite) -> Option<Secrets> {
    Some(site.vault(session).load().ok()??.secrets)
}

/// The name that Proxmox VE knows the node by.
fn node_name(client: &Client, wanted: Option<&str>) -> Result<String, Failure> {
    let nodes = client.nodes().map_err(failed)?;
    let names: Vec<&str> = nodes.iter().map(|node| node.node.as_str()).collect();
    match (wanted, names.as_slice()) {
        (Some(name), _) if names.contains(&name) => Ok(name.to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (wanted, _) => {
            let found = match wanted {
                Some(name) => Diagnostic::error(format!("there is no node `{name}`")),
                None => Diagnostic::error("there are several nodes, and none is named"),
            };
            let meant = wanted.and_then(|name| did_you_mean(name, names.iter().copied()));
            let found = if let Some(help) = meant {
                found.help(help)
            } else {
                let list = ticked(&names);
                found.help(format!("name one of {list}: `hl site node-config NODE`"))
            };
            Err(Failure::new(Exit::Unknown, found))
        }
    }
}

/// `PVE_STORAGE_VM` when it can hold disks, so that file and variable agree;
/// else the first active storage that can, else what an installer makes.
fn datastore(storages: &[Storage], env: &Environment) -> Result<String, Failure> {
    let usable = |storage: &&Storage| storage.active && storage.enabled && storage.holds("images");
    let named = env.get("PVE_STORAGE_VM");
    let known = |name: &str| storages.iter().any(|storage| storage.storage == name);
    storages
        .iter()
        .filter(usable)
        .find(|storage| Some(storage.storage.as_str()) == named)
        .or_else(|| storages.iter().find(usable))
        .map(|storage| storage.storage.as_str())
        .or_else(|| ["local-zfs", "local"].into_iter().find(|name| known(name)))
        .map(str::to_owned)
        .ok_or_else(|| {
            Failure::message(
                Exit::Runway,
                "no storage of the node can hold disks of machines",
            )
            .help("let one hold `images`: `pvesm set STORAGE --content images,...`")
        })
}

/// The address of `vmbr0`, else of `eth0`.
fn address(networks: &[Network]) -> Option<String> {
    ["vmbr0", "eth0"].into_iter().find_map(|name| {
        let network = networks.iter().find(|network| network.iface == name)?;
        let (address, _) = network.cidr.as_deref()?.split_once('/')?;
        Some(address.to_owned())
    })
}

/// Where the API answers, when that is an address that others can use, too.
fn literal(host: &str) -> Option<String> {
    let address: Ipv4Addr = host.parse().ok()?;
    (!address.is_loopback()).then(|| address.to_string())
}

/// What keeps us from the node is a matter of the runway.
fn failed(error: pve::Error) -> Failure {
    failure(StepError::from(error).exit(Exit::Runway))
}

fn tell(session: &Session, placed: &Placed, content: &impl Serialize) -> Result<Exit, Failure> {
    let dry = session.globals.dry_run;
    if session.globals.json {
        session.json(&json!({
            "schema": "hl.site-file/1",
            "file": placed.file,
            "written": !placed.same && !dry,
            "content": content,
        }))?;
        return Ok(Exit::Ok);
    }
    let (paint, verb) = match (placed.same, dry) {
        (true, _) => (Paint::Dim, "Unchanged"),
        (false, true) => (Paint::Good, "Would write"),
        (false, false) => (Paint::Good, "Wrote"),
    };
    session.tell(paint, verb, placed.file.as_str());
    if dry {
        session.data(&placed.text)?;
    }
    Ok(Exit::Ok)
}
