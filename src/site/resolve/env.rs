//! An environment on a node, and a single machine on a node.

use std::sync::Arc;

use serde_json::Number;

use super::machine;
use super::node::{Defaults, Machine, head};
use super::posture::{self, Named};
use super::value::{Object, Resolved, Traced, Value};
use crate::diag::{Diagnostic, Exit, Failure};
use crate::shape::Node;
use crate::site::kind::Kind;
use crate::site::secrets::Secrets;
use crate::site::tree::{Loader, Tree, is_name};
use crate::site::yaml::Document;

/// A machine that is in no environment.
#[derive(Debug, Clone, Default)]
pub struct Inline {
    /// Its name.
    pub name: String,
    /// Its id; nothing: Proxmox VE chooses.
    pub vmid: Option<u32>,
    /// A file of `vms/`.
    pub template: Option<String>,
    /// A file of `v2/presets/` or `vms/presets/`; no effect beside a template.
    pub preset: Option<String>,
    /// What it is made from.
    pub image: Option<String>,
    /// Its posture [dev].
    pub posture: Option<String>,
}

impl Tree {
    /// What OpenTofu is given for an environment on a node: `node`,
    /// `api_endpoint`, `api_token`, `ssh_user`, `automation_user`, `ssh_host`,
    /// `datastore`, `root_password`, `ssh_keys`, `spec_server`, `vms`.
    ///
    /// # Errors
    /// There is no such environment or node (66), a name is a path (2), or a
    /// file is invalid or names what is not there (65, every finding).
    pub fn resolve_env(
        &self,
        env: &str,
        node: &str,
        secrets: Option<&Secrets>,
    ) -> Result<Resolved, Failure> {
        let mut loader = Loader::new(self);
        let node_file = self.asked(&mut loader, Kind::Node, node)?;
        let env_file = self.asked(&mut loader, Kind::Env, env)?;
        let defaults = Defaults::load(&mut loader);
        no_secrets(&mut loader, secrets);
        let node_file = node_file.as_ref().map(|document| Machine {
            document,
            name: node,
        });
        let head = node_file.map(|machine| head(&mut loader, &machine, &defaults, secrets));
        let vms = env_file.map(|file| vms(&mut loader, &file, &defaults, secrets));
        with_vms(loader, head, vms)
    }

    /// The machines of an environment, as in [`Tree::resolve_env`], without a
    /// node: `vms` alone.
    ///
    /// # Errors
    /// As of [`Tree::resolve_env`].
    pub fn resolve_vms(&self, env: &str, secrets: Option<&Secrets>) -> Result<Resolved, Failure> {
        let mut loader = Loader::new(self);
        let env_file = self.asked(&mut loader, Kind::Env, env)?;
        let defaults = Defaults::load(&mut loader);
        let vms = env_file.map(|file| vms(&mut loader, &file, &defaults, secrets));
        with_vms(loader, None, vms)
    }

    /// The same as [`Tree::resolve_env`] for one machine that is in no
    /// environment. The preset is looked for in `v2/presets/`, then in
    /// `vms/presets/`, then there without a leading `vm-`.
    ///
    /// # Errors
    /// As of [`Tree::resolve_env`]; neither template nor preset is given (2).
    pub fn resolve_vm(
        &self,
        node: &str,
        vm: &Inline,
        secrets: Option<&Secrets>,
    ) -> Result<Resolved, Failure> {
        if vm.template.is_none() && vm.preset.is_none() {
            return Err(Failure::message(
                Exit::Usage,
                format!("machine `{}` has neither a template nor a preset", vm.name),
            )
            .help("give `--template NAME` (`hl site list templates`) or `--preset NAME` (`hl site list presets`)"));
        }
        let mut loader = Loader::new(self);
        let node_file = self.asked(&mut loader, Kind::Node, node)?;
        let mut layers = Object::default();
        if let Some(template) = &vm.template {
            self.asked(&mut loader, Kind::Template, template)?;
            machine::template(&mut loader, template, &mut layers);
        } else if let Some(preset) = &vm.preset {
            let (kind, name) = self.preset(preset)?;
            machine::preset(&mut loader, kind, name, &mut layers);
        }
        let text = |text: &str| Traced::given(Value::Text(text.to_owned()));
        layers.set("name", text(&vm.name));
        let vmid = vm
            .vmid
            .map_or(Value::Null, |id| Value::Number(Number::from(id)));
        layers.set("vmid", Traced::given(vmid));
        if let Some(image) = &vm.image {
            layers.set("image", text(image));
        }
        let defaults = Defaults::load(&mut loader);
        machine::defaults(&mut layers, &defaults);
        no_secrets(&mut loader, secrets);
        let posture = Named {
            name: vm
                .posture
                .clone()
                .unwrap_or_else(|| posture::DEFAULT.to_owned()),
            by: None,
            given: vm.posture.is_some(),
        };
        if let Some(method) = posture::method(&mut loader, &posture) {
            let token = posture::token(&mut loader, method, &vm.name, secrets);
            layers.set("auth_token", token);
        }
        let node_file = node_file.as_ref().map(|document| Machine {
            document,
            name: node,
        });
        let head = node_file.map(|machine| head(&mut loader, &machine, &defaults, secrets));
        with_vms(loader, head, Some(vec![Traced::given(Value::Map(layers))]))
    }

