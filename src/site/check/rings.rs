//! Rings in a file that names for each thing the one that it is in.

/// The rings among links from each number to at most one other: each once, from
/// its lowest number on, along the links. Linear, and without recursion.
pub(super) fn rings(above: &[Option<usize>]) -> Vec<Vec<usize>> {
    let mut rings = Vec::new();
    // The walk that came by first; 0: none yet.
    let mut seen = vec![0_usize; above.len()];
    for start in 0..above.len() {
        let walk = start + 1;
        let mut at = Some(start);
        while let Some(i) = at.filter(|i| seen[*i] == 0) {
            seen[i] = walk;
            at = above[i];
        }
        // Where this very walk has been begins a ring.
        let Some(first) = at.filter(|i| seen[*i] == walk) else {
            continue;
        };
        let mut ring = vec![first];
        let mut next = above[first];
        while let Some(i) = next.filter(|i| *i != first) {
            ring.push(i);
            next = above[i];
        }
        let lowest = (0..ring.len()).min_by_key(|at| ring[*at]).unwrap_or(0);
        ring.rotate_left(lowest);
        rings.push(ring);
    }
    rings
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_ring_is_told_once_from_its_lowest_number() {
        let above = [None, Some(3), Some(2), Some(4), Some(1), Some(3), Some(0)];
        assert_eq!(rings(&above), [vec![1, 3, 4], vec![2]]);
        assert_eq!(rings(&[]), [[0; 0]; 0]);
    }

    proptest! {
        #[test]
        fn a_number_is_in_a_ring_when_it_reaches_itself(above in prop::collection::vec(prop::option::of(0_usize..9), 9)) {
            let mut found: Vec<usize> = rings(&above).concat();
            found.sort_unstable();
            let reaches = |start: &usize| {
                let mut at = above[*start];
                (0..9).any(|_| {
                    let back = at == Some(*start);
                    at = at.and_then(|i| above[i]);
                    back
                })
            };
            let expected: Vec<usize> = (0..9).filter(reaches).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
