//! `packer.build`: a template from a template's files, and proof that it is one.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::base::Base;
use super::manifest;
use super::orphans::name_orphans;
use super::takeover::take_over;
use super::variables::{Build, variables};
use super::workspace::Workspace;
use crate::action::template::call;
use crate::action::{About, Action, Basis, Done, Reads, StepContext};
use crate::diag::StepError;
use crate::diag::{Advice, Exit, hl, say};
use crate::handoff::{Handoff, Stage};
use crate::pve::{BuildAddress, tool_env};
use crate::templates::pin_in_use;
use crate::templates::{
    BuildInProgress, Manifest, Pin, Record, Stamp, Template, TemplateStore, inputs_digest, node,
    notes,
};

/// `packer.build`
#[derive(Debug, Clone, Copy)]
pub struct PackerBuild;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Name of the template: a folder of `layers/l1-templates`.
    #[schemars(length(max = 100))]
    name: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
    /// Volume of the image or the installer.
    volid: String,
}

impl Action for PackerBuild {
    fn about(&self) -> About {
        About::of::<Inputs>("packer.build")
            .repeatable()
            .doc("build a template with packer; publishes `vmid`, `stamp` and `digest`")
            .hands_on(Handoff::part(Stage::Templates))
    }

    fn basis(&self, ctx: &StepContext<'_>) -> Result<Basis, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let template = call::template(ctx, &inputs.name)?;
        let files = template
            .files()
            .map_err(|error| StepError::io("read the files of", &template.dir, &error))?;
        Ok(Basis::On(Reads::paths(files.into_values()).on_the_node()))
    }

    fn still_valid(
        &self,
        ctx: &StepContext<'_>,
        outputs: &BTreeMap<String, Value>,
    ) -> Result<(), String> {
        let look = || -> Result<bool, StepError> {
            let inputs: Inputs = ctx.inputs()?;
            let vmid = outputs.get("vmid").and_then(Value::as_u64);
            let vmid = vmid.and_then(|vmid| u32::try_from(vmid).ok());
            let config = ctx
                .pve()?
                .vm_config(&inputs.node, vmid.unwrap_or_default())?;
            Ok(config.is_template())
        };
        match look() {
            Ok(true) => Ok(()),
            Ok(false) => Err("what it made is no template any more".to_owned()),
            Err(error) => Err(format!("the template cannot be found: {}", error.message)),
        }
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let reason = format!("would build `{}` on `{}`", inputs.name, inputs.node);
        Ok(Done::not_planned(reason))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let template = call::template(ctx, &inputs.name)?;
        let address = call::build_address(ctx)?;
        let store = TemplateStore::new(ctx.lab.paths.template(&inputs.name));
        let pin = pin_in_use(&ctx.lab.paths, &template, Pin::read(store.dir())?.as_ref())?;
        let digest = inputs_digest(&template, pin.as_ref())
            .map_err(|error| StepError::io("read the files of", &template.dir, &error))?;
        if let Some(begun) = BuildInProgress::read(&ctx.lab.paths, &inputs.name)
            && let Some(vmid) = take_over(ctx, &inputs.name, &begun, &digest)?
        {
            Base::sweep(ctx, &template, &inputs.volid)?;
            return Ok(done(&inputs, vmid, &begun.stamp, digest));
        }
        nobody_answers(ctx, &address)?;
        let workspace = Workspace::prepare(ctx, &template)?;
        let records = store.records::<Manifest>()?;
        let stamp = Stamp::free(records.iter().map(Record::stamp));
        let begun = BuildInProgress {
            stamp: stamp.clone(),
            digest: digest.clone(),
            node: inputs.node.clone(),
        };
        begun.write(&ctx.lab.paths, &inputs.name)?;
        let base = match template.spec.image {
            Some(_) => Some(Base::make(
                ctx,
                &template,
                &inputs.node,
                &inputs.volid,
                &address,
            )?),
            None => None,
        };
        let base_name = base
            .as_ref()
            .map(|base| base.name.clone())
            .unwrap_or_default();
        let run = Run {
            ctx,
            template: &template,
            inputs: &inputs,
            address,
            workspace,
            stamp: &stamp,
        };
        let built = run.build(&base_name);
        if let Some(base) = base {
            base.remove(ctx);
        }
        Ok(done(&inputs, built?, &stamp, digest))
    }
}

fn done(inputs: &Inputs, vmid: u32, stamp: &Stamp, digest: String) -> Done {
    Done::new(format!("template {vmid} on `{}`", inputs.node))
        .changed(true)
        .output("vmid", vmid)
        .output("stamp", stamp.as_str())
        .output("digest", digest)
}

struct Run<'a> {
    ctx: &'a StepContext<'a>,
    template: &'a Template,
    inputs: &'a Inputs,
    address: BuildAddress,
    workspace: Workspace,
    stamp: &'a Stamp,
}

