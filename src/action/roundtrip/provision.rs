//! `machine.provision`: one machine is made by the module of L2, and told of its
//! controller by cloud-init.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::machine::token;
use crate::action;
use crate::action::machines::ClearMachine;
use crate::action::pull::{NodeShell, WorkDir, snippet_file, snippet_name, snippet_volume};
use crate::action::tofu::{Apply, Init, MakePlan, Tfvars};
use crate::action::{About, Action, Approval, Done, StepContext};
use crate::base::{Lines, count, quoted};
use crate::diag::StepError;
use crate::site::secrets::Secret;
use crate::tofu::state::{STATE_FILE, State};

/// The module that makes it.
const MODULE: &str = "layers/l2-instantiate/tofu/vms";
/// Where login shells are told of the controller.
const PROFILE: &str = "/etc/profile.d/homestak.sh";
/// What proves who the machine is, for root alone.
const TOKEN: &str = "/var/lib/hl-spec/token";

/// `machine.provision`
#[derive(Debug, Clone, Copy)]
pub struct MachineProvision;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Environment; its posture says whether the machine has a token.
    #[schemars(length(max = 100))]
    env: String,
    /// What the machine's state is kept under.
    #[schemars(length(max = 100))]
    group: String,
    /// Proxmox node.
    #[schemars(length(max = 100))]
    node: String,
    /// Name of the machine.
    #[schemars(length(max = 100))]
    name: String,
    /// The machine, as `roundtrip.check` publishes it.
    machine: Map<String, Value>,
    /// `https://HOST:PORT` of the controller.
    server: String,
}

impl Inputs {
    fn key(&self) -> String {
        format!("{}/{}/{}", self.group, self.node, self.name)
    }

    fn line(&self) -> String {
        let number = |key: &str| self.machine.get(key).and_then(Value::as_u64);
        let number = |key: &str| number(key).unwrap_or_default();
        let image = self.machine.get("image").and_then(Value::as_str);
        format!(
            "`{}` from `{}`: {}, {} MB, {} GB",
            self.name,
            image.unwrap_or_default(),
            count(usize::try_from(number("cores")).unwrap_or(0), "core"),
            number("memory"),
            number("disk")
        )
    }
}

impl Action for MachineProvision {
    fn about(&self) -> About {
        About::of::<Inputs>("machine.provision")
            .doc(
                "make one machine with the module of L2, which cloud-init tells of its controller; \
                 publishes `provisioned_vms`",
            )
            .repeatable()
            .undone_by("machine.remove")
            .never("it plans from what is there now")
    }

    fn approval(&self, ctx: &StepContext<'_>) -> Result<Option<Approval>, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        Ok(Some(Approval {
            summary: vec![inputs.line()],
            question: format!(
                "make `{}` on `{}`, and delete it at the end?",
                inputs.name, inputs.node
            ),
            exact: ctx.with.clone(),
            ..Approval::default()
        }))
    }

    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        Ok(Done::not_planned(format!("would make {}", inputs.line())))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let key = inputs.key();
        let snippet = snippet(ctx, &inputs, &key)?;
        let on = |more: Value| {
            let mut with = json!({
                "env": inputs.group, "node": inputs.node, "key": key, "dir": MODULE,
            });
            if let (Some(with), Value::Object(more)) = (with.as_object_mut(), more) {
                with.extend(more);
            }
            ctx.with_inputs(with)
        };
        Init.run(&on(json!({})))?;
        let snippets = Map::from_iter([(inputs.name.clone(), Value::from(snippet))]);
        let resolved = Tfvars.run(&on(json!({
            "machine": inputs.machine, "snippets": snippets,
        })))?;
        let of = |done: &Done, key: &str| done.outputs.get(key).cloned().unwrap_or_default();
        // What an earlier part of this run left half-made.
        ClearMachine.run(&ctx.with_inputs(json!({
            "manifest": inputs.group, "node": inputs.node, "name": inputs.name,
        })))?;
        let planned = MakePlan.run(&on(json!({
            "vars_file": of(&resolved, "tfvars"), "keep": true,
        })))?;
        let applied = Apply.run(&on(json!({
            "plan_file": of(&planned, "plan_file"), "granted": true,
        })))?;
        // One that is made already is no reason to leave the phase out.
        let summary = if applied.instead.is_some() {
            format!("`{}` is there", inputs.name)
        } else {
            applied.summary.clone()
        };
        Ok(Done {
            summary,
            instead: None,
            ..applied
        })
    }
}

/// The volume by which cloud-init tells the machine of its controller.
fn snippet(ctx: &StepContext<'_>, inputs: &Inputs, key: &str) -> Result<String, StepError> {
    let node = action::site::node(ctx, &inputs.node);
    let client = ctx.pve()?;
    let file = snippet_name(key, &inputs.name);
    let volume = snippet_volume(&client, node, None, &file)?;
    let state = State::read(&ctx.lab.paths.tofu_state(key).join(STATE_FILE))?;
    // cloud-init reads it at the first boot alone.
    if state.vms.contains_key(&inputs.name) {
        return Ok(volume);
    }
    let (token, _) = token(ctx, &inputs.env, &inputs.name)?;
    let token = token.as_ref().map(Secret::reveal);
    let work = WorkDir::of(ctx);
    let local = work.write(&file, &text(&inputs.server, &inputs.name, token))?;
    NodeShell::of(ctx, &inputs.node)?.put(&volume, &local)?;
    Ok(volume)
}

/// What cloud-init is told. It is JSON, which is YAML.
fn text(server: &str, identity: &str, token: Option<&str>) -> String {
    let mut profile = String::new();
    profile.line(format_args!(
        "export HOMESTAK_SPEC_SERVER={}",
        quoted(server)
    ));
    profile.line(format_args!(
        "export HOMESTAK_IDENTITY={}",
        quoted(identity)
    ));
    let mut files = Vec::new();
    if let Some(token) = token {
        profile.line(format_args!(
            "if [ -r {TOKEN} ]; then HOMESTAK_AUTH_TOKEN=$(cat {TOKEN}); export HOMESTAK_AUTH_TOKEN; fi"
        ));
        files.push(snippet_file(TOKEN, "0600", token));
    }
    files.push(snippet_file(PROFILE, "0644", &profile));
    let config = json!({ "write_files": files });
    format!("#cloud-config\n{config:#}\n")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn files(text: &str) -> Vec<(String, String, String)> {
        let (head, rest) = text.split_once('\n').unwrap();
        assert_eq!(head, "#cloud-config");
        let config: Value = serde_json::from_str(rest).unwrap();
        let files = config["write_files"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        files
            .map(|file| {
                let content = STANDARD.decode(text(&file["content"])).unwrap();
                (
                    text(&file["path"]),
                    text(&file["permissions"]),
                    String::from_utf8(content).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn a_token_is_for_root_alone_and_in_no_profile() {
        let all = files(&text("https://192.0.2.5:44443", "test", Some("t0k")));
        assert_eq!(all.len(), 2);
        assert_eq!(
            all[0],
            (TOKEN.to_owned(), "0600".to_owned(), "t0k".to_owned())
        );
        assert!(!all[1].2.contains("t0k"), "{}", all[1].2);
        let none = files(&text("https://192.0.2.5:44443", "test", None));
        assert_eq!(none.len(), 1);
        assert_eq!(
            none[0].2,
            "export HOMESTAK_SPEC_SERVER=https://192.0.2.5:44443\nexport HOMESTAK_IDENTITY=test\n"
        );
    }
}
