//! `ansible.playbook`: runs a playbook.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Map;

use super::converge::{Playbook, check_syntax, converge};
use super::{site, spec};
use crate::action::flag::Flag;
use crate::action::{About, Action, Basis, Done, Reads, StepContext};
use crate::diag::StepError;
use crate::handoff::{Gives, Handoff, LastStep, Stage};
use crate::plan::Step;

/// Runs `ansible-playbook`.
#[derive(Debug, Clone, Copy)]
pub struct PlaybookAction;

/// Inputs of `ansible.playbook`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The playbook, relative to the lab.
    playbook: String,
    /// The inventory.
    inventory: String,
    /// Hosts or groups; empty for all.
    #[serde(default)]
    limit: String,
    /// Tags; empty for all.
    #[serde(default)]
    tags: String,
    /// Check mode: show what would change, change nothing.
    #[serde(default)]
    check: Flag,
    /// The environment whose secrets the playbook is given as `hl_secret`:
    /// `authorized_keys`, `root_password`, and `auth_token` by host. They are in
    /// a file for its owner alone that is gone when the playbook is.
    #[serde(default)]
    #[schemars(length(max = 100))]
    env: String,
    /// The spec, a file in v2/specs/, that the hosts are to become: its users, packages,
    /// services, time zone and posture are variables of the shipped L3. They are in a
    /// file for its owner alone, too.
    #[serde(default)]
    #[schemars(length(max = 250))]
    spec: String,
    /// With `spec`: the name of the machine, its host name where the spec says none.
    #[serde(default)]
    #[schemars(length(max = 100))]
    machine: String,
}

impl Inputs {
    fn playbook(&self) -> Playbook {
        Playbook {
            file: self.playbook.clone(),
            inventory: self.inventory.clone(),
            limit: self.limit.clone(),
            tags: self.tags.clone(),
            check: self.check.is_set(),
            ..Playbook::default()
        }
    }
}

impl Action for PlaybookAction {
    fn about(&self) -> About {
        About::of::<Inputs>("ansible.playbook")
            .doc("run a playbook; every host must end without a failure")
            .repeatable()
            .undone_by("machine.remove")
    }

    fn handoff(&self, step: &Step, dry_run: bool) -> Handoff {
        let checks = dry_run || step.is_set("check");
        let says = if checks {
            LastStep::AnsibleCheck
        } else {
            LastStep::AnsibleApply
        };
        Handoff::part(Stage::Ansible)
            .making(says)
            .giving(Gives::Hosts)
    }

    /// The playbook's whole directory with roles, templates and files beside
    /// it, and every file that an input names.
    fn basis(&self, ctx: &StepContext<'_>) -> Result<Basis, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let root = ctx.lab.paths.root();
        let playbook = root.join(&inputs.playbook);
        let dir = playbook.parent().unwrap_or(&playbook).to_owned();
        let named = ctx.with.as_object().into_iter().flat_map(Map::values);
        let named = named.filter_map(|value| Some(root.join(value.as_str()?)));
        let files = named.filter(|file| file.is_file());
        Ok(Basis::On(Reads::paths(
            [dir, root.join("ansible.cfg")]
                .into_iter()
                .chain(site::secret_files(ctx))
                .chain(files),
        )))
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        check_syntax(ctx, &inputs.playbook())
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let mut playbook = inputs.playbook();
        let secrets = ctx.work.join("secret.json");
        if !inputs.env.is_empty() && site::secrets(ctx, &inputs.env, &secrets)? {
            playbook.extra_files.push(secrets);
        }
        let file = ctx.work.join("spec.json");
        if !inputs.spec.is_empty() {
            spec::write(ctx, &inputs.spec, &inputs.machine, &file)?;
            playbook.extra_files.push(file);
        }
        converge(ctx, &playbook)
    }
}
