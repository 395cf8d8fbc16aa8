//! `vm.wait`: every guest agent tells addresses that lead to its machine; of a
//! container its node tells them. All
//! are asked in turn until they have, or until patience ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::address::{Interface, Interfaces};
use super::given::{AT_ONCE, Machine, together};
use crate::action::at_once::at_once;
use crate::action::{About, Action, Done, StepContext};
use crate::base::count;
use crate::diag::StepError;
use crate::diag::{Exit, hl};
use crate::lab::timeouts;
use crate::plan::EventKind;
use crate::pve;
use crate::pve::GuestKind;

/// How long a guest agent may take (300 s is what a slow first boot needs).
const PATIENCE: &str = "5m";

/// Between two rounds of questions.
const PAUSE: Duration = Duration::from_secs(2);

/// `vm.wait`
#[derive(Debug, Clone, Copy)]
pub struct VmWait;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// The machines, as `tofu.apply` publishes them in `provisioned_vms`.
    vms: Vec<Machine>,
    /// How long all of them together may take: a duration or a tier; `5m`
    /// when absent.
    #[serde(default)]
    patience: Option<String>,
}

/// What one question brought.
#[derive(Debug)]
enum Answer {
    /// Addresses that lead to it.
    Addresses(Vec<String>),
    /// Not yet; why.
    NotYet(String),
    /// Never: waiting does not change it.
    Never(StepError),
}

impl Action for VmWait {
    fn about(&self) -> About {
        About::of::<Inputs>("vm.wait")
            .doc(
                "waits until every machine's guest agent, or the node of a container, reports an \
                 address; publishes `addresses`, `NAME_ip`, `vm_ip`",
            )
            .undoes_nothing()
            .never("it asks for the addresses of now")
    }

    /// Asks once: who does not answer yet is no failure of a dry run.
    fn preview(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let Inputs { vms, .. } = ctx.inputs()?;
        let mut told = BTreeMap::new();
        let waiting: Vec<&Machine> = vms.iter().collect();
        if !waiting.is_empty() {
            let client = ctx.pve()?;
            for (vm, answer) in waiting.iter().zip(round(&client, &waiting)) {
                if let Ok(Answer::Addresses(addresses)) = answer {
                    told.insert(vm.name.clone(), addresses);
                }
            }
        }
        let silent = vms.len() - told.len();
        let summary = match silent {
            0 => format!("{} reported their addresses", count(vms.len(), "machine")),
            silent => format!("would wait for {}", count(silent, "machine")),
        };
        Ok(published(Done::new(summary), &vms, &told))
    }

    fn run(&self, ctx: &StepContext<'_>) -> Result<Done, StepError> {
        let inputs: Inputs = ctx.inputs()?;
        let patience = patience(ctx, inputs.patience.as_deref().unwrap_or(PATIENCE))?;
        if inputs.vms.is_empty() {
            return Ok(published(Done::new("no machines"), &[], &BTreeMap::new()));
        }
        let told = wait(ctx, &inputs.vms, patience)?;
        let done = Done::new(format!(
            "{} reported their addresses",
            count(told.len(), "machine")
        ));
        Ok(published(done, &inputs.vms, &told))
    }
}

fn patience(ctx: &StepContext<'_>, text: &str) -> Result<Duration, StepError> {
    timeouts::resolve(text, &ctx.lab.config.timeouts).ok_or_else(|| {
        StepError::new(format!("`patience` cannot be `{text}`"))
            .exit(Exit::Definition)
            .help("give a duration such as `90s` or `5m`, or a tier")
    })
}

/// Asks in rounds until all have told an address.
fn wait(
    ctx: &StepContext<'_>,
    vms: &[Machine],
    patience: Duration,
) -> Result<BTreeMap<String, Vec<String>>, StepError> {
    let client = ctx.pve()?;
    let until = Instant::now() + patience;
    let mut told = BTreeMap::new();
    let mut waiting: Vec<&Machine> = vms.iter().collect();
    loop {
        let mut silent: Vec<(&Machine, String)> = Vec::new();
        let mut lost = Vec::new();
        for (vm, answer) in waiting.iter().zip(round(&client, &waiting)) {
            match answer? {
                Answer::Addresses(addresses) => {
                    told.insert(vm.name.clone(), addresses);
                }
                Answer::NotYet(why) => silent.push((vm, why)),
                Answer::Never(error) => lost.push(error),
            }
        }
        let late = Instant::now() + PAUSE > until;
        if !lost.is_empty() || late && !silent.is_empty() {
            lost.extend(silent.iter().map(|(vm, why)| timed_out(vm, why, patience)));
            return Err(together("no address is known", lost));
        }
        if silent.is_empty() {
            return Ok(told);
        }
        waiting = silent.into_iter().map(|(vm, _)| vm).collect();
        let names: Vec<&str> = waiting.iter().map(|vm| vm.name.as_str()).collect();
        (ctx.emit)(EventKind::Progress {
            message: format!("waiting for the addresses of {}", names.join(", ")),
            done: u64::try_from(told.len()).ok(),
            total: u64::try_from(vms.len()).ok(),
        });
        ctx.cancel.sleep(PAUSE)?;
    }
}

