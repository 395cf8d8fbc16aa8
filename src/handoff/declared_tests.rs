//! What the made-up steps of this room's tests hand on.

use super::{Gives, Handoff, Handoffs, LastStep, Stage};
use crate::plan::{Plan, Step};

/// As the actions of these names declare it.
pub(super) fn declared(plan: &Plan, dry_run: bool) -> Handoffs {
    let steps = plan.steps.iter();
    steps
        .map(|step| (step.id.clone(), of(step, dry_run)))
        .collect()
}

fn of(step: &Step, dry_run: bool) -> Handoff {
    let terraform = Handoff::part(Stage::Terraform);
    let templates = Handoff::part(Stage::Templates);
    let ansible = Handoff::part(Stage::Ansible);
    let checks = dry_run || step.is_set("check");
    match step.action.as_str() {
        "pve.check" => Handoff::part(Stage::Access).making(LastStep::ProxmoxAccess),
        "tool.check" => Handoff::part(Stage::Access),
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
        "ansible.playbook" if checks => ansible.making(LastStep::AnsibleCheck),
        "ansible.playbook" => ansible.making(LastStep::AnsibleApply),
        _ => Handoff::default(),
    }
}
