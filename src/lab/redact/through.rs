//! Finds patterns in text in which characters that are not shown stand between
//! theirs: colours, NUL, zero-width ones.
//!
//! Where such a character may begin an escape sequence it is tried that it
//! stands alone, that the sequence is skipped, and that only its beginning is:
//! what a tool wrote is not always what a terminal makes of it. So a secret is
//! found whatever is put between its bytes.

use std::collections::{BTreeMap, VecDeque};

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;

use crate::base::{Unseen, unseen, width};

/// Where patterns are.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// First and last byte of each, the latter excluded.
    pub(super) spans: Vec<(usize, usize)>,
    /// What each way of reading the bytes ends with.
    pub(super) ends: Vec<Read>,
    /// Where something begins that the end of the bytes cuts off.
    pub(super) open: Option<usize>,
}

/// The bytes that were last read, without those that were skipped: runs of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Read(VecDeque<(usize, usize)>);

/// One way of reading.
#[derive(Debug, Clone)]
struct Way {
    state: StateID,
    read: Read,
}

impl Read {
    fn push(&mut self, at: usize, longest: usize) {
        match self.0.back_mut() {
            Some((_, end)) if *end == at => *end += 1,
            _ => {
                self.0.push_back((at, at + 1));
                // What is too far back for any pattern is forgotten.
                let mut behind = 0;
                let keep = self.0.iter().rev().take_while(|(start, end)| {
                    let wanted = behind < longest;
                    behind += end - start;
                    wanted
                });
                let keep = keep.count();
                self.0.drain(..self.0.len() - keep);
            }
        }
    }

    /// Where the last `count` bytes begin.
    fn start(&self, mut count: usize) -> Option<usize> {
        for (start, end) in self.0.iter().rev() {
            match (end - start).checked_sub(count) {
                Some(before) => return Some(start + before),
                None => count -= end - start,
            }
        }
        None
    }

    /// The places of the last `count` bytes, or of as many as there are.
    pub(super) fn places(&self, count: usize) -> Vec<usize> {
        let backward = self
            .0
            .iter()
            .rev()
            .flat_map(|(start, end)| (*start..*end).rev());
        let mut places: Vec<usize> = backward.take(count).collect();
        places.reverse();
        places
    }
}

/// Whether one of the patterns of `automaton` is in `bytes`. Cheaper than
/// finding out where.
pub(super) fn holds(automaton: &NFA, bytes: &[u8]) -> bool {
    let Ok(start) = automaton.start_state(Anchored::No) else {
        return false;
    };
    let mut states = vec![start];
    let mut later: Vec<(usize, StateID)> = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if later.is_empty()
            && let [state] = states.as_mut_slice()
        {
            // Nearly always: one way through a run of characters.
            let run = rest.iter().take_while(|byte| matches!(byte, 0x20..0x7f));
            for byte in run {
                *state = automaton.next_state(Anchored::No, *state, *byte);
                if automaton.is_match(*state) {
                    return true;
                }
                at += 1;
            }
        }
        let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else {
            return false;
        };
        later.retain(|(when, state)| {
            if *when == at && !states.contains(state) {
                states.push(*state);
            }
            *when > at
        });
        let plain = matches!(rest.first(), Some(0x20..0x7f));
        if let Some(odd) = (!plain).then(|| unseen(rest)).flatten() {
            // At the start is also what comes there without a skip.
            for state in states.iter().filter(|state| **state != start) {
                later.extend(skips(&odd).map(|bytes| (at + bytes, *state)));
            }
            at += odd.character;
            continue;
        }
        let end = at + width(rest);
        for byte in bytes.get(at..end).unwrap_or(rest) {
            for state in &mut states {
                *state = automaton.next_state(Anchored::No, *state, *byte);
                if automaton.is_match(*state) {
                    return true;
                }
            }
        }
        if states.len() > 1 {
            states.sort_unstable();
            states.dedup();
        }
        at = end;
    }
    false
}

/// How much may be skipped beside the one character.
fn skips(odd: &Unseen) -> impl Iterator<Item = usize> {
    odd.sequence
        .into_iter()
        .chain(odd.introducers.into_iter().flatten())
}

