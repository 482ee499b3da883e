//! The order in which the operations of a bulk request are carried out.

use std::collections::HashMap;

/// Groups the operations into units in the order of execution: as sent, except that each operation comes after
/// those that it refers to. Operations that refer to each other in a cycle form one unit.
pub(super) fn units(waits_for: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut walk = Walk::default();
    for root in 0..waits_for.len() {
        walk.from(root, waits_for);
    }
    walk.units
}

/// A traversal of the references that finds their cycles (Tarjan's algorithm). A target comes before the operations
/// that refer to it. The traversal stores its stack on the heap, since a request can contain a long chain.
#[derive(Default)]
struct Walk {
    /// The visited operations that are not part of a unit yet.
    open: Vec<usize>,
    units: Vec<Vec<usize>>,
    visits: HashMap<usize, Visit>,
}

struct Visit {
    is_open: bool,
    /// The earliest visited operation that can be reached from here.
    low: usize,
    order: usize,
}

impl Walk {
    fn from(&mut self, root: usize, waits_for: &[Vec<usize>]) {
        if self.visits.contains_key(&root) {
            return;
        }
        let mut way = vec![self.enter(root, waits_for)];
        while let Some((node, left)) = way.last_mut() {
            let node = *node;
            let Some(next) = left.next().copied() else {
                way.pop();
                self.leave(node, way.last().map(|(parent, _)| *parent));
                continue;
            };
            match self.visits.get(&next) {
                None => way.push(self.enter(next, waits_for)),
                Some(visit) if visit.is_open => self.lower(node, visit.order),
                Some(_) => {}
            }
        }
    }

    fn enter<'w>(
        &mut self,
        node: usize,
        waits_for: &'w [Vec<usize>],
    ) -> (usize, std::slice::Iter<'w, usize>) {
        let order = self.visits.len();
        let visit = Visit {
            is_open: true,
            low: order,
            order,
        };
        self.visits.insert(node, visit);
        self.open.push(node);
        let edges = waits_for.get(node).map_or(&[][..], Vec::as_slice);
        (node, edges.iter())
    }

    fn leave(&mut self, node: usize, parent: Option<usize>) {
        let Some(Visit { low, order, .. }) = self.visits.get(&node) else {
            return;
        };
        let low = *low;
        let order = *order;
        if low < order {
            parent
                .into_iter()
                .for_each(|parent| self.lower(parent, low));
            return;
        }
        let mut unit = Vec::new();
        while let Some(member) = self.open.pop() {
            if let Some(visit) = self.visits.get_mut(&member) {
                visit.is_open = false;
            }
            unit.push(member);
            if member == node {
                break;
            }
        }
        unit.sort_unstable();
        self.units.push(unit);
    }

    fn lower(&mut self, node: usize, order: usize) {
        if let Some(visit) = self.visits.get_mut(&node) {
            visit.low = visit.low.min(order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::units;

    fn units_of(waits_for: &[&[usize]]) -> Vec<Vec<usize>> {
        let waits_for: Vec<_> = waits_for.iter().map(|w| w.to_vec()).collect();
        units(&waits_for)
    }

    #[test]
    fn the_order_is_the_one_sent_unless_something_is_referred_to() {
        assert_eq!(units_of(&[&[], &[0], &[]]), [[0], [1], [2]]);
        assert_eq!(units_of(&[&[2], &[], &[3], &[]]), [[3], [2], [0], [1]]);
        assert_eq!(units_of(&[&[0], &[0]]), [[0], [1]]);
    }

    #[test]
    fn circles_come_together() {
        assert_eq!(units_of(&[&[1], &[0]]), [[0, 1]]);
        let two: &[&[usize]] = &[&[1, 4], &[2], &[0], &[0, 4], &[5], &[4]];
        assert_eq!(units_of(two), [vec![4, 5], vec![0, 1, 2], vec![3]]);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let chain: Vec<Vec<usize>> = (0..100_000).map(|n| vec![(n + 1) % 100_000]).collect();
        assert_eq!(units(&chain).len(), 1);
    }
}
