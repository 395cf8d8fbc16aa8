//! All actions by name.

use std::collections::BTreeMap;

use super::clean::CleanRemove;
use super::platform::{ExtractScripts, RunScript};
use super::reconcile::Reconcile;
use super::runway::{PveAccess, PveCheck, ToolCheck};
use super::template::{
    Choose, IsoFetch, TemplateCheck, TemplateImage, TemplatePrune, TemplatePublish,
};
use super::{
    Action, ClearMachine, ControllerStart, ControllerStop, CtTemplate, ForgetMachine,
    HostBootstrap, HostCheck, HostPlaybook, HostProbe, HostVerify, ImageBuild, ImageDownload,
    ImageFetch, ImagePublish, ImageRemove, ImageSync, Inside, InventoryAction, MachineAsk,
    MachineInventory, MachineProvision, MachineReach, ManifestApprove, ManifestEmpty, ManifestLeft,
    NodeConfig, PackerBuild, PackerValidate, PlaybookAction, Program, PullClean, PullSnippet,
    PullWait, PveInstall, RemoveMachine, RepoSync, RoundtripCheck, SshChain, SshWait,
    TemplateReady, VmStart, VmWait, tofu,
};
use crate::handoff::Handoffs;
use crate::plan::Plan;

/// Actions that were renamed in 0.2: the old name, which layer files may use until
/// 0.3, and the new one.
const RENAMED: &[(&str, &str)] = &[
    ("lab.reconcile", "machines.check"),
    ("tofu.forget", "tofu.state-rm"),
];

/// The present name of an action.
pub fn present_name(name: &str) -> &str {
    let renamed = RENAMED.iter().find(|(old, _)| *old == name);
    renamed.map_or(name, |(_, new)| *new)
}

/// The actions that plans may use.
#[derive(Default)]
pub struct Registry {
    actions: BTreeMap<&'static str, Box<dyn Action>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.actions.keys()).finish()
    }
}

impl Registry {
    /// Adds an action.
    #[must_use]
    pub fn with(mut self, action: impl Action + 'static) -> Self {
        self.actions.insert(action.about().name, Box::new(action));
        self
    }

    /// The action of that name; a renamed one has two.
    pub fn get(&self, name: &str) -> Option<&dyn Action> {
        self.actions.get(present_name(name)).map(AsRef::as_ref)
    }

    /// What the steps of a plan hand on.
    pub fn handoffs(&self, plan: &Plan, dry_run: bool) -> Handoffs {
        let declared = plan.steps.iter().filter_map(|step| {
            let handoff = self.get(&step.action)?.handoff(step, dry_run);
            Some((step.id.clone(), handoff))
        });
        declared.collect()
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.actions.keys().copied()
    }
}

/// The actions that `hl` ships.
pub fn builtin() -> Registry {
    Registry::default()
        .with(CleanRemove)
        .with(PveAccess)
        .with(PveCheck)
        .with(ToolCheck)
        .with(Program::Command)
        .with(CtTemplate)
        .with(HostBootstrap)
        .with(HostCheck)
        .with(HostPlaybook)
        .with(HostProbe)
        .with(HostVerify)
        .with(ImageBuild)
        .with(ImageDownload)
        .with(ImageFetch)
        .with(ImagePublish)
        .with(ImageRemove)
        .with(ImageSync)
        .with(InventoryAction)
        .with(IsoFetch)
        .with(NodeConfig)
        .with(PackerBuild)
        .with(PackerValidate)
        .with(PlaybookAction)
        .with(ExtractScripts)
        .with(RunScript)
        .with(PullClean)
        .with(PullSnippet)
        .with(PullWait)
        .with(PveInstall)
        .with(Reconcile)
        .with(RepoSync)
        .with(Program::Script)
        .with(SshChain)
        .with(SshWait)
        .with(TemplateCheck)
        .with(TemplateImage)
        .with(Choose::Promote)
        .with(TemplatePrune)
        .with(TemplatePublish)
        .with(Choose::Rollback)
        .with(tofu::Tfvars)
        .with(tofu::Init)
        .with(tofu::Validate)
        .with(tofu::MakePlan)
        .with(tofu::Apply)
        .with(tofu::Forget)
        .with(tofu::ReadOutputs)
        .with(VmStart)
        .with(VmWait)
        .with(ManifestApprove)
        .with(ManifestEmpty)
        .with(ManifestLeft)
        .with(ClearMachine)
        .with(ForgetMachine)
        .with(RemoveMachine)
        .with(Inside)
        .with(MachineInventory)
        .with(RoundtripCheck)
        .with(ControllerStart)
        .with(ControllerStop)
        .with(TemplateReady)
        .with(MachineProvision)
        .with(MachineReach)
        .with(MachineAsk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handoff::{Handoff, assumed};
    use crate::plan::Step;

    #[test]
    fn a_renamed_action_is_found_by_both_names() {
        let all = builtin();
        for (old, new) in RENAMED {
            assert_eq!(present_name(old), *new);
            assert_eq!(all.get(old).map(|action| action.about().name), Some(*new));
            assert_eq!(all.get(new).map(|action| action.about().name), Some(*new));
            assert!(all.names().all(|name| name != *old));
        }
        assert_eq!(present_name("tofu.apply"), "tofu.apply");
    }

    /// The tests of `handoff` run plans of made-up steps.
    #[test]
    fn the_actions_hand_on_what_the_tests_of_handoff_assume() {
        let registry = builtin();
        for (input, dry_run) in [
            ("", false),
            ("", true),
            ("check", false),
            ("destroy", false),
        ] {
            let mut steps: Vec<Step> = registry.names().map(|name| Step::new(name, name)).collect();
            for step in &mut steps {
                step.with.insert(input.to_owned(), true.into());
            }
            let plan = Plan::new("all", steps);
            let mut expected = assumed(&plan, dry_run);
            expected.retain(|_, handoff| *handoff != Handoff::default());
            assert!(!expected.is_empty());
            let mut said = registry.handoffs(&plan, dry_run);
            said.retain(|step, _| expected.contains_key(step));
            assert_eq!(said, expected, "{input} {dry_run}");
        }
    }
}
