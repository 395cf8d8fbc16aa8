//! What a machine is made of.

use super::facts::Facts;
use crate::action::Done;
use crate::base::count;
use crate::diag::StepError;

/// Processors, at least so many.
pub(super) fn cpu(facts: &Facts, least: u64) -> Result<Done, StepError> {
    enough(facts, facts.cores, least.max(1), "processor", |n| {
        count(usize::try_from(n).unwrap_or(usize::MAX), "processor")
    })
}

/// MiB of free memory.
pub(super) fn memory(facts: &Facts, least: u64) -> Result<Done, StepError> {
    enough(
        facts,
        facts.memory_kb >> 10,
        least.max(1),
        "memory",
        |mib| format!("{mib} MiB of free memory"),
    )
}

/// GiB of room on the disk.
pub(super) fn disk(facts: &Facts, least: u64) -> Result<Done, StepError> {
    enough(facts, facts.disk_kb >> 20, least, "disk", |gib| {
        format!("{gib} GiB of room on its disk")
    })
}

fn enough(
    facts: &Facts,
    there: u64,
    least: u64,
    what: &str,
    text: impl Fn(u64) -> String,
) -> Result<Done, StepError> {
    if there >= least {
        return Ok(Done::new(text(there)));
    }
    let message = format!(
        "{} has {}, expected {least} or more",
        facts.machine,
        text(there)
    );
    let help = match what {
        "memory" => "stop machines on it, give it more memory, or ask for less",
        "disk" => "remove what is not needed there, give it a larger disk, or ask for less",
        _ => "give it more processors, or ask for fewer",
    };
    Err(StepError::new(message).help(help))
}

/// Virtual machines in virtual machines.
pub(super) fn nested(facts: &Facts) -> Result<Done, StepError> {
    let machine = &facts.machine;
    match facts.nested.as_str() {
        "Y" | "1" => Ok(Done::new("nested virtualisation is on")),
        "" => {
            let message = if facts.kvm {
                format!("the kernel of {machine} does not say whether nested virtualisation is on")
            } else {
                format!("{machine} has no `/dev/kvm`: no virtual machine runs on it")
            };
            Err(StepError::new(message).help(
                "switch virtualisation on in its firmware, or where it is a virtual machine itself, set its CPU type to `host` on the node below",
            ))
        }
        _ => Err(StepError::new(format!("nested virtualisation is off on {machine}")).help(
            "write `options kvm_intel nested=1` (AMD: `kvm_amd`) to `/etc/modprobe.d/kvm.conf` there, and restart it",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            machine: "`k`".to_owned(),
            cores: 4,
            memory_kb: 2 << 20,
            disk_kb: 30 << 20,
            ..Facts::default()
        }
    }

    #[test]
    fn what_is_asked_is_held_against_what_is_there() {
        let facts = facts();
        for least in [0, 4] {
            assert!(cpu(&facts, least).is_ok());
        }
        assert!(memory(&facts, 2048).is_ok() && disk(&facts, 30).is_ok());
        let message = |done: Result<Done, StepError>| done.unwrap_err().message;
        assert_eq!(
            message(cpu(&facts, 5)),
            "`k` has 4 processors, expected 5 or more"
        );
        assert_eq!(
            message(memory(&facts, 2049)),
            "`k` has 2048 MiB of free memory, expected 2049 or more"
        );
        assert_eq!(
            message(disk(&facts, 31)),
            "`k` has 30 GiB of room on its disk, expected 31 or more"
        );
    }

    #[test]
    fn nested_virtualisation_is_on_off_or_impossible() {
        for (nested, is_on) in [
            ("Y", true),
            ("1", true),
            ("N", false),
            ("0", false),
            ("", false),
        ] {
            let facts = Facts {
                nested: nested.to_owned(),
                ..facts()
            };
            assert_eq!(super::nested(&facts).is_ok(), is_on, "{nested}");
        }
    }
}
