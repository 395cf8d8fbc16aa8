//! `host.playbook`: one of L0's playbooks on one machine.

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::target::Target;
use crate::action;
use crate::action::ansible::{Playbook, check_syntax, converge};
use crate::action::remote::Where;
use crate::action::{About, Action, Done, StepContext};
use crate::diag::{Exit, StepError, say};
use crate::lab;
use crate::lab::ssh;
use crate::site::secrets::Vault;

/// Where L0's playbooks are, in the lab.
const PLAYBOOKS: &str = "layers/l0-runway/ansible";
/// The variables that name another place of Proxmox VE's packages, by the playbooks'
/// variable that they set.
pub(super) const MIRROR: [(&str, &str); 3] = [
    ("PVE_MIRROR", "pve_repository_uri"),
    ("PVE_MIRROR_KEY", "pve_key_url"),
    ("PVE_MIRROR_FINGERPRINT", "pve_key_fingerprint"),
];

/// Runs a playbook on a host.
#[derive(Debug, Clone, Copy)]
pub struct HostPlaybook;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The playbook's name: `pve-install`, `pve-setup` or `user`.
    playbook: String,
    /// The host, of `nodes/` or `hosts/` in the site.
    #[serde(default)]
    host: String,
    /// Its address, `[USER@]ADDRESS`.
    #[serde(default)]
    remote: String,
    /// This machine itself; as root where it is changed.
    #[serde(default)]
    local: bool,
    /// The user to make; empty for the site's `automation_user`.
    #[serde(default)]
    user: String,
}

impl Inputs {
    fn place(&self) -> Where<'_> {
        Where {
            host: &self.host,
            remote: &self.remote,
            local: self.local,
        }
    }
}

impl Action for HostPlaybook {
    fn about(&self) -> About {
        About::of::<Inputs>("host.playbook")
            .doc("run one of L0's playbooks on a host; publishes `facts` and `token_file` where it writes them")
            .repeatable()
            .never("it looks at what is there, and changes what differs")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let target = Target::of(ctx, inputs.place())?;
        check_syntax(ctx, &playbook(ctx, &target, &inputs.playbook)?)?;
        Ok(Done::new(format!(
            "would run `{}` on {}",
            inputs.playbook,
            target.shown()
        )))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let target = Target::of(ctx, inputs.place())?;
        as_root(&target)?;
        let files = Files::new(ctx, &target)?;
        let mut playbook = playbook(ctx, &target, &inputs.playbook)?;
        let mut variables = variables(ctx, &target)?;
        if !inputs.user.is_empty() {
            variables.insert("automation_user".to_owned(), json!(inputs.user));
        }
        variables.insert("pve_facts_file".to_owned(), json!(files.facts));
        variables.insert("pve_token_file".to_owned(), json!(files.token));
        playbook.extra_files.push(write(ctx, &variables)?);
        let done = converge(ctx, &playbook)?;
        Ok(files.published(done))
    }
}

/// What a playbook says of its host.
struct Files {
    facts: Utf8PathBuf,
    token: Utf8PathBuf,
}

impl Files {
    /// None of them is there.
    fn new(ctx: &StepContext<'_>, target: &Target) -> Result<Self, StepError> {
        let dir = target.dir(ctx);
        let files = Self {
            facts: dir.join("facts.json"),
            // One that an earlier run could not store is still the only copy.
            token: dir.join("token"),
        };
        lab::create_dir(&dir)?;
        Ok(files)
    }

    fn published(&self, done: Done) -> Done {
        let mut done = done;
        for (name, file) in [("facts", &self.facts), ("token_file", &self.token)] {
            if file.is_file() {
                done = done.output(name, file.as_str());
            } else {
                done = done.output(name, "");
            }
        }
        done
    }
}

/// What changes this machine needs root of it.
pub(super) fn as_root(target: &Target) -> Result<(), StepError> {
    if target.is_here() && !rustix::process::geteuid().is_root() {
        return Err(
            StepError::new("`--local` changes this machine: only root may")
                .exit(Exit::Runway)
                .help("run it with sudo"),
        );
    }
    Ok(())
}

/// A playbook of L0 for a host.
pub(super) fn playbook(
    ctx: &StepContext<'_>,
    target: &Target,
    name: &str,
) -> Result<Playbook, StepError> {
    let file = format!("{PLAYBOOKS}/{name}.yml");
    if !ctx.lab.paths.root().join(&file).is_file() {
        return Err(StepError::new(format!("there is no playbook `{file}`"))
            .exit(Exit::Unknown)
            .help(say("a lab that was made by an older `hl` has none: copy the folder out of a new one, ").hl("new DIR")));
    }
    Ok(Playbook {
        file,
        inventory: target.inventory(ctx)?.into_string(),
        ..Playbook::default()
    })
}

