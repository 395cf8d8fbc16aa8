//! Who is made after whom.

use super::model::{ManifestGraph, ManifestNode};
use crate::plan::dependents;

impl ManifestGraph {
    /// The places of the nodes, as they are made: parents before children, those of
    /// one parent together, and otherwise in the order of the file.
    pub fn create_order(&self) -> Vec<usize> {
        let children = self.children();
        let mut order = self.roots();
        order.reserve(self.nodes.len());
        let mut at = 0;
        while let Some(&node) = order.get(at) {
            order.extend_from_slice(children.get(node).map(Vec::as_slice).unwrap_or_default());
            at += 1;
        }
        order
    }

    /// The reverse: children before their parents.
    pub fn destroy_order(&self) -> Vec<usize> {
        let mut order = self.create_order();
        order.reverse();
        order
    }

    /// Nodes on the target host itself, by place.
    pub fn roots(&self) -> Vec<usize> {
        let nodes = self.nodes.iter().enumerate();
        let roots = nodes.filter(|(_, node)| node.parent.is_none());
        roots.map(|(place, _)| place).collect()
    }

    /// For each node the nodes that are in it, by place.
    pub fn children(&self) -> Vec<Vec<usize>> {
        let parent = |node: &ManifestNode| node.parent.into_iter().collect();
        let parents: Vec<Vec<usize>> = self.nodes.iter().map(parent).collect();
        dependents(&parents)
    }

    /// The names of nodes by their places.
    pub fn names(&self, places: &[usize]) -> Vec<&str> {
        let nodes = places.iter().filter_map(|place| self.nodes.get(*place));
        nodes.map(|node| node.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::model::{Mode, NodeType, Pattern, Settings};
    use super::*;

    /// A graph from the parent of each node.
    fn graph(parents: &[Option<usize>]) -> ManifestGraph {
        let node = |(place, parent): (usize, &Option<usize>)| ManifestNode {
            name: format!("n{place}"),
            kind: NodeType::Pve,
            parent: *parent,
            vmid: None,
            spec: None,
            mode: Mode::Push,
        };
        ManifestGraph {
            name: "m".to_owned(),
            description: String::new(),
            pattern: Pattern::Tiered,
            settings: Settings::default(),
            nodes: parents.iter().enumerate().map(node).collect(),
        }
    }

    fn depth(parents: &[Option<usize>], place: usize) -> usize {
        let above = std::iter::successors(parents[place], |place| parents[*place]);
        above.count()
    }

    /// A forest whose nodes stand in the file in any order.
    fn forest() -> impl Strategy<Value = Vec<Option<usize>>> {
        let parent = prop::option::weighted(0.8, any::<prop::sample::Index>());
        let tree = prop::collection::vec(parent, 0..40);
        let shuffled = |tree: Vec<Option<prop::sample::Index>>| {
            let places: Vec<usize> = (0..tree.len()).collect();
            (Just(tree), Just(places).prop_shuffle())
        };
        tree.prop_flat_map(shuffled).prop_map(|(tree, places)| {
            let mut parents = vec![None; tree.len()];
            for (at, above) in tree.iter().enumerate().skip(1) {
                parents[places[at]] = above.map(|above| places[above.index(at)]);
            }
            parents
        })
    }

    proptest! {
        #[test]
        fn every_node_once_behind_its_parent(parents in forest()) {
            let graph = graph(&parents);
            let order = graph.create_order();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..parents.len()).collect::<Vec<_>>());
            let at = |place: usize| order.iter().position(|at| *at == place);
            for (place, parent) in parents.iter().enumerate() {
                prop_assert!(parent.is_none_or(|parent| at(parent) < at(place)));
            }
            let mut reversed = graph.destroy_order();
            reversed.reverse();
            prop_assert_eq!(reversed, order);
        }

        /// Upper nodes come first, then by the place of their parents, then by their own.
        #[test]
        fn siblings_are_together_in_the_order_of_the_file(parents in forest()) {
            let order = graph(&parents).create_order();
            let at = |place: usize| order.iter().position(|at| *at == place);
            let mut expected: Vec<usize> = (0..parents.len()).collect();
            expected.sort_by_key(|place| (depth(&parents, *place), parents[*place].map(at), *place));
            prop_assert_eq!(order, expected);
        }
    }

    #[test]
    fn ten_thousand_levels_take_no_stack() {
        let chain: Vec<Option<usize>> = (0..10_000_usize).map(|at| at.checked_sub(1)).collect();
        assert_eq!(
            graph(&chain).create_order(),
            (0..10_000).collect::<Vec<_>>()
        );
        let star: Vec<Option<usize>> = (0..10_000).map(|at| (at > 0).then_some(0)).collect();
        assert_eq!(graph(&star).create_order(), (0..10_000).collect::<Vec<_>>());
        assert_eq!(graph(&star).names(&[0, 9_999]), ["n0", "n9999"]);
    }
}
