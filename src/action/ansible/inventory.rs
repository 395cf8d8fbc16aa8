//! `ansible.inventory`: L2's outputs as an inventory in ansible's YAML form
//! (written as JSON, which is YAML).

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::site::{self, Variables};
use crate::action::tofu::outputs_file;
use crate::action::{About, Action, Done, StepContext};
use crate::base::count;
use crate::diag::StepError;
use crate::diag::{Advice, Exit, Failure, hl, say};
use crate::handoff::{Gives, Handoff, Inventory, Stage};
use crate::lab;
use crate::lab::ssh;
use crate::pve::GuestKind;

/// Renders `.build/ansible/ENV-NODE/inventory.json`.
#[derive(Debug, Clone, Copy)]
pub struct InventoryAction;

/// Inputs of `ansible.inventory`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Environment.
    #[schemars(length(max = 100))]
    env: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
}

/// One virtual machine in L2's outputs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Vm {
    address: Option<String>,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    user: Option<String>,
    #[serde(default)]
    kind: GuestKind,
}

/// Who logs in, and with which keys.
#[derive(Debug, Clone)]
struct SshKeys {
    user: String,
    public_keys: Vec<String>,
    identity: Option<Utf8PathBuf>,
}

impl Action for InventoryAction {
    fn about(&self) -> About {
        About::of::<Inputs>("ansible.inventory")
            .doc("render the inventory of an environment from L2's outputs")
            .hands_on(Handoff::part(Stage::Ansible).giving(Gives::Inventory))
            .never("it is made from the outputs of now")
    }

    /// In a dry run the inventory goes to the run's logs, so that a live run's
    /// stays; before L2 ever ran it holds no hosts, which is enough to check syntax.
    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let dir = ctx.lab.paths.logs(ctx.run_id);
        render(ctx, &dir, true)
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let dir = ctx
            .lab
            .paths
            .build()
            .join("ansible")
            .join(format!("{}-{}", inputs.env, inputs.node));
        render(ctx, &dir, false)
    }
}

fn render(ctx: &StepContext<'_>, dir: &Utf8Path, may_be_empty: bool) -> Result<Done, StepError> {
    let inputs: Inputs = ctx.inputs()?;
    let key = format!("{}-{}", inputs.env, inputs.node);
    let outputs = outputs_file(ctx.lab, &key);
    let vms = match std::fs::read_to_string(&outputs) {
        Ok(text) => parse(&text).map_err(|error| {
            StepError::new(format!(
                "`{}` is not what L2 writes: {error}",
                ctx.lab.paths.show(&outputs)
            ))
            .exit(Exit::Definition)
            .help(hl(format!(
                "l2-outputs {} --node {}",
                inputs.env, inputs.node
            )))
        })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_be_empty => {
            BTreeMap::new()
        }
        Err(error) => {
            return Err(
                StepError::io("read", ctx.lab.paths.show(&outputs), &error).help(hl(format!(
                    "l2-apply {} --node {}",
                    inputs.env, inputs.node
                ))),
            );
        }
    };
    let home = ctx.env.get("HOME").map(Utf8Path::new);
    let keys = SshKeys {
        user: ctx.lab.config.ssh.user.clone(),
        public_keys: match ssh::public_keys(ctx.lab, home) {
            // Nobody logs in anywhere yet: L2 is where it is needed first.
            Err(failure) if may_be_empty && vms.is_empty() => {
                ctx.warn(with_help(&failure));
                Vec::new()
            }
            keys => keys?,
        },
        identity: ssh::identity(ctx.lab, home)?,
    };
    let site = site::variables(ctx, &inputs.env)?;
    if let Some(port) = site.port.filter(|port| *port != 22) {
        ctx.warn(format!(
            "the posture wants ssh on port {port}; the shipped L3 leaves it on 22, change `layers/l3-system/ansible/tasks/ssh.yml` for that"
        ));
    }
    let inventory = inventory(&vms, &keys, &site)?;
    let path = dir.join("inventory.json");
    let text = serde_json::to_string_pretty(&inventory).unwrap_or_default();
    lab::write(&path, text, 0o600)?;
    let hosts: Vec<&String> = vms.keys().collect();
    let summary = match hosts.len() {
        0 => "no hosts yet".to_owned(),
        n => count(n, "host"),
    };
    Ok(Done::new(summary)
        .publish(&Inventory {
            inventory: Some(path.to_string()),
        })
        .output("hosts", json!(hosts)))
}

/// A failure with its remedies in one line, as warnings are.
fn with_help(failure: &Failure) -> Advice {
    let help = failure.diagnostics.iter().flat_map(|found| &found.help);
    let parts = std::iter::once(say(failure.to_string())).chain(help.cloned());
    Advice::joined(parts, "; ")
}