/// What the site and the lab say of it, for all of these playbooks.
pub(super) fn variables(
    ctx: &StepContext<'_>,
    target: &Target,
) -> Result<Map<String, Value>, StepError> {
    let mut told = Map::new();
    let mut set = |name: &str, value: Value| told.insert(name.to_owned(), value);
    set("automation_user", json!(target.automation_user));
    let home = ctx.env.get("HOME").map(camino::Utf8Path::new);
    if let Ok(keys) = ssh::public_keys(ctx.lab, home) {
        set("hl_public_keys", json!(keys));
    }
    for (variable, name) in MIRROR {
        if let Some(value) = ctx.env.get(variable).filter(|value| !value.is_empty()) {
            set(name, json!(value));
        }
    }
    let tree = action::site::tree(ctx.lab);
    let site = std::fs::read_to_string(tree.root().join("site.yaml")).unwrap_or_default();
    let site: Value = serde_saphyr::from_str(&site).unwrap_or_default();
    // What the site's table gives where no file says it.
    let nag = site["defaults"]["pve_remove_subscription_nag"].as_bool();
    set("pve_remove_subscription_nag", json!(nag.unwrap_or(true)));
    for (key, name) in [("bridge", "pve_bridge"), ("domain", "pve_domain")] {
        if let Some(value) = site["defaults"][key].as_str() {
            set(name, json!(value));
        }
    }
    let bridge = site["defaults"]["bridge"].as_str().unwrap_or("vmbr0");
    let file = tree.root().join(format!("hosts/{}.yaml", target.name));
    let host = std::fs::read_to_string(file).unwrap_or_default();
    let host: Value = serde_saphyr::from_str(&host).unwrap_or_default();
    for (name, value) in bridge_variables(&host["network"]["interfaces"][bridge]) {
        set(name, json!(value));
    }
    if let Some(token) = known_token(ctx, &target.name)? {
        set("hl_secret", json!({ "api_token": token }));
    }
    Ok(told)
}

/// What the role is told of the bridge that the host's file names: what the file leaves
/// open, the host's default route says.
fn bridge_variables(bridge: &Value) -> Vec<(&'static str, String)> {
    let text = |key: &str| bridge[key].as_str().unwrap_or_default().to_owned();
    let ports = bridge["ports"].as_array();
    let ports = ports.into_iter().flatten().filter_map(Value::as_str);
    let told = [
        // The role refuses to make one of several.
        ("pve_bridge_port", ports.collect::<Vec<_>>().join(" ")),
        ("pve_bridge_address", text("address")),
        ("pve_bridge_gateway", text("gateway")),
    ];
    told.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// `USER!NAME=SECRET` of the node, where the secrets have one.
fn known_token(ctx: &StepContext<'_>, node: &str) -> Result<Option<String>, StepError> {
    let tree = super::node_config::own_tree(ctx);
    let variables = ctx
        .env
        .iter()
        .map(|(name, var)| (name.to_owned(), var.value.clone()))
        .collect();
    let shown = ctx.lab.paths.show(tree.root());
    let loaded = Vault::new(tree.root(), &shown, &variables).load()?;
    let token = loaded.as_ref().and_then(|loaded| {
        let name = super::node_config::token_name(&tree, node);
        loaded.secrets.api_tokens.get(&name)
    });
    Ok(token.map(|token| token.reveal().to_owned()))
}

/// Writes variables into the step's own directory, for its owner alone.
pub(super) fn write(
    ctx: &StepContext<'_>,
    variables: &Map<String, Value>,
) -> Result<Utf8PathBuf, StepError> {
    let file = ctx.work.join("variables.json");
    lab::write(&file, Value::Object(variables.clone()).to_string(), 0o600)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bridge_of_the_host_file_is_the_one_that_is_made() {
        let bridge = json!({
            "type": "bridge", "ports": ["enp1s0"], "address": "192.0.2.30/24", "gateway": "192.0.2.1",
        });
        let told = bridge_variables(&bridge);
        let expected = [
            ("pve_bridge_port", "enp1s0".to_owned()),
            ("pve_bridge_address", "192.0.2.30/24".to_owned()),
            ("pve_bridge_gateway", "192.0.2.1".to_owned()),
        ];
        assert_eq!(told, expected);
        let two = bridge_variables(&json!({ "ports": ["a", "b"] }));
        assert_eq!(two, [("pve_bridge_port", "a b".to_owned())]);
        assert!(bridge_variables(&Value::Null).is_empty());
    }
}
