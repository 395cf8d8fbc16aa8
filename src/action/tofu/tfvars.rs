//! `site.tfvars`: an environment as variables of the module, with the vmid of
//! each machine's template.

use std::collections::BTreeMap;

use camino::Utf8Path;
use schemars::JsonSchema;
use serde::Deserialize;

use super::ids;
use super::node::NodeMachine;
use super::vars::{Common, Template, Vars};
use super::workspace::{Target, Workspace};
use crate::action;
use crate::action::mark;
use crate::action::{About, Action, Done, StepContext};
use crate::diag::StepError;
use crate::diag::{Advice, Exit, did_you_mean};
use crate::handoff::{Handoff, Stage};
use crate::lab::{self, Lab, ssh};
use crate::site::{self, Env, MachineKind, Vm};
use crate::templates;
use crate::tofu::files;
use crate::tofu::state::State;

/// The bridge when neither the machine nor `PVE_BRIDGE` names one.
const BRIDGE: &str = "vmbr0";

/// Stands for the archive of a container that is only to be destroyed.
const NO_ARCHIVE: &str = "none:vztmpl/none.tar.zst";

/// `site.tfvars`
#[derive(Debug, Clone, Copy)]
pub struct Tfvars;

#[derive(Deserialize, JsonSchema)]
struct Inputs {
    #[serde(flatten)]
    target: Target,
    /// For a destroy: templates may be gone, and so may the environment's file.
    #[serde(default)]
    destroy: bool,
    /// What containers are unpacked from, as `ct.template` publishes it in
    /// `templates`: volumes by image.
    #[serde(default)]
    ct_templates: BTreeMap<String, String>,
    /// Snippets that cloud-init reads, as `pull.snippet` publishes them in
    /// `snippets`: volumes by machine.
    #[serde(default)]
    snippets: BTreeMap<String, String>,
    /// The one machine, in place of those of the environment's file: a node of a
    /// manifest, which is named where the environment is.
    #[serde(default)]
    machine: Option<NodeMachine>,
    /// Ids that were chosen, by name.
    #[serde(default)]
    vmids: BTreeMap<String, u32>,
}

impl Action for Tfvars {
    fn about(&self) -> About {
        About::of::<Inputs>("site.tfvars")
            .doc("turns site/envs/ENV.yaml into variables for tofu, templates looked up")
            .hands_on(Handoff::part(Stage::Terraform))
            .undoes_nothing()
            .never("it looks up the templates of now")
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let space = Workspace::of(ctx, &inputs.target)?;
        let state = State::read(&space.state)?;
        let mut env = environment(ctx.lab, &inputs, &state)?;
        let node = action::site::node(ctx, &inputs.target.node);
        let choosing = ids::choosing();
        if inputs.destroy {
            // Whatever has no id was never made.
            env.vms
                .retain(|vm| vm.vmid.is_some() || state.vms.contains_key(&vm.name));
        }
        ids::fill(ctx, &mut env, &state, &space.key)?;
        let mut missing = BTreeMap::new();
        let mut vms = BTreeMap::new();
        let mut containers = BTreeMap::new();
        let bridge = ctx.env.get("PVE_BRIDGE").unwrap_or(BRIDGE);
        let domain = site::domain(&action::site::tree(ctx.lab));
        // What tells later whose machine it is: written when it is made, and kept.
        let description = |vm: &Vm| {
            inputs.machine.as_ref()?;
            let made = state.vms.get(&vm.name);
            let kept = made.and_then(|made| made.description.clone());
            Some(kept.unwrap_or_else(|| {
                mark::description(&inputs.target.env, &vm.image, ctx.run_id, &space.key)
            }))
        };
        for vm in &env.vms {
            let Some(vmid) = vm.vmid else { continue };
            let common = Common::new(&env.name, vm, vmid, bridge)
                .within(domain.as_ref())
                .described(description(vm));
            if vm.kind == MachineKind::Ct {
                let template = unpacked_from(vm, &inputs, &state)?;
                containers.insert(vm.name.clone(), common.unpacked(template, vm));
                continue;
            }
            let template = if inputs.destroy {
                known(vm, &state).unwrap_or(Template {
                    node: node.to_owned(),
                    vmid: 0,
                })
            } else {
                match stable(ctx, vm, node, &state)? {
                    Ok(template) => template,
                    Err(help) => {
                        missing.insert(vm.image.clone(), help);
                        continue;
                    }
                }
            };
            let snippet = inputs.snippets.get(&vm.name).cloned();
            vms.insert(vm.name.clone(), common.cloned(template, snippet));
        }
        if !missing.is_empty() {
            return not_built(ctx, &space, &missing);
        }
        let count = vms.len() + containers.len();
        // As the environment's file has them.
        let made = env
            .vms
            .iter()
            .filter(|vm| vms.contains_key(&vm.name) || containers.contains_key(&vm.name));
        let names: Vec<String> = made.map(|vm| vm.name.clone()).collect();
        let vmid = made_id(&env, inputs.machine.is_some());
        let storage = ctx.env.get("PVE_STORAGE_VM").ok_or_else(|| {
            StepError::new("`PVE_STORAGE_VM` is not set")
                .help("add it to `.env`: the storage for disks")
        })?;
        let vars = Vars {
            env: env.name,
            node: node.to_owned(),
            storage: storage.to_owned(),
            ssh_user: ctx.lab.config.ssh.user.clone(),
            ssh_keys: ssh::public_keys(ctx.lab, ctx.env.get("HOME").map(Utf8Path::new))?,
            vms,
            containers,
        };
        let text = serde_json::to_string_pretty(&vars)
            .map_err(|error| StepError::new(error.to_string()).exit(Exit::Bug))?;
        let file = space.vars_file();
        lab::write(&file, format!("{text}\n"), 0o600)?;
        drop(choosing);
        let machines = crate::base::count(count, "machine");
        let done = Done::new(match vmid {
            Some(vmid) => format!("its id is {vmid}"),
            None => format!("{machines} in `{}`", vars.env),
        });
        let done = done
            .output("tfvars", file.as_str())
            .output("key", space.key.as_str())
            .output("vms", names);
        Ok(match vmid {
            Some(vmid) => done.output("vmid", vmid),
            None => done,
        })
    }
}