    /// The warning that there is no `secrets.yaml`.
    pub fn no_secrets(&self) -> Diagnostic {
        let file = self.show("secrets.yaml");
        Diagnostic::warning(format!(
            "there is no `{file}`: tokens, passwords and keys are empty"
        ))
        .help("`hl site secrets edit` makes one")
    }

    /// Where a preset of a node is.
    fn preset<'n>(&self, name: &'n str) -> Result<(Kind, &'n str), Failure> {
        if !is_name(name) {
            return Err(Self::no_path("preset", name));
        }
        self.node_preset(name)
            .ok_or_else(|| self.unknown(&[Kind::NodePreset, Kind::Preset], "preset", name))
    }

    /// The file that was asked for by name: a path is 2, one that is not there
    /// 66. Nothing when it is there and cannot be read, which was told.
    pub(super) fn asked(
        &self,
        loader: &mut Loader<'_>,
        kind: Kind,
        name: &str,
    ) -> Result<Option<Arc<Document>>, Failure> {
        self.want(kind, name)?;
        Ok(loader.file(kind, name))
    }
}

/// The end of a resolution: what is known of the node, and the machines.
fn with_vms(
    loader: Loader<'_>,
    head: Option<Object>,
    vms: Option<Vec<Traced>>,
) -> Result<Resolved, Failure> {
    let mut out = head.unwrap_or_default();
    let list = vms.unwrap_or_default();
    out.set("vms", Traced::default(Value::List(list)));
    done(loader, out)
}

/// The machines of an environment's file.
fn vms(
    loader: &mut Loader<'_>,
    file: &Arc<Document>,
    defaults: &Defaults,
    secrets: Option<&Secrets>,
) -> Vec<Traced> {
    let root = &file.root;
    let posture = Named::in_file(file, root.get("posture"));
    let method = posture::method(loader, &posture);
    let (mut list, twins) = machines(loader, file);
    for vm in &mut list {
        let Value::Map(vm) = &mut vm.value else {
            continue;
        };
        machine::defaults(vm, defaults);
        if let Some(method) = method {
            let token = posture::token(loader, method, machine::name(vm), secrets);
            vm.set("auth_token", token);
        }
    }
    loader.errors.extend(twins);
    list
}

/// The machines of an environment, layers laid, without defaults and tokens;
/// and those of them that share a name or an id.
pub(in crate::site) fn machines(
    loader: &mut Loader<'_>,
    file: &Arc<Document>,
) -> (Vec<Traced>, Vec<Diagnostic>) {
    let root = &file.root;
    let base = root.get("vmid_base").filter(|node| !node.is_null());
    let base = base.map(|node| (file, node));
    let items = root.get("vms").map(Node::items).unwrap_or_default();
    let mut list = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let Some(instance) = item.map() else { continue };
        let mut vm = machine::layered(loader, file, instance);
        machine::vmid(&mut vm, base, index);
        let origin = Traced::of(file, item).origin;
        list.push(Traced {
            value: Value::Map(vm),
            origin,
        });
    }
    let twins = machine::twins(&list);
    (list, twins)
}

/// Warns that there is no `secrets.yaml`.
pub(super) fn no_secrets(loader: &mut Loader<'_>, secrets: Option<&Secrets>) {
    if secrets.is_none() {
        let warning = loader.tree.no_secrets();
        loader.warn(warning);
    }
}

/// The answer, or everything that is wrong.
pub(super) fn done(loader: Loader<'_>, value: Object) -> Result<Resolved, Failure> {
    let warnings = loader.finish()?;
    Ok(Resolved { value, warnings })
}