/// Looks for the patterns of `automaton`, none of which is longer than `longest`.
pub(super) fn look(automaton: &NFA, longest: usize, bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let Ok(start) = automaton.start_state(Anchored::No) else {
        return found;
    };
    let mut ways = vec![Way {
        state: start,
        read: Read::default(),
    }];
    // Ways that skip a sequence, by where they go on.
    let mut later: BTreeMap<usize, Vec<Way>> = BTreeMap::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(more) = later.remove(&at) {
            join(&mut ways, more);
        }
        let Some(odd) = unseen(rest) else {
            for _ in 0..width(rest).min(rest.len()) {
                step(automaton, &mut ways, bytes, at, longest, &mut found.spans);
                at += 1;
            }
            continue;
        };
        for bytes in skips(&odd) {
            // At the start is also what comes there without a skip.
            let begun = ways.iter().filter(|way| way.state != start).cloned();
            join(later.entry(at + bytes).or_default(), begun.collect());
        }
        if odd.is_open {
            found.open.get_or_insert(at);
            // They may go on behind what more bytes complete.
            found.ends.extend(ways.iter().map(|way| way.read.clone()));
        }
        at += odd.character;
    }
    ways.extend(later.into_values().flatten());
    found.ends.extend(ways.into_iter().map(|way| way.read));
    found
}

/// Ways that came to the same are one.
fn join(ways: &mut Vec<Way>, more: Vec<Way>) {
    for way in more {
        if !ways.iter().any(|known| known.state == way.state) {
            ways.push(way);
        }
    }
}

fn step(
    automaton: &NFA,
    ways: &mut Vec<Way>,
    bytes: &[u8],
    at: usize,
    longest: usize,
    spans: &mut Vec<(usize, usize)>,
) {
    let Some(byte) = bytes.get(at) else { return };
    for way in ways.iter_mut() {
        way.state = automaton.next_state(Anchored::No, way.state, *byte);
        way.read.push(at, longest);
        if automaton.is_match(way.state) {
            for index in 0..automaton.match_len(way.state) {
                let pattern = automaton.match_pattern(way.state, index);
                let start = way.read.start(automaton.pattern_len(pattern));
                spans.extend(start.map(|start| (start, at + 1)));
            }
        }
    }
    if ways.len() > 1 {
        let all = std::mem::take(ways);
        join(ways, all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(patterns: &[&str], text: &str) -> Vec<(usize, usize)> {
        let longest = patterns.iter().map(|p| p.len()).max().unwrap();
        let mut spans = look(&NFA::new(patterns).unwrap(), longest, text.as_bytes()).spans;
        spans.sort_unstable();
        spans.dedup();
        spans
    }

    #[test]
    fn a_pattern_is_found_with_what_stands_in_it() {
        for text in [
            "secret",
            "se\u{1b}[31mcr\u{1b}[0met",
            "s\0e\0c\0r\0e\0t",
            "se\u{1b}cret",
            "s\u{1b}[ecret",
            "s\u{1b}[3;1ecr\u{1b}]et",
            "s\u{1b}e\u{1b}[1mc\u{9b}r\u{9b}2me\u{200b}t",
            "s\u{1b}]0;title\u{7}e\u{1b}]8;;x\u{1b}\\cret",
            "sec\u{202e}r\u{fffd}e\rt",
        ] {
            assert!(holds(&NFA::new(["secret"]).unwrap(), text.as_bytes()));
            let all = spans(&["secret"], text);
            assert!(
                all.iter().any(|(_, end)| *end == text.len()),
                "{text:?}: {all:?}"
            );
        }
        assert_eq!(spans(&["secret"], "sec\nret se\tcret secre"), []);
    }

    #[test]
    fn a_pattern_inside_of_a_sequence_is_found() {
        assert_eq!(spans(&["secret"], "\u{1b}]0;secret\u{7}"), [(4, 10)]);
        assert_eq!(spans(&["secret"], "\u{1b}[secret"), [(2, 8)]);
    }

    #[test]
    fn the_ways_do_not_multiply() {
        let text = "\u{1b}[3\u{1b}]0;\u{9b}a\u{1b}7".repeat(20_000);
        let found = look(&NFA::new(["3a7", "aaaa"]).unwrap(), 4, text.as_bytes());
        assert!(found.ends.len() < 20, "{}", found.ends.len());
    }
}
