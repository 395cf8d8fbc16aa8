//! `template.ready`: the template that a machine is made from is on the node.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::action;
use crate::action::{About, Action, Done, StepContext};
use crate::diag::StepError;
use crate::templates;

/// `template.ready`
#[derive(Debug, Clone, Copy)]
pub struct TemplateReady;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Name of the template: a folder of `layers/l1-templates`.
    #[schemars(length(max = 200))]
    image: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
}

impl Action for TemplateReady {
    fn about(&self) -> About {
        About::of::<Inputs>("template.ready")
            .doc("a template is built and stable, for machines to be made from; publishes `vmid`")
            .never("it looks at what the node has now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let node = action::site::node(ctx, &inputs.node);
        let client = ctx.pve()?;
        let found = templates::stable(&ctx.lab.paths, &client, &inputs.image, node, false)?;
        let summary = format!("VM {} of {}", found.vmid, found.stamp.as_str());
        Ok(Done::new(summary).changed(false).output("vmid", found.vmid))
    }
}
