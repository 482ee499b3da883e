//! A queue that serves its callers in turn.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// A queue of the items of several callers, such as the jobs of tenants, that serves the callers in turn.
///
/// The [`Share`] of each caller limits how many of its items wait, and how many are worked on at the same time.
///
/// # Example
/// ```
/// use scimkit_store::{FairQueue, Share};
///
/// let mut queue = FairQueue::new(8, Share { running: 1, waiting: 4 });
/// for (tenant, job) in [("a", 1), ("a", 2), ("b", 3)] {
///     queue.push(tenant, job, |_| true).unwrap();
/// }
/// assert_eq!(queue.take(), Some(("a", 1)));
/// assert_eq!(queue.take(), Some(("b", 3)));
/// assert_eq!(queue.take(), None);
/// queue.release(&"a");
/// assert_eq!(queue.take(), Some(("a", 2)));
/// ```
#[derive(Debug)]
pub struct FairQueue<C, T> {
    callers: HashMap<C, Items<T>>,
    capacity: usize,
    len: usize,
    share: Share,
    /// Callers with waiting items, in the order of their turns. INVARIANT: each once.
    turns: VecDeque<C>,
}

/// The share of one caller in a [`FairQueue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what a queue limits, by name")]
pub struct Share {
    /// The maximum number of its items that are worked on at the same time.
    pub running: usize,
    /// The maximum number of its items that wait.
    pub waiting: usize,
}

#[derive(Debug)]
struct Items<T> {
    running: usize,
    waiting: VecDeque<T>,
}

/// The error of a [`FairQueue`] that is full, or has the share of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
#[expect(clippy::exhaustive_structs, reason = "it has no details")]
pub struct QueueFull;

impl<C: Clone + Eq + Hash, T> FairQueue<C, T> {
    /// Creates a queue for at most `capacity` waiting items.
    #[must_use]
    pub fn new(capacity: usize, share: Share) -> Self {
        FairQueue {
            callers: HashMap::new(),
            capacity,
            len: 0,
            share,
            turns: VecDeque::new(),
        }
    }

    /// Returns the number of waiting items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether no item waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an item. If there is no room for it, the waiting items that are no longer wanted are dropped first.
    ///
    /// # Errors
    /// The queue is full, or the share of the caller is.
    pub fn push(
        &mut self,
        caller: C,
        item: T,
        is_wanted: impl Fn(&T) -> bool,
    ) -> Result<(), QueueFull> {
        if self.is_full(&caller) {
            self.retain(is_wanted);
        }
        if self.is_full(&caller) {
            return Err(QueueFull);
        }
        let items = self.callers.entry(caller.clone()).or_insert(Items {
            running: 0,
            waiting: VecDeque::new(),
        });
        items.waiting.push_back(item);
        self.len += 1;
        if items.waiting.len() == 1 {
            self.turns.push_back(caller);
        }
        Ok(())
    }

    /// Returns the next item of the next caller that may have one more running item, if any. Call
    /// [`release`](FairQueue::release) when the work on it has ended.
    pub fn take(&mut self) -> Option<(C, T)> {
        for _ in 0..self.turns.len() {
            let caller = self.turns.pop_front()?;
            let items = self.callers.get_mut(&caller)?;
            let next = if items.running < self.share.running {
                items.waiting.pop_front()
            } else {
                None
            };
            if !items.waiting.is_empty() {
                self.turns.push_back(caller.clone());
            }
            if let Some(next) = next {
                items.running += 1;
                self.len -= 1;
                return Some((caller, next));
            }
        }
        None
    }

    /// Ends the work on an item of the caller.
    pub fn release(&mut self, caller: &C) {
        if let Some(items) = self.callers.get_mut(caller) {
            items.running = items.running.saturating_sub(1);
            if items.running == 0 && items.waiting.is_empty() {
                self.callers.remove(caller);
            }
        }
    }

    /// Drops all waiting items.
    pub fn clear(&mut self) {
        self.retain(|_| false);
    }

    /// Returns whether the queue or the share of the caller is full.
    fn is_full(&self, caller: &C) -> bool {
        let waiting = self.callers.get(caller).map_or(0, |i| i.waiting.len());
        self.len >= self.capacity || waiting >= self.share.waiting
    }

