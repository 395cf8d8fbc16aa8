//! `machine.inventory`: one machine of a manifest as an inventory, from the addresses
//! that it told.

use std::collections::BTreeMap;

use camino::Utf8Path;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::action::{About, Action, Done, StepContext};
use crate::diag::StepError;
use crate::handoff::{Gives, Handoff, Inventory, Stage};
use crate::lab;
use crate::lab::ssh;

/// Renders `.build/ansible/KEY/inventory.json`.
#[derive(Debug, Clone, Copy)]
pub struct MachineInventory;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Name of the machine's state.
    #[schemars(length(max = 300))]
    key: String,
    /// Name of the machine.
    #[schemars(length(max = 100))]
    name: String,
    /// `vm`, `ct` or `pve`.
    #[serde(rename = "type")]
    kind: String,
    /// Its fixed address with a prefix, or `dhcp`.
    #[serde(default)]
    ip: Option<String>,
    /// What it told, as `vm.wait` publishes it: addresses by name.
    #[serde(default)]
    addresses: BTreeMap<String, Vec<String>>,
}

impl Action for MachineInventory {
    fn about(&self) -> About {
        About::of::<Inputs>("machine.inventory")
            .doc("render the inventory of one machine of a manifest")
            .undoes_nothing()
            .hands_on(Handoff::part(Stage::Ansible).giving(Gives::Inventory))
            .never("it is made from the addresses of now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let name = format!("inventory-{}.json", inputs.name);
        render(ctx, &inputs, &ctx.lab.paths.logs(ctx.run_id).join(name))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let dir = ctx.lab.paths.build().join("ansible").join(&inputs.key);
        render(ctx, &inputs, &dir.join("inventory.json"))
    }
}

fn render(ctx: &StepContext<'_>, inputs: &Inputs, path: &Utf8Path) -> Result<Done, StepError> {
    let name = &inputs.name;
    let fixed = inputs.ip.as_deref().and_then(|ip| ip.split_once('/'));
    let told = inputs.addresses.get(name).and_then(|all| all.first());
    let address = fixed
        .map(|(address, _)| address)
        .or(told.map(String::as_str));
    let address = address.ok_or_else(|| {
        StepError::new(format!("machine `{name}` has no address"))
            .help("is the guest agent installed in its template, and does it get an address?")
    })?;
    let home = ctx.env.get("HOME").map(Utf8Path::new);
    let user = &ctx.lab.config.ssh.user;
    let mut host = Map::from_iter([
        ("ansible_host".to_owned(), json!(address)),
        ("ansible_user".to_owned(), json!(user)),
    ]);
    if inputs.kind == "ct" {
        // A new container lets root in alone; `ssh.wait` finds out who is let in now.
        host.insert("hl_first_user".to_owned(), json!("root"));
    }
    let mut vars = Map::from_iter([
        (
            "ansible_python_interpreter".to_owned(),
            json!("auto_silent"),
        ),
        ("hl_user".to_owned(), json!(user)),
        (
            "hl_public_keys".to_owned(),
            json!(ssh::public_keys(ctx.lab, home)?),
        ),
    ]);
    if let Some(identity) = ssh::identity(ctx.lab, home)? {
        vars.insert("ansible_ssh_private_key_file".to_owned(), json!(identity));
    }
    let hosts = Map::from_iter([(name.clone(), Value::Object(host))]);
    let inventory = json!({ "all": { "hosts": hosts, "vars": vars } });
    let text = serde_json::to_string_pretty(&inventory).unwrap_or_default();
    lab::write(path, text, 0o600)?;
    Ok(Done::new(format!("`{name}` at {address}"))
        .changed(false)
        .publish(&Inventory {
            inventory: Some(path.to_string()),
        }))
}