fn round(client: &pve::Client, vms: &[&Machine]) -> Vec<Result<Answer, StepError>> {
    at_once(vms, AT_ONCE, |vm| ask(client, vm))
}

fn ask(client: &pve::Client, vm: &Machine) -> Result<Answer, StepError> {
    let Machine {
        node, vmid, kind, ..
    } = vm;
    let answer = match kind {
        GuestKind::Vm => client.agent_interfaces::<Interfaces>(node, *vmid),
        GuestKind::Ct => client
            .ct_interfaces::<Option<Vec<Interface>>>(node, *vmid)
            .map(Interfaces::of_container),
    };
    match answer {
        Ok(interfaces) => {
            let told = interfaces.told();
            Ok(if !told.usable.is_empty() {
                Answer::Addresses(told.usable)
            } else if told.refused.is_empty() {
                Answer::NotYet("it has no address".to_owned())
            } else {
                Answer::NotYet(format!(
                    "it has only {}, which lead nowhere from here",
                    told.refused.join(", ")
                ))
            })
        }
        Err(pve::Error::Cancelled) => Err(crate::base::Cancelled.into()),
        Err(error) => Ok(not_answered(vm, &error, || {
            client.vm_config(node, *vmid).ok()
        })),
    }
}

/// What an error says about the machine, and whether it may pass. Of an agent that is
/// off a node says what it says of one that is not up yet: `config` tells them apart.
fn not_answered(
    vm: &Machine,
    error: &pve::Error,
    config: impl FnOnce() -> Option<pve::VmConfig>,
) -> Answer {
    let Machine { vmid, node, .. } = vm;
    let said = error.to_string();
    let never = |what: String| StepError::new(format!("{}: {what}", vm.words()));
    let program = vm.kind.program();
    if let pve::Error::Forbidden { message, .. } = error {
        let asked = match vm.kind {
            GuestKind::Vm => "its guest agent",
            GuestKind::Ct => "for its addresses",
        };
        let error = never(format!("the token may not ask {asked}: {message}"))
            .help(hl("l0-runway").say(" names the right that the token lacks"));
        return Answer::Never(error);
    }
    if error.is_not_found() {
        let error =
            never("it is gone".to_owned()).help(format!("`{program} config {vmid}` on `{node}`"));
        return Answer::Never(error);
    }
    let is_off = said.contains("No QEMU guest agent configured")
        || said.contains("QEMU guest agent is not running")
            && config().is_some_and(|config| is_switched_off(&config));
    if is_off {
        let error = never("its guest agent is switched off".to_owned()).help(format!(
            "on `{node}`: `qm set {vmid} --agent 1`, then `qm reboot {vmid}`"
        ));
        return Answer::Never(error);
    }
    Answer::NotYet(said)
}

/// Whether a config has an agent that is off: `0`, `enabled=0,type=virtio`.
fn is_switched_off(config: &pve::VmConfig) -> bool {
    let text = config.text("agent").unwrap_or_default();
    let mut options = text.split(',').map(|option| {
        // What has no name is `enabled`.
        option.split_once('=').unwrap_or(("enabled", option))
    });
    options.any(|(name, value)| {
        let no = ["0", "no", "off", "false"];
        name == "enabled" && no.iter().any(|no| value.eq_ignore_ascii_case(no))
    })
}

fn timed_out(vm: &Machine, why: &str, patience: Duration) -> StepError {
    let Machine { vmid, node, .. } = vm;
    let program = vm.kind.program();
    let console = match vm.kind {
        GuestKind::Vm => format!("`qm terminal {vmid}` on `{node}`"),
        GuestKind::Ct => format!("`pct enter {vmid}` on `{node}`"),
    };
    let error = StepError::new(format!(
        "{} reported no address within {}: {why}",
        vm.words(),
        crate::base::short_duration(patience)
    ));
    let stopped = why.contains("is not running") && why.contains("VM ");
    if stopped || why.contains("CT ") && why.contains("not running") {
        return error.help(format!(
            "on `{node}`: `{program} start {vmid}`, and look why it stopped"
        ));
    }
    if why.starts_with("it has") {
        return error.help(format!(
            "is there a DHCP server on its bridge? give `{}` an `ip` in the environment's file, or look with {console}",
            vm.name
        ));
    }
    error.help(format!(
        "look with {console}: does it boot, and does `systemctl status qemu-guest-agent` say that it runs? its template must have the package `qemu-guest-agent`"
    ))
}

