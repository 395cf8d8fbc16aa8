//! `node.config`: `nodes/HOST.yaml` of what was found on the node, and a new token in
//! the site's secrets.

use std::fs;

use camino::Utf8Path;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::target::Target;
use crate::action::remote::Where;
use crate::action::{About, Action, Done, StepContext};
use crate::base::if_there;
use crate::diag::{Exit, StepError};
use crate::lab;
use crate::site::Tree;
use crate::site::machine::{NodeFile, Place};
use crate::site::secrets::Vault;

/// Writes what the site says of a node.
#[derive(Debug, Clone, Copy)]
pub struct NodeConfig;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The host, of `nodes/` or `hosts/` in the site.
    #[serde(default)]
    host: String,
    /// Its address, `[USER@]ADDRESS`.
    #[serde(default)]
    remote: String,
    /// This machine itself; as root where it is changed.
    #[serde(default)]
    local: bool,
    /// What `host.playbook` published as `facts`.
    facts: String,
    /// What it published as `token_file`; empty where no token was made.
    #[serde(default)]
    token_file: String,
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

/// What the playbook found.
#[derive(Debug, Deserialize)]
struct Facts {
    node: String,
    ip: String,
    datastore: String,
    fingerprint: String,
    ca: String,
}

impl Action for NodeConfig {
    fn about(&self) -> About {
        About::of::<Inputs>("node.config")
            .doc("write `nodes/HOST.yaml` of a node, and its new token into the secrets; publishes `fingerprint`")
            .never("it compares what is written with the node")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let target = Target::of(ctx, inputs.place())?;
        Ok(Done::new(format!(
            "would write `nodes/{}.yaml`",
            target.name
        )))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let target = Target::of(ctx, inputs.place())?;
        let facts = read(&inputs.facts)?;
        let tree = own_tree(ctx);
        let shown = ctx.lab.paths.show(tree.root());
        let name = target.name.as_str();
        let mut said = Vec::new();
        // The secret first: it is told once, and its file goes when it is stored.
        if !inputs.token_file.is_empty() && store(ctx, &tree, &shown, name, &inputs.token_file)? {
            said.push(format!(
                "its token is `{}` in the secrets",
                token_name(&tree, name)
            ));
        }
        let place = Place {
            dir: tree.root(),
            shown: &shown,
            folder: "nodes",
            schema: "node",
            name,
        };
        let file = NodeFile {
            node: facts.node.clone(),
            host: target.has_host_file.then(|| name.to_owned()),
            api_endpoint: format!("https://{}:8006", facts.ip),
            api_token: token_name(&tree, name),
            datastore: facts.datastore.clone(),
            ip: Some(facts.ip.clone()),
            ssh_user: target
                .user()
                .filter(|user| *user != "root")
                .map(str::to_owned),
        };
        let mut done = Done::default();
        if tree.root().join(format!("nodes/{name}.yaml")).is_file() {
            said.push(format!("`{shown}/nodes/{name}.yaml` stays as it is"));
            for difference in differences(&tree, name, &file) {
                done = done.warn(format!(
                    "`{shown}/nodes/{name}.yaml`: {difference}; remove the file to have it written anew"
                ));
            }
        } else {
            let comments = ["Written by hl from the node itself.".to_owned()];
            let placed = place.put(&file, &comments, false, false)?;
            said.push(format!("`{}` is written", placed.file));
        }
        let changed = said.iter().any(|line| !line.ends_with("stays as it is"));
        done.summary = said.join("; ");
        // It came over a connection whose other end is known.
        lab::write(&ctx.lab.paths.authority(name), facts.ca, 0o644)?;
        Ok(done
            .changed(changed)
            .output("fingerprint", facts.fingerprint))
    }
}

/// The site that nodes are written into.
pub(super) fn own_tree(ctx: &StepContext<'_>) -> Tree {
    let root = ctx.lab.paths.own_site();
    let shown = ctx.lab.paths.show(&root);
    Tree::new(root, shown)
}

/// The name of a node's token in the secrets: `api_token` of its file, else its own.
pub(super) fn token_name(tree: &Tree, node: &str) -> String {
    let path = tree.root().join(format!("nodes/{node}.yaml"));
    let text = fs::read_to_string(path).unwrap_or_default();
    let file: Value = serde_saphyr::from_str(&text).unwrap_or_default();
    file["api_token"].as_str().unwrap_or(node).to_owned()
}

fn read(path: &str) -> Result<Facts, StepError> {
    let text = fs::read_to_string(path).map_err(|error| StepError::io("read", path, &error))?;
    serde_json::from_str(&text).map_err(|error| {
        StepError::new(format!("`{path}` is not what the playbook writes: {error}"))
            .exit(Exit::Definition)
    })
}

/// Puts a new token into the secrets; whether there was one.
fn store(
    ctx: &StepContext<'_>,
    tree: &Tree,
    shown: &Utf8Path,
    node: &str,
    file: &str,
) -> Result<bool, StepError> {
    let read = if_there(fs::read_to_string(file));
    let Some(text) = read.map_err(|error| StepError::io("read", file, &error))? else {
        return Ok(false);
    };
    let variables = ctx
        .env
        .iter()
        .map(|(name, var)| (name.to_owned(), var.value.clone()))
        .collect();
    Vault::new(tree.root(), shown, &variables)
        .set_token(&token_name(tree, node), text.trim())
        .map_err(|failure| {
            StepError::from(failure).help(format!(
                "the token stays in `{}` until then",
                ctx.lab.paths.show(file.into())
            ))
        })?;
    fs::remove_file(file).map_err(|error| StepError::io("remove", file, &error))?;
    Ok(true)
}

/// What a file that is there says otherwise.
fn differences(tree: &Tree, node: &str, wanted: &NodeFile) -> Vec<String> {
    let path = tree.root().join(format!("nodes/{node}.yaml"));
    let text = fs::read_to_string(path).unwrap_or_default();
    let file: Value = serde_saphyr::from_str(&text).unwrap_or_default();
    let own = file["node"].as_str().unwrap_or(node);
    let said = [
        ("node", Some(own), wanted.node.as_str()),
        ("datastore", file["datastore"].as_str(), &wanted.datastore),
    ];
    said.into_iter()
        .filter(|(_, known, found)| known.is_some_and(|known| known != *found))
        .map(|(key, known, found)| {
            format!(
                "`{key}` is `{}`, and the node has `{found}`",
                known.unwrap_or_default()
            )
        })
        .collect()
}
