//! All rules of a server.

use std::time::Duration;

use super::compiled::{At, Compiled, Effect, Meets};
use super::condition::TlsFault;
use super::hits::Hits;
use super::rule::FaultRule;
use crate::world::World;

/// What goes wrong, and how slow it is. By default nothing does.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    pub(super) rules: Vec<(String, Compiled)>,
    /// How long a refused credential waits for its 401.
    pub(super) refusal: Duration,
}

/// A rule that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadFault {
    /// Which one, from 0.
    pub place: usize,
    /// What is wrong with it.
    pub message: String,
}

impl Faults {
    /// These rules. The first that meets a call or a task, and has an effect, counts;
    /// of those that make it slow, the slowest.
    ///
    /// # Errors
    /// The first rule that says nothing, or contradicts itself.
    pub fn new(rules: &[FaultRule]) -> Result<Self, BadFault> {
        let mut faults = Self::default();
        for (place, rule) in rules.iter().enumerate() {
            let compiled = Compiled::new(rule).map_err(|message| BadFault { place, message })?;
            faults.rules.push((rule.to_string(), compiled));
        }
        Ok(faults)
    }

    /// The same, and every task of this name (`clone`, `start`, `*`) takes this long.
    #[must_use]
    pub fn slow(mut self, task: &str, takes: Duration) -> Self {
        let rule = Compiled {
            meets: Meets::Task {
                kind: task.to_owned(),
                vmid: None,
            },
            hits: Hits::EVERY,
            at: At::Before,
            slow: takes,
            effect: Effect::None,
        };
        self.rules.push((format!("task={task} slow"), rule));
        self
    }

    /// The same, and a refused credential waits for its 401 (3 s on a node).
    #[must_use]
    pub fn slow_refusal(mut self, takes: Duration) -> Self {
        self.refusal = takes;
        self
    }

    /// What is wrong with the server's certificate.
    pub(crate) fn tls(&self) -> Option<TlsFault> {
        self.rules.iter().find_map(|(_, rule)| {
            let Effect::Tls(fault) = rule.effect else {
                return None;
            };
            Some(fault)
        })
    }

    /// What rules need and a world lacks: the place of each, and what.
    pub fn lacking(&self, world: &World) -> Vec<BadFault> {
        let rules = self.rules.iter().enumerate();
        let lacks = rules.filter_map(|(place, (_, rule))| {
            let Effect::World(condition) = &rule.effect else {
                return None;
            };
            let message = condition.lacks(world)?;
            Some(BadFault { place, message })
        });
        lacks.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        let rule: FaultRule = text.parse().unwrap();
        Faults::new(&[rule]).unwrap_err().message
    }

    #[test]
    fn a_rule_that_cannot_be_says_why() {
        for (text, said) in [
            ("status=500", "it meets nothing"),
            ("GET /x", "it does nothing"),
            ("GET /x task=clone lost", "a call and a task"),
            ("GET x=1 /y", ""),
            ("/x exit=no", "`exit` is of a task"),
            ("task=clone lost", "a task has no answer"),
            ("task=clone status=500", "a task has no answer"),
            ("/x status=200", "expected 400 to 599"),
            ("/x status=600", "expected 400 to 599"),
            ("/x lost hang", "several things"),
            ("/x message=x lost", "they need `status`"),
            ("/x lost at=later", "expected `before` or `after`"),
            ("/x slow=soon", "a duration such as"),
            ("FETCH /x lost", "`method` is `FETCH`"),
            ("world=flood", "expected one of `storage-full`"),
            ("world=storage-full", "`storage-full` needs `storage`"),
            ("world=vm-locked", "`vm-locked` needs `vmid`"),
            ("/x lost storage=local", "they need `world`"),
            ("/x world=tls-1.2", "shown from the start"),
        ] {
            if said.is_empty() {
                assert!(text.parse::<FaultRule>().is_err());
                continue;
            }
            assert!(wrong(text).contains(said), "{text}: {}", wrong(text));
        }
        let rule = FaultRule {
            path: Some("nodes".to_owned()),
            lost: true,
            ..FaultRule::default()
        };
        let error = Faults::new(&[FaultRule::default(), rule.clone()]).unwrap_err();
        assert_eq!(error.place, 0);
        let error = Faults::new(&[rule]).unwrap_err();
        assert!(error.message.contains("begins with `/`"), "{error}");
    }

    #[test]
    fn what_a_world_lacks_is_named_with_the_rule() {
        let rules = ["/x lost", "world=storage-full storage=tank"];
        let rules = rules.map(|text| text.parse().unwrap());
        let lacking = Faults::new(&rules)
            .unwrap()
            .lacking(&World::seeded(&crate::seed::Seed::default()));
        assert_eq!(lacking.len(), 1);
        assert_eq!(lacking[0].place, 1);
        assert!(lacking[0].message.contains("`tank`"));
    }
}
