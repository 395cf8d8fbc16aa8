//! Counts calls and tasks, and says what becomes of each.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::compiled::{At, Compiled, Effect, Meets};
use super::condition::{Condition, Undo};
use super::faults::Faults;
use crate::world::World;

/// The rules at work.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    faults: Faults,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By rule: what it met, and how often it had its effect.
    counts: Vec<(u64, u64)>,
    /// What a kept world must not remember.
    undo: Vec<Undo>,
}

/// What becomes of one call or task.
#[derive(Debug, Default)]
pub(crate) struct Met {
    pub(crate) slow: Duration,
    pub(crate) at: At,
    pub(crate) effect: Effect,
}

impl Met {
    /// Whether the work is not done.
    pub(crate) fn instead(&self) -> bool {
        let replaces = !matches!(
            self.effect,
            Effect::None | Effect::World(_) | Effect::Tls(_)
        );
        replaces && self.at == At::Before
    }

    /// The condition that comes at that moment.
    pub(crate) fn condition(&self, at: At) -> Option<&Condition> {
        let Effect::World(condition) = &self.effect else {
            return None;
        };
        (self.at == at).then_some(condition)
    }

    /// Whether a task is over as soon as its work is.
    pub(crate) fn is_quick(&self) -> bool {
        self.slow.is_zero() && !matches!(self.effect, Effect::Hang)
    }
}

impl Engine {
    pub(crate) fn new(faults: Faults) -> Self {
        let counts = vec![(0, 0); faults.rules.len()];
        let state = State {
            counts,
            undo: Vec::new(),
        };
        Self {
            faults,
            state: Mutex::new(state),
        }
    }

    /// How long a refused credential waits.
    pub(crate) fn refusal(&self) -> Duration {
        self.faults.refusal
    }

    /// A call comes.
    pub(crate) fn call(&self, method: &str, path: &str) -> Met {
        self.meet(|rule| rule.meets_call(method, path))
    }

    /// A task of a type (`qmclone`) begins, on what its UPID names.
    pub(crate) fn task(&self, kind: &str, id: &str) -> Met {
        self.meet(|rule| rule.meets_task(kind, id))
    }

    fn meet(&self, meets: impl Fn(&Compiled) -> bool) -> Met {
        let mut met = Met::default();
        let mut state = self.state();
        for ((_, rule), (seen, had)) in self.faults.rules.iter().zip(&mut state.counts) {
            if !meets(rule) {
                continue;
            }
            *seen += 1;
            if !rule.hits.holds(*seen) {
                continue;
            }
            let acts = !matches!(rule.effect, Effect::None);
            if acts && !matches!(met.effect, Effect::None) {
                continue;
            }
            *had += 1;
            met.slow = met.slow.max(rule.slow);
            if acts {
                met.at = rule.at;
                met.effect = rule.effect.clone();
            }
        }
        met
    }

    /// Makes true what is wrong from the start.
    pub(crate) fn begin(&self, world: &mut World) {
        for (place, (_, rule)) in self.faults.rules.iter().enumerate() {
            if !matches!(rule.meets, Meets::Start) {
                continue;
            }
            if let Some((seen, had)) = self.state().counts.get_mut(place) {
                (*seen, *had) = (1, 1);
            }
            if let Effect::World(condition) = &rule.effect {
                self.enforce(condition, world);
            }
        }
    }

    /// Makes a condition true.
    pub(crate) fn enforce(&self, condition: &Condition, world: &mut World) {
        let undo = condition.enforce(world);
        self.state().undo.extend(undo);
    }

    /// A world as it is to be kept: without the conditions. None: as it is.
    pub(crate) fn lifted(&self, world: &World) -> Option<World> {
        let state = self.state();
        if state.undo.is_empty() {
            return None;
        }
        let mut world = world.clone();
        for undo in state.undo.iter().rev() {
            undo.lift(&mut world);
        }
        Some(world)
    }

    /// Each rule as it was written, and how often it had its effect.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let state = self.state();
        let rules = self.faults.rules.iter().zip(&state.counts);
        rules
            .map(|((text, _), (_, had))| (text.clone(), *had))
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(rules: &[&str]) -> Engine {
        let rules: Vec<_> = rules.iter().map(|text| text.parse().unwrap()).collect();
        Engine::new(Faults::new(&rules).unwrap())
    }

    #[test]
    fn the_first_rule_that_acts_counts_and_each_counts_its_own_hits() {
        let engine = engine(&["POST /a hit=2 lost", "POST /** slow=1s", "/a hang at=after"]);
        let first = engine.call("POST", "/a");
        assert!(matches!(first.effect, Effect::Hang) && !first.instead());
        assert_eq!(first.slow, Duration::from_secs(1));
        let second = engine.call("POST", "/a");
        assert!(matches!(second.effect, Effect::Lost) && second.instead());
        assert!(matches!(engine.call("GET", "/b").effect, Effect::None));
        let counts: Vec<u64> = engine.counts().into_iter().map(|(_, had)| had).collect();
        assert_eq!(counts, [1, 2, 1]);
    }

    #[test]
    fn tasks_are_met_by_their_short_name_and_their_vm() {
        let engine = engine(&["task=clone slow=2s", "task=start vmid=110 exit=no"]);
        assert_eq!(engine.task("qmclone", "9000").slow, Duration::from_secs(2));
        assert_eq!(engine.task("vzclone", "200").slow, Duration::from_secs(2));
        assert!(engine.task("qmstart", "111").is_quick());
        assert!(matches!(
            engine.task("qmstart", "110").effect,
            Effect::Exit(_)
        ));
        assert!(matches!(engine.call("POST", "/clone").effect, Effect::None));
        for kind in ["qmigrate", "vzmigrate", "hamigrate"] {
            let moved = self::engine(&["task=migrate exit=no"]).task(kind, "100");
            assert!(matches!(moved.effect, Effect::Exit(_)), "{kind}");
        }
    }

    #[test]
    fn a_kept_world_remembers_no_condition() {
        let engine = engine(&["world=storage-offline storage=local", "world=vmid-taken"]);
        let seed = crate::seed::Seed {
            clock: Some(1_700_000_000),
            ..crate::seed::Seed::default()
        };
        let mut world = World::seeded(&seed);
        assert!(engine.lifted(&world).is_none());
        engine.begin(&mut world);
        assert!(!world.storages["local"].active);
        let kept = engine.lifted(&world).unwrap();
        assert!(kept.storages["local"].active);
        // A VM is no condition.
        assert!(kept.vms.contains_key(&100));
    }
}
