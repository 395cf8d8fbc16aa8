//! `pull.snippet`: what cloud-init tells a new machine is on the node.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::cloud_config;
use super::node_shell::NodeShell;
use super::place::{file_name, volume};
use super::settings::pull;
use super::work_dir::WorkDir;
use crate::action;
use crate::action::{About, Action, Done, StepContext};
use crate::diag::StepError;
use crate::tofu::state::State;

/// `pull.snippet`
#[derive(Debug, Clone, Copy)]
pub struct PullSnippet;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Name of the machine's state. When that holds the machine, nothing is written:
    /// cloud-init reads it at the first boot alone.
    #[schemars(length(max = 300))]
    key: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
    /// Name of the machine.
    #[schemars(length(max = 100))]
    name: String,
    /// Its spec, a file in v2/specs/.
    #[schemars(length(max = 250))]
    spec: String,
    /// The storage; when absent the first of the node's that holds snippets.
    #[serde(default)]
    storage: Option<String>,
}

impl Action for PullSnippet {
    fn about(&self) -> About {
        About::of::<Inputs>("pull.snippet")
            .doc(
                "writes the snippet by which a new machine learns where to ask for its spec; \
                 publishes `vendor_data`, `snippets` by machine, and the `digest` that it \
                 reports when all of it is applied",
            )
            .repeatable()
            .undone_by("machine.remove")
            .never("it reads spec, posture and certificate of now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        all(ctx, false)
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        all(ctx, true)
    }
}

fn all(ctx: &StepContext<'_>, write: bool) -> Result<Done, StepError> {
    let inputs: Inputs = ctx.inputs()?;
    let pull = pull(ctx, &inputs.name, &inputs.spec)?;
    let node = action::site::node(ctx, &inputs.node);
    let client = ctx.pve()?;
    let file = file_name(&inputs.key, &inputs.name);
    let volid = volume(&client, node, inputs.storage.as_deref(), &file)?;
    let state = ctx.lab.paths.tofu_state(&inputs.key);
    let state = State::read(&state.join("terraform.tfstate"))?;
    let is_made = state.vms.contains_key(&inputs.name);
    let summary = match (is_made, write) {
        (true, _) => format!("`{}` is made already", inputs.name),
        (false, false) => format!("would write `{volid}`"),
        (false, true) => {
            let work = WorkDir::of(ctx);
            let local = work.write(&file, &cloud_config::text(&pull))?;
            NodeShell::of(ctx, &inputs.node)?.put(&volid, &local)?;
            format!("wrote `{volid}`")
        }
    };
    let snippets = Map::from_iter([(inputs.name.clone(), Value::from(volid.as_str()))]);
    Ok(Done::new(summary)
        .changed(!is_made)
        .output("vendor_data", volid)
        .output("snippets", snippets)
        .output("digest", pull.digest))
}
