//! The machines of a step, and many of them asked at once.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::diag::StepError;
use crate::lab::trace::carried;

/// How many are asked at once: a node has three workers for its API.
const AT_ONCE: usize = 8;

/// A machine, as `tofu.apply` publishes it in `provisioned_vms`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Machine {
    /// Its name.
    pub(super) name: String,
    /// Its number.
    pub(super) vmid: u32,
    /// The Proxmox node that it is on.
    pub(super) node: String,
    /// Its fixed address, when it has one.
    #[serde(default)]
    pub(super) address: Option<String>,
}

impl Machine {
    /// `` `web-1` (VM 5101 on `pve`) ``
    pub(super) fn words(&self) -> String {
        format!("`{}` (VM {} on `{}`)", self.name, self.vmid, self.node)
    }
}

/// `ask` for each machine, some at once; the answers in their order.
pub(super) fn each<T: Send>(
    machines: &[&Machine],
    ask: impl Fn(&Machine) -> Result<T, StepError> + Sync,
) -> Vec<Result<T, StepError>> {
    let next = AtomicUsize::new(0);
    let answers: Vec<Mutex<Option<Result<T, StepError>>>> =
        machines.iter().map(|_| Mutex::default()).collect();
    let threads = NonZeroUsize::new(machines.len()).map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        for _ in 0..threads.min(AT_ONCE) {
            scope.spawn(carried(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(machine), Some(slot)) = (machines.get(index), answers.get(index))
                    else {
                        break;
                    };
                    let answer = ask(machine);
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                }
            }));
        }
    });
    answers
        .into_iter()
        .map(|slot| {
            let answer = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
            answer.unwrap_or_else(|| Err(StepError::new("a question was not asked")))
        })
        .collect()
}

/// Many failures as one: each is named, each remedy is given once.
pub(super) fn together(what: &str, failures: Vec<StepError>) -> StepError {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else {
        return StepError::new(what);
    };
    let rest: Vec<StepError> = failures.collect();
    if rest.is_empty() {
        return first;
    }
    let mut all = StepError::new(format!("{what}: {} machines", rest.len() + 1))
        .exit(first.exit)
        .cause(first.cause);
    for failure in std::iter::once(first).chain(rest) {
        all.tail.push(failure.message);
        for help in failure.help {
            if !all.help.contains(&help) {
                all.help.push(help);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stand_in_the_order_of_the_questions() {
        let machines: Vec<Machine> = (0..40)
            .map(|vmid| Machine {
                name: format!("vm-{vmid}"),
                vmid,
                node: "pve".to_owned(),
                address: None,
            })
            .collect();
        let asked: Vec<&Machine> = machines.iter().collect();
        let answers = each(&asked, |machine| {
            if machine.vmid % 10 == 0 {
                return Err(StepError::new(machine.words()).help("look"));
            }
            Ok(machine.vmid)
        });
        let good: Vec<u32> = answers.iter().flatten().copied().collect();
        assert_eq!(good.len(), 36);
        assert!(good.is_sorted());
        let bad: Vec<StepError> = answers.into_iter().filter_map(Result::err).collect();
        let error = together("cannot be asked", bad);
        assert_eq!((error.tail.len(), error.help.len()), (4, 1));
        assert!(error.message.ends_with("4 machines"));
        assert!(each::<()>(&[], |_| Ok(())).is_empty());
    }
}
