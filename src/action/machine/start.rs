//! `vm.start`: machines that are stopped are started, all at once.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::given::{AT_ONCE, Machine, together};
use crate::action::at_once::at_once;
use crate::action::{About, Action, Done, StepContext};
use crate::base::count;
use crate::diag::StepError;
use crate::pve;

/// How long a node may take to start one.
const PATIENCE: Duration = Duration::from_mins(2);

/// `vm.start`
#[derive(Debug, Clone, Copy)]
pub struct VmStart;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The machines, as `tofu.apply` publishes them in `provisioned_vms`.
    vms: Vec<Machine>,
}

impl Action for VmStart {
    fn about(&self) -> About {
        About::of::<Inputs>("vm.start")
            .doc("starts those of the machines that are stopped")
            .undone_by("machine.remove")
            .never("it looks whether they run now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        all(ctx, false)
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        all(ctx, true)
    }
}

fn all(ctx: &StepContext<'_>, start: bool) -> Result<Done, StepError> {
    let Inputs { vms } = ctx.inputs()?;
    if vms.is_empty() {
        return Ok(Done::new("no machines").changed(false));
    }
    let client = ctx.pve()?;
    let mut started = 0;
    let mut failures = Vec::new();
    for answer in at_once(&vms, AT_ONCE, |vm| one(ctx, &client, vm, start)) {
        match answer {
            Ok(true) => started += 1,
            Ok(false) => {}
            Err(error) => failures.push(error),
        }
    }
    if !failures.is_empty() {
        return Err(together("not started", failures));
    }
    let summary = match (started, start) {
        (0, _) => format!("{} running", count(vms.len(), "machine")),
        (started, true) => format!("{} started", count(started, "machine")),
        (started, false) => format!("would start {}", count(started, "machine")),
    };
    Ok(Done::new(summary).changed(started > 0))
}

/// Whether it was, or would be, started.
fn one(
    ctx: &StepContext<'_>,
    client: &pve::Client,
    vm: &Machine,
    start: bool,
) -> Result<bool, StepError> {
    let Machine {
        node, vmid, kind, ..
    } = vm;
    let named = |error: pve::Error| {
        let mut error = StepError::from(error);
        error.message = format!("{}: {}", vm.words(), error.message);
        error
    };
    let status = client.guest_status(*kind, node, *vmid).map_err(named)?;
    if status.status == "running" {
        return Ok(false);
    }
    if start {
        ctx.note(format!("{} is {}: started", vm.words(), status.status));
        let task = client.start_guest(*kind, node, *vmid).map_err(named)?;
        client
            .wait_task(&task, ctx.cancel, PATIENCE)
            .map_err(named)?;
    } else {
        ctx.note(format!(
            "{} is {}: would be started",
            vm.words(),
            status.status
        ));
    }
    Ok(true)
}
