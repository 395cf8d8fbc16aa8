//! Many questions, some of them at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::lab::trace::carried;

/// `ask` for each of these, at most `most` at a time; the answers in their order.
pub(super) fn at_once<Q: Sync, A: Send>(
    questions: &[Q],
    most: usize,
    ask: impl Fn(&Q) -> A + Sync,
) -> Vec<A> {
    let next = AtomicUsize::new(0);
    let slots: Vec<Mutex<Option<A>>> = questions.iter().map(|_| Mutex::default()).collect();
    thread::scope(|scope| {
        for _ in 0..most.min(questions.len()) {
            scope.spawn(carried(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(question), Some(slot)) = (questions.get(index), slots.get(index))
                    else {
                        break;
                    };
                    let answer = ask(question);
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                }
            }));
        }
    });
    // None is without an answer: a panic would have ended the scope.
    let answers = slots.into_iter();
    answers
        .filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stand_in_the_order_of_the_questions() {
        let questions: Vec<u32> = (0..40).collect();
        let answers = at_once(&questions, 8, |number| number * 2);
        assert_eq!(answers, (0..40).map(|n| n * 2).collect::<Vec<_>>());
        assert!(at_once(&[], 8, |(): &()| ()).is_empty());
    }
}
