//! What the made-up steps of this room's tests hand on. That the actions do declare
//! it is tested where they are.

use super::{Gives, Handoff, Handoffs, LastStep, Stage};
use crate::plan::{Plan, Step};

/// As the actions of these names declare it.
pub(crate) fn declared(plan: &Plan, dry_run: bool) -> Handoffs {
    let steps = plan.steps.iter();
    steps
        .map(|step| (step.id.clone(), of(step, dry_run)))
        .collect()
}

fn of(step: &Step, dry_run: bool) -> Handoff {
    let access = Handoff::part(Stage::Access).giving(Gives::Findings);
    let terraform = Handoff::part(Stage::Terraform);
    let templates = Handoff::part(Stage::Templates);
    let ansible = Handoff::part(Stage::Ansible);
    let plays = ansible.giving(Gives::Hosts);
    let checks = dry_run || step.is_set("check");
    match step.action.as_str() {
        "pve.check" => access.making(LastStep::ProxmoxAccess),
        "tool.check" => access,
        "template.check" => templates.making(LastStep::Templates).giving(Gives::Images),
        "template.publish" | "template.promote" => templates.giving(Gives::Images),
        "packer.build" => templates,
        "tofu.init" => terraform.giving(Gives::Workspace),
        "tofu.plan" => Handoff {
            destroys: step.is_set("destroy"),
            ..terraform.making(LastStep::TerraformPlan)
        },
        "tofu.apply" if dry_run => terraform.giving(Gives::Applied),
        "tofu.apply" => terraform
            .making(LastStep::TerraformApply)
            .giving(Gives::Applied),
        "tofu.outputs" => terraform.giving(Gives::Machines),
        "ansible.inventory" => ansible.giving(Gives::Inventory),
        "ansible.playbook" if checks => plays.making(LastStep::AnsibleCheck),
        "ansible.playbook" => plays.making(LastStep::AnsibleApply),
        _ => Handoff::default(),
    }
}