/// The contract of the specification: `NAME_ip` for each, `vm_ip` of the
/// first; and all of them by name. A fixed address stands for what was told.
fn published(mut done: Done, vms: &[Machine], told: &BTreeMap<String, Vec<String>>) -> Done {
    let mut addresses = Map::new();
    for vm in vms {
        let Some(all) = told.get(&vm.name) else {
            continue;
        };
        let fixed = vm
            .address
            .as_deref()
            .and_then(|text| text.split('/').next());
        let fixed = fixed.filter(|text| text.parse::<std::net::IpAddr>().is_ok());
        let Some(ip) = fixed.or_else(|| all.first().map(String::as_str)) else {
            continue;
        };
        done = done.output(&format!("{}_ip", vm.name), ip);
        if addresses.is_empty() {
            done = done.output("vm_ip", ip);
        }
        addresses.insert(vm.name.clone(), Value::from(all.clone()));
    }
    done.changed(false).output("addresses", addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str, address: Option<&str>) -> Machine {
        Machine {
            name: name.to_owned(),
            vmid: 5101,
            kind: GuestKind::Vm,
            node: "pve".to_owned(),
            address: address.map(str::to_owned),
        }
    }

    fn config(agent: &str) -> pve::VmConfig {
        pve::VmConfig([("agent".to_owned(), Value::from(agent))].into())
    }

    #[test]
    fn names_stand_in_the_keys_as_they_are() {
        let vms = [
            machine("web-1", Some("10.0.0.5/24")),
            machine("app", Some("dhcp")),
        ];
        let told = [
            ("web-1".to_owned(), vec!["10.0.0.9".to_owned()]),
            ("app".to_owned(), vec!["10.0.0.7".to_owned()]),
        ];
        let done = published(Done::new(""), &vms, &told.into());
        assert_eq!(done.outputs["web-1_ip"], "10.0.0.5");
        assert_eq!(done.outputs["app_ip"], "10.0.0.7");
        assert_eq!(done.outputs["vm_ip"], "10.0.0.5");
        assert_eq!(done.outputs["addresses"]["app"][0], "10.0.0.7");
        let none = published(Done::new(""), &[], &BTreeMap::new());
        assert!(!none.outputs.contains_key("vm_ip"));
        assert!(none.outputs.contains_key("addresses"));
    }

    #[test]
    fn what_waiting_does_not_change_is_not_waited_for() {
        let api = |message: &str| pve::Error::Api {
            status: 500,
            message: message.to_owned(),
            errors: BTreeMap::new(),
        };
        let vm = machine("web-1", None);
        let unread = || -> Option<pve::VmConfig> { panic!("the config is not needed") };
        let answer = not_answered(&vm, &api("No QEMU guest agent configured"), unread);
        assert!(matches!(answer, Answer::Never(error) if error.help[0].contains("--agent 1")));
        let silent = api("QEMU guest agent is not running");
        for off in ["0", "enabled=0", "fstrim_cloned_disks=1,enabled=Off"] {
            let answer = not_answered(&vm, &silent, || Some(config(off)));
            assert!(
                matches!(&answer, Answer::Never(error) if error.help[0].contains("--agent 1")),
                "{off}: {answer:?}"
            );
        }
        for on in ["1", "1,fstrim_cloned_disks=0", "enabled=1,type=virtio"] {
            let answer = not_answered(&vm, &silent, || Some(config(on)));
            assert!(matches!(&answer, Answer::NotYet(_)), "{on}: {answer:?}");
        }
        let answer = not_answered(&vm, &silent, || None);
        let Answer::NotYet(why) = answer else {
            panic!("{answer:?}")
        };
        let error = timed_out(&vm, &why, Duration::from_mins(5));
        assert!(
            error
                .message
                .contains("`web-1` (VM 5101 on `pve`) reported no address within 5m")
        );
        assert!(error.help[0].contains("qemu-guest-agent"));
        let stopped = timed_out(&vm, "the API answered 500: VM 5101 is not running", PAUSE);
        assert!(stopped.help[0].contains("qm start 5101"));
    }
}