/// The volume that a container is unpacked from. One that is there needs none any more.
fn unpacked_from(vm: &Vm, inputs: &Inputs, state: &State) -> Result<String, StepError> {
    let named = inputs.ct_templates.get(&vm.image).cloned();
    let known = || state.vms.get(&vm.name)?.archive.clone();
    let gone = || inputs.destroy.then(|| NO_ARCHIVE.to_owned());
    named.or_else(known).or_else(gone).ok_or_else(|| {
        let Vm { name, image, .. } = vm;
        StepError::new(format!(
            "what container `{name}` is unpacked from is not known: nobody looked for `{image}`"
        ))
        .exit(Exit::Definition)
        .help("put a step with `use = \"ct.template\"` before this one, and give this one its `templates` as `ct_templates`")
    })
}

/// The id of a manifest's node.
fn made_id(env: &Env, is_node: bool) -> Option<u32> {
    env.vms.first().filter(|_| is_node)?.vmid
}

/// The environment; for a destroy, an empty one when only its state is left.
fn environment(lab: &Lab, inputs: &Inputs, state: &State) -> Result<Env, StepError> {
    let name = &inputs.target.env;
    if let Some(node) = &inputs.machine {
        return Ok(Env {
            name: name.clone(),
            vms: vec![node.machine(&inputs.vmids)?],
        });
    }
    match site::machines(&action::site::tree(lab), name) {
        Err(failure) if inputs.destroy && failure.exit == Exit::Unknown && state.resources > 0 => {
            Ok(Env {
                name: name.clone(),
                vms: Vec::new(),
            })
        }
        loaded => Ok(loaded?),
    }
}

/// The stable template of a machine's image: of L1's record, else of the node's
/// notes, else what the machine was made from. `Ok(Err(help))`: there is none.
fn stable(
    ctx: &StepContext<'_>,
    vm: &Vm,
    node: &str,
    state: &State,
) -> Result<Result<Template, Vec<Advice>>, StepError> {
    let paths = &ctx.lab.paths;
    let client = ctx.pve()?;
    let image = &vm.image;
    let error = match templates::stable(paths, &client, image, node, !ctx.dry_run) {
        Ok(manifest) => {
            return Ok(Ok(Template {
                node: manifest.node,
                vmid: manifest.vmid,
            }));
        }
        Err(error) => error,
    };
    if let Some(template) = known(vm, state) {
        return Ok(Ok(template));
    }
    if error.exit != Exit::Unknown {
        return Err(error);
    }
    let defined = templates::templates(paths);
    if defined.contains(image) {
        return Ok(Err(error.help));
    }
    Err(StepError::new(format!(
        "`{}` wants template `{image}`, which the lab does not define",
        vm.name
    ))
    .exit(Exit::Definition)
    .helps(did_you_mean(image, defined.iter().map(String::as_str))))
}

/// The template that an existing machine was made from: what L1 wrote may be
/// gone (`hl clean`), and the machine does not need it any more.
fn known(vm: &Vm, state: &State) -> Option<Template> {
    let (vmid, node) = state.vms.get(&vm.name)?.template.clone()?;
    Some(Template {
        node: node.unwrap_or_default(),
        vmid,
    })
}

fn not_built(
    ctx: &StepContext<'_>,
    space: &Workspace,
    missing: &BTreeMap<String, Vec<Advice>>,
) -> Result<Done, StepError> {
    let (word, is) = match missing.len() {
        1 => ("template", "is"),
        _ => ("templates", "are"),
    };
    let names: Vec<&str> = missing.keys().map(String::as_str).collect();
    let names = names.join(", ");
    if ctx.dry_run {
        files::remove_dir(&space.build)?;
        let reason = format!("needs {word} {names}, which L1 would build");
        return Ok(Done::not_planned(reason));
    }
    let error = StepError::new(format!("{word} {names} {is} not built"));
    Err(error.helps(missing.values().flatten().cloned()))
}
