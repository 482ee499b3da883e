//! The work that waits for the threads of a store, and the order in which they take it.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::Connection;
use scimkit_registry::Budget;
use scimkit_store::{FairQueue, Share, StoreError, TenantId, report_queue_length};

use crate::write::Work;

/// A piece of work that has a connection for itself.
pub(crate) type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The tenant for which work is done; none before a token has named it.
pub(crate) type Caller = Option<TenantId>;

/// Reads with threads of their own, so that those of one lane never wait for those of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Sign-in, and reads by id whose work is bounded.
    Lookup,
    /// Every other read.
    Query,
}

/// What the writing thread carries out in the order in which it came.
pub(crate) enum Task {
    Alone(Job),
    Write(Work),
}

/// A read that waits for a thread.
pub(crate) struct Read {
    pub(crate) budget: Budget,
    pub(crate) job: Job,
}

/// What a thread does next.
pub(crate) enum Next<'l> {
    Closed,
    /// Nothing came for a while.
    Idle,
    Read(Turn<'l>),
    Task(Task),
}

/// The queues of one store.
pub(crate) struct Lanes {
    lookups_came: Condvar,
    queries_came: Condvar,
    /// Whether the writing thread reads as well, being the only one.
    reads_on_writer: bool,
    state: Mutex<State>,
    writes_came: Condvar,
}

struct State {
    capacity: usize,
    closed: bool,
    lookups: FairQueue<Caller, Read>,
    queries: FairQueue<Caller, Read>,
    /// The kind of work that the writing thread looks for first: each in its turn.
    turn: usize,
    writes: VecDeque<Task>,
}

/// A read that a thread has taken. When it is dropped, another one of the same caller may begin.
pub(crate) struct Turn<'l> {
    caller: Caller,
    lane: Lane,
    lanes: &'l Lanes,
    read: Option<Read>,
}

impl Lanes {
    /// Queues of so many places each, for so many threads in each lane of reads; with none the writing
    /// thread reads.
    pub(crate) fn new(capacity: usize, readers: usize) -> Self {
        let share = Share {
            running: readers.saturating_sub(1).max(1),
            waiting: (capacity / 2).max(1),
        };
        Lanes {
            lookups_came: Condvar::new(),
            queries_came: Condvar::new(),
            reads_on_writer: readers == 0,
            state: Mutex::new(State {
                capacity,
                closed: false,
                lookups: FairQueue::new(capacity, share),
                queries: FairQueue::new(capacity, share),
                turn: 0,
                writes: VecDeque::new(),
            }),
            writes_came: Condvar::new(),
        }
    }

    /// Ends the threads once each has finished what it is doing; what waits is dropped.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.writes.clear();
        state.lookups.clear();
        state.queries.clear();
        drop(state);
        for bell in [&self.lookups_came, &self.queries_came, &self.writes_came] {
            bell.notify_all();
        }
    }

    pub(crate) fn push_task(&self, task: Task) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.writes.len() >= state.capacity {
            return Err(StoreError::Busy);
        }
        state.writes.push_back(task);
        state.report_writes();
        drop(state);
        self.writes_came.notify_one();
        Ok(())
    }

    pub(crate) fn push_read(
        &self,
        lane: Lane,
        caller: Caller,
        read: Read,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let is_wanted = |read: &Read| read.budget.check().is_ok();
        let pushed = state.reads(lane).push(caller, read, is_wanted);
        state.report_reads(lane);
        drop(state);
        pushed.map_err(|_| StoreError::Busy)?;
        self.bell(lane).notify_one();
        Ok(())
    }

    /// Waits for a read of that lane; none once the store is closed.
    pub(crate) fn next_read(&self, lane: Lane) -> Option<Turn<'_>> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            if let Some(turn) = self.take_read(&mut state, lane) {
                return Some(turn);
            }
            let woken = self.bell(lane).wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for work of the writing thread, but not longer than `patience`.
    pub(crate) fn next_for_writer(&self, patience: Duration) -> Next<'_> {
        let mut state = self.state();
        loop {
            if state.closed {
                return Next::Closed;
            }
            if let Some(next) = self.take_for_writer(&mut state) {
                return next;
            }
            let woken = self.writes_came.wait_timeout(state, patience);
            let (woken, waited) = woken.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() && !state.closed && state.writes.is_empty() {
                return Next::Idle;
            }
        }
    }

    /// The next task that waits already.
    pub(crate) fn next_task(&self) -> Option<Task> {
        self.state().next_task()
    }

    fn take_for_writer(&self, state: &mut State) -> Option<Next<'_>> {
        const TURNS: usize = 3;
        if !self.reads_on_writer {
            return state.next_task().map(Next::Task);
        }
        for _ in 0..TURNS {
            let turn = state.turn;
            state.turn = (turn + 1) % TURNS;
            let next = match turn {
                0 => state.next_task().map(Next::Task),
                1 => self.take_read(state, Lane::Lookup).map(Next::Read),
                _ => self.take_read(state, Lane::Query).map(Next::Read),
            };
            if next.is_some() {
                return next;
            }
        }
        None
    }

    fn take_read(&self, state: &mut State, lane: Lane) -> Option<Turn<'_>> {
        let (caller, read) = state.reads(lane).take()?;
        state.report_reads(lane);
        Some(Turn {
            caller,
            lane,
            lanes: self,
            read: Some(read),
        })
    }

    fn bell(&self, lane: Lane) -> &Condvar {
        match lane {
            _ if self.reads_on_writer => &self.writes_came,
            Lane::Lookup => &self.lookups_came,
            Lane::Query => &self.queries_came,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn reads(&mut self, lane: Lane) -> &mut FairQueue<Caller, Read> {
        match lane {
            Lane::Lookup => &mut self.lookups,
            Lane::Query => &mut self.queries,
        }
    }

    fn next_task(&mut self) -> Option<Task> {
        let next = self.writes.pop_front()?;
        self.report_writes();
        Some(next)
    }

    fn report_reads(&self, lane: Lane) {
        match lane {
            Lane::Lookup => report_queue_length("lookup", self.lookups.len()),
            Lane::Query => report_queue_length("query", self.queries.len()),
        }
    }

    fn report_writes(&self) {
        report_queue_length("write", self.writes.len());
    }
}

impl Turn<'_> {
    pub(crate) fn run(mut self, connection: &mut Connection) {
        if let Some(read) = self.read.take() {
            (read.job)(connection);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.lanes.state().reads(self.lane).release(&self.caller);
        // Another read of the caller may have been held back for this one.
        self.lanes.bell(self.lane).notify_one();
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Lanes")
            .field("lookups", &state.lookups.len())
            .field("queries", &state.queries.len())
            .field("writes", &state.writes.len())
            .finish_non_exhaustive()
    }
}