fn parse(text: &str) -> Result<BTreeMap<String, Vm>, serde_json::Error> {
    let whole: Value = serde_json::from_str(text)?;
    let vms = whole.get("vms").cloned().unwrap_or(whole);
    serde_json::from_value(vms.get("value").cloned().unwrap_or(vms))
}

/// The inventory: every host under `all`, groups as children. Variables are
/// ansible's own names, and `hl_user`, `hl_public_keys` for the playbooks.
fn inventory(
    vms: &BTreeMap<String, Vm>,
    keys: &SshKeys,
    site: &Variables,
) -> Result<Value, StepError> {
    let mut hosts = Map::new();
    let mut groups: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (name, vm) in vms {
        // A static address is `10.0.0.5/24` in the environment's file.
        let fixed = vm
            .address
            .as_deref()
            .and_then(|a| a.split('/').next())
            .filter(|a| a.parse::<std::net::IpAddr>().is_ok());
        let address = fixed.or_else(|| vm.addresses.first().map(String::as_str)).ok_or_else(|| {
            StepError::new(format!("virtual machine `{name}` has no address"))
                .help(say("is the guest agent installed in its template, and does it get an address? see ").hl("l2-outputs"))
        })?;
        let told = vm.user.as_deref().unwrap_or(&keys.user);
        // A new container lets root in alone; L3 makes the lab's user, and may shut root
        // out. `ssh.wait` finds out who is let in now.
        let (user, first) = match vm.kind {
            GuestKind::Vm => (told, None),
            GuestKind::Ct => (keys.user.as_str(), Some(told)),
        };
        let mut own = site.hosts.get(name).cloned().unwrap_or_default();
        own.insert("ansible_host".to_owned(), json!(address));
        own.insert("ansible_user".to_owned(), json!(user));
        if let Some(first) = first {
            own.insert("hl_first_user".to_owned(), json!(first));
        }
        hosts.insert(name.clone(), Value::Object(own));
        for group in &vm.groups {
            groups
                .entry(group)
                .or_default()
                .insert(name.clone(), json!({}));
        }
    }
    let mut vars = site.all.clone();
    let mut set = |name: &str, value: Value| vars.insert(name.to_owned(), value);
    set("ansible_python_interpreter", json!("auto_silent"));
    set("hl_user", json!(keys.user));
    set("hl_public_keys", json!(keys.public_keys));
    if let Some(identity) = &keys.identity {
        set("ansible_ssh_private_key_file", json!(identity));
    }
    let children: Map<String, Value> = groups
        .into_iter()
        .map(|(group, hosts)| (group.to_owned(), json!({ "hosts": hosts })))
        .collect();
    Ok(json!({ "all": { "hosts": hosts, "vars": vars, "children": children } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> SshKeys {
        SshKeys {
            user: "ops".into(),
            public_keys: vec!["ssh-ed25519 AAAA me".into()],
            identity: Some("/k".into()),
        }
    }

    #[test]
    fn hosts_groups_and_variables_are_where_ansible_looks() {
        let text = r#"{"web-1":{"address":"192.168.1.51/24","addresses":["10.9.9.9"],"groups":["web","edge"],"user":"ops"},
                       "app-1":{"address":"dhcp","addresses":["192.168.1.77"],"groups":[]}}"#;
        let site = Variables {
            all: Map::from_iter([("timezone".to_owned(), json!("Europe/Lisbon"))]),
            hosts: [(
                "web-1".to_owned(),
                Map::from_iter([("hl_packages".to_owned(), json!(["nginx"]))]),
            )]
            .into(),
            port: None,
        };
        let inventory = inventory(&parse(text).unwrap(), &keys(), &site).unwrap();
        let all = &inventory["all"];
        assert_eq!(all["vars"]["timezone"], "Europe/Lisbon");
        assert_eq!(all["hosts"]["web-1"]["hl_packages"][0], "nginx");
        assert_eq!(all["hosts"]["web-1"]["ansible_host"], "192.168.1.51");
        assert_eq!(all["hosts"]["app-1"]["ansible_host"], "192.168.1.77");
        assert_eq!(all["children"]["edge"]["hosts"], json!({"web-1": {}}));
        assert_eq!(all["vars"]["ansible_ssh_private_key_file"], "/k");
    }

    #[test]
    fn a_container_lets_root_in_first() {
        let text = r#"{"cache":{"kind":"ct","address":"192.168.1.60","user":"root"}}"#;
        let inventory = inventory(&parse(text).unwrap(), &keys(), &Variables::default()).unwrap();
        let host = &inventory["all"]["hosts"]["cache"];
        assert_eq!(host["ansible_user"], "ops");
        assert_eq!(host["hl_first_user"], "root");
    }

    #[test]
    fn a_machine_without_address_is_named() {
        let error = inventory(
            &parse(r#"{"db-1":{"addresses":[]}}"#).unwrap(),
            &keys(),
            &Variables::default(),
        )
        .unwrap_err();
        assert_eq!(error.message, "virtual machine `db-1` has no address");
    }
}