impl Run<'_> {
    /// Runs packer, and gives the VM that it made.
    fn build(&self, base_name: &str) -> Result<u32, StepError> {
        let (ctx, name) = (self.ctx, &self.template.name);
        let stamp = self.stamp;
        let build_name = format!("hl-build-{name}-{stamp}");
        let template_name = format!("{name}-{stamp}");
        let path = self.workspace.manifest(stamp.as_str())?;
        let description = notes::build(name, stamp);
        let build = Build {
            base: base_name,
            volid: &self.inputs.volid,
            machine: &build_name,
            template: &template_name,
            description: &description,
            manifest: path.as_str(),
        };
        let variables = variables(ctx, self.template, &self.inputs.node, &self.address, &build)?;
        // Nothing to fetch where `packer.validate` came first.
        self.workspace.init(ctx, &variables, None)?;
        let mut child = self
            .workspace
            .child(ctx, &["build", "-color=false", "."], &variables);
        for (key, value) in tool_env(ctx.env, &ctx.lab.paths)? {
            child = child.env(key, value);
        }
        let mut seen = Vec::new();
        let outcome = ctx.exec.run(&child, &mut |line| {
            if let Some(text) = stage(line.text) {
                ctx.progress(text);
            }
            seen.extend(telling(line.text));
        });
        let names = [build_name.as_str(), template_name.as_str()];
        let crash = self.workspace.crash();
        let ended = outcome.and_then(|outcome| outcome.check("packer build"));
        if let Err(error) = ended {
            let error = error.helps(advice(&seen, &self.address, crash.as_deref()));
            return Err(name_orphans(ctx, error, &names));
        }
        // From here on packer is content, which proves nothing.
        let proven = manifest::vmid(&path).and_then(|vmid| {
            let client = ctx.pve()?;
            node::prove(&client, &self.inputs.node, vmid, ctx.cancel)?;
            Ok(vmid)
        });
        proven.map_err(|error| name_orphans(ctx, error, &names))
    }
}

/// Refuses a build address that somebody holds: packer would log in there.
fn nobody_answers(ctx: &StepContext<'_>, address: &BuildAddress) -> Result<(), StepError> {
    ctx.progress(format!("is {} free?", address.ip));
    if !answers(SocketAddr::new(address.ip, 22)) {
        return Ok(());
    }
    Err(StepError::new(format!(
        "something answers at the build address {} already",
        address.ip
    ))
    .exit(Exit::Runway)
    .help("stop that machine, or set `PVE_BUILD_ADDRESS` to a free address"))
}

fn answers(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// `==> hl.proxmox-clone.template: Starting VM` gives `Starting VM`.
fn stage(line: &str) -> Option<&str> {
    let (_, text) = line.strip_prefix("==> ")?.split_once(": ")?;
    (!text.is_empty()).then_some(text)
}

/// What packer says of a known trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    NoSsh,
    NoLogin,
    Panic,
    Certificate,
    NoBase,
    Conversion,
}

fn telling(line: &str) -> Option<Trouble> {
    const KNOWN: [(&str, Trouble); 8] = [
        ("Timeout waiting for SSH", Trouble::NoSsh),
        ("unable to authenticate", Trouble::NoLogin),
        ("unexpected EOF", Trouble::Panic),
        ("panic:", Trouble::Panic),
        ("x509:", Trouble::Certificate),
        ("not found", Trouble::NoBase),
        ("Error converting VM to template", Trouble::Conversion),
        ("VM is running", Trouble::Conversion),
    ];
    let hit = KNOWN.iter().find(|(words, _)| line.contains(words));
    hit.map(|(_, trouble)| *trouble)
        .filter(|trouble| *trouble != Trouble::NoBase || line.contains("hl-base-"))
}

fn advice(seen: &[Trouble], address: &BuildAddress, crash: Option<&[String]>) -> Vec<Advice> {
    let mut help = Vec::new();
    let has = |trouble| seen.contains(&trouble);
    if has(Trouble::NoSsh) || has(Trouble::NoLogin) {
        help.push(say(format!(
            "the machine did not let packer in at {}: is it reachable from here, is its gateway {} right, and does `PVE_BRIDGE` lead there?",
            address.ip, address.gateway
        )));
        help.push(say(
            "packer hides a start that the node refused: look for errors in the node's task list",
        ));
    }
    if has(Trouble::Certificate) {
        help.push(hl("l0-runway").say(" checks the node's certificate and says what to trust"));
    }
    if has(Trouble::NoBase) {
        help.push(say("the token needs `VM.Audit` on `/vms`: ").hl("l0-runway"));
    }
    if has(Trouble::Conversion) {
        help.push("packer hides a shutdown that the node refused: the token needs `VM.PowerMgmt` on `/vms`".into());
    }
    if has(Trouble::Panic) || crash.is_some() {
        let what = crash
            .and_then(<[String]>::first)
            .map_or_else(String::new, |line| format!(" (`{line}`)"));
        help.push(say(format!(
            "packer's plugin crashed{what}, as it does when the API breaks off: run it again"
        )));
    }
    help
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_told_and_output_is_not() {
        assert_eq!(
            stage("==> hl.proxmox-clone.template: Starting VM"),
            Some("Starting VM")
        );
        assert_eq!(
            stage("    hl.proxmox-clone.template: Setting up sudo"),
            None
        );
        assert_eq!(stage("==> Wait completed after 3 seconds"), None);
    }

    #[test]
    fn an_address_that_answers_is_not_free() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(answers(address));
        let (_closed, address) = crate::base::closed_port();
        assert!(!answers(address));
    }

    #[test]
    fn known_troubles_have_a_remedy() {
        let address = BuildAddress::parse("10.0.0.9/24,10.0.0.1").unwrap();
        let advice = |line: &str| {
            let seen: Vec<_> = telling(line).into_iter().collect();
            Advice::joined(advice(&seen, &address, None), "\n").text(crate::diag::Commands::Live)
        };
        assert!(advice("==> x: Timeout waiting for SSH.").contains("10.0.0.9"));
        assert!(advice("Error: unexpected EOF").contains("run it again"));
        assert!(advice("x509: certificate signed by unknown authority").contains("l0-runway"));
        assert!(
            advice("Error creating VM: vm 'hl-base-debian-13-1a' not found").contains("VM.Audit")
        );
        assert!(advice("apt: package x not found").is_empty());
        assert!(
            advice("Error converting VM to template, could not stop: 403").contains("VM.PowerMgmt")
        );
    }
}
