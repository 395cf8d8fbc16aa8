//! The one machine of an environment, and what it is told of its controller.

use serde_json::{Value, json};

use crate::action;
use crate::action::StepContext;
use crate::action::pull::{controller_fingerprint, no_server};
use crate::base::count;
use crate::diag::{Exit, Failure, StepError};
use crate::lab::controller;
use crate::site::resolve;
use crate::site::secrets::Secret;
use crate::site::{self, MachineKind, Vm};

/// The machine that an environment has. `vm_id` is `NAME=ID`, or empty.
///
/// # Errors
/// There is no such environment (66); it has none or several machines, or a container
/// (65); `vm_id` names another machine (66) or is none (2).
pub(super) fn machine(ctx: &StepContext<'_>, env: &str, vm_id: &str) -> Result<Vm, StepError> {
    let tree = action::site::tree(ctx.lab);
    let mut vms = site::machines(&tree, env)?.vms;
    let all = vms.len();
    let (Some(mut vm), 1) = (vms.pop(), all) else {
        let message = format!(
            "environment `{env}` has {}, and this makes one",
            count(all, "machine")
        );
        return Err(StepError::new(message)
            .exit(Exit::Definition)
            .help("name another one, `--env ENV`, or make one: `site/envs/test.yaml`"));
    };
    if vm.kind == MachineKind::Ct {
        let message = format!(
            "`{}` of environment `{env}` is a container, which has no cloud-init",
            vm.name
        );
        return Err(StepError::new(message).exit(Exit::Definition));
    }
    for given in vm_id.split(',').filter(|given| !given.is_empty()) {
        vm.vmid = Some(id(&vm.name, env, given)?);
    }
    Ok(vm)
}

/// The id of `NAME=ID`.
fn id(name: &str, env: &str, given: &str) -> Result<u32, StepError> {
    let parts = given.split_once('=');
    let parsed = parts.and_then(|(of, id)| Some((of, id.parse::<u32>().ok()?)));
    let Some((of, id)) = parsed else {
        let message = format!("`{given}` is no id of a machine, expected NAME=ID");
        return Err(StepError::new(message).exit(Exit::Usage));
    };
    if of != name {
        let message = format!("environment `{env}` has no machine `{of}`");
        return Err(StepError::new(message)
            .exit(Exit::Unknown)
            .help(format!("its machine is `{name}`")));
    }
    Ok(id)
}

/// It as `site.tfvars` takes one.
pub(super) fn told(vm: &Vm) -> Value {
    json!({
        "name": vm.name,
        "type": "vm",
        "image": vm.image,
        "vmid": vm.vmid,
        "cores": vm.cores,
        "memory": vm.memory,
        "disk": vm.disk,
        "bridge": vm.bridge,
        "ip": vm.ip.to_string(),
        "gateway": vm.gateway.map(|gateway| gateway.to_string()),
        "tags": vm.tags,
    })
}

/// `https://HOST:PORT` of the controller that machines ask.
///
/// # Errors
/// The site names none, or its certificate is not kept (65, all of it).
pub(super) fn server(ctx: &StepContext<'_>) -> Result<String, StepError> {
    let tree = action::site::tree(ctx.lab);
    let server = site::spec_server(&tree).filter(|server| server.starts_with("https://"));
    let mut findings = Vec::new();
    if server.is_none() {
        findings.push(no_server(&tree));
    }
    // Where one is kept that is not there yet, the controller makes it.
    if controller::certificate(ctx.lab).is_none()
        && let Err(finding) = controller_fingerprint(ctx.lab)
    {
        findings.push(*finding);
    }
    match server {
        Some(server) if findings.is_empty() => Ok(server),
        Some(_) | None => Err(Failure::many(Exit::Definition, findings).into()),
    }
}

/// What proves who the machine is, where the posture of its environment wants that; and
/// what is to be said of it.
pub(super) fn token(
    ctx: &StepContext<'_>,
    env: &str,
    name: &str,
) -> Result<(Option<Secret>, Vec<String>), StepError> {
    let tree = action::site::tree(ctx.lab);
    let loaded = action::site::secrets(ctx, &tree)?;
    let secrets = loaded.as_ref().map(|loaded| &loaded.secrets);
    let resolved = tree.resolve_vms(env, secrets)?;
    let machines = resolved.value.items("vms").iter();
    let mut machines = machines.filter_map(resolve::Traced::map);
    let machine = machines.find(|vm| vm.text("name") == Some(name));
    let token = machine.and_then(|vm| vm.get("auth_token"));
    let token = match token.map(|token| &token.value) {
        Some(resolve::Value::Secret(token)) if !token.reveal().is_empty() => Some(token.clone()),
        _ => None,
    };
    let warnings = resolved.warnings.into_iter();
    Ok((token, warnings.map(|warning| warning.message).collect()))
}