    fn retain(&mut self, is_wanted: impl Fn(&T) -> bool) {
        self.callers.retain(|_, items| {
            items.waiting.retain(&is_wanted);
            items.running > 0 || !items.waiting.is_empty()
        });
        let callers = &self.callers;
        let has_items = |caller: &C| callers.get(caller).is_some_and(|i| !i.waiting.is_empty());
        self.turns.retain(has_items);
        self.len = self.callers.values().map(|i| i.waiting.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::{FairQueue, QueueFull, Share};

    fn queue(capacity: usize, threads: usize) -> FairQueue<char, u32> {
        let running = threads.saturating_sub(1).max(1);
        let waiting = capacity / 2;
        FairQueue::new(capacity, Share { running, waiting })
    }

    fn push(queue: &mut FairQueue<char, u32>, caller: char, item: u32) -> Result<(), QueueFull> {
        queue.push(caller, item, |item| *item < 100)
    }

    #[test]
    fn callers_are_served_in_turn() {
        let mut queue = queue(16, 8);
        for (caller, item) in [('a', 1), ('a', 2), ('a', 3), ('b', 4), ('c', 5), ('b', 6)] {
            assert_eq!(push(&mut queue, caller, item), Ok(()));
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.take()).collect();
        let expected = [('a', 1), ('b', 4), ('c', 5), ('a', 2), ('b', 6), ('a', 3)];
        assert_eq!(order, expected);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn caller_with_its_share_running_waits() {
        let mut queue = queue(16, 3);
        for item in 0..4 {
            assert_eq!(push(&mut queue, 'a', item), Ok(()));
        }
        assert_eq!(queue.take(), Some(('a', 0)));
        assert_eq!(queue.take(), Some(('a', 1)));
        assert_eq!(queue.take(), None);
        assert_eq!(push(&mut queue, 'b', 9), Ok(()));
        assert_eq!(queue.take(), Some(('b', 9)));
        queue.release(&'a');
        assert_eq!(queue.take(), Some(('a', 2)));
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn single_thread_serves_every_caller() {
        let mut queue = queue(16, 1);
        assert_eq!(push(&mut queue, 'a', 1), Ok(()));
        assert_eq!(queue.take(), Some(('a', 1)));
        queue.release(&'a');
        assert_eq!(push(&mut queue, 'a', 2), Ok(()));
        assert_eq!(queue.take(), Some(('a', 2)));
    }

    #[test]
    fn push_is_rejected_beyond_share_or_capacity() {
        let mut queue = queue(4, 2);
        assert_eq!(push(&mut queue, 'a', 1), Ok(()));
        assert_eq!(push(&mut queue, 'a', 2), Ok(()));
        assert_eq!(push(&mut queue, 'a', 3), Err(QueueFull));
        assert_eq!(push(&mut queue, 'b', 4), Ok(()));
        assert_eq!(push(&mut queue, 'c', 5), Ok(()));
        assert_eq!(push(&mut queue, 'd', 6), Err(QueueFull));
    }

    #[test]
    fn push_drops_unwanted_items_if_share_is_full() {
        let mut queue = queue(4, 2);
        assert_eq!(push(&mut queue, 'a', 100), Ok(()));
        assert_eq!(push(&mut queue, 'a', 1), Ok(()));
        assert_eq!(push(&mut queue, 'a', 2), Ok(()));
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.take(), Some(('a', 1)));
        queue.release(&'a');
        assert_eq!(queue.take(), Some(('a', 2)));
        queue.release(&'a');
        assert_eq!(queue.take(), None);
        assert!(queue.callers.is_empty() && queue.turns.is_empty());
    }

    #[test]
    fn clear_drops_only_waiting_items() {
        let mut queue = queue(8, 3);
        for item in 0..3 {
            assert_eq!(push(&mut queue, 'a', item), Ok(()));
        }
        assert_eq!(queue.take(), Some(('a', 0)));
        queue.clear();
        assert_eq!((queue.len(), queue.take()), (0, None));
        queue.release(&'a');
        assert!(queue.callers.is_empty());
    }
}
