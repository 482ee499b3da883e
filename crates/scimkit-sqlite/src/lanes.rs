//! The queues of work for the threads of a store, and the order in which the threads take it.

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

/// A job that has a connection to itself.
pub(crate) type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The tenant that the work belongs to; `None` before a token has identified it.
pub(crate) type Caller = Option<TenantId>;

/// A group of reads. In a file, each lane has its own threads, so that its reads never wait for the other lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Authentication, and reads by id with bounded work.
    Lookup,
    /// Every other read.
    Query,
}

/// A task for the writing thread, which carries out tasks in the order of arrival.
pub(crate) enum Task {
    Alone(Job),
    Write(Work),
}

/// A read that waits for a thread.
pub(crate) struct Read {
    pub(crate) budget: Budget,
    pub(crate) job: Job,
}

/// The next work of a thread.
pub(crate) enum Next<'l> {
    Closed,
    /// No work arrived for a while.
    Idle,
    Read(Turn<'l>),
    Task(Task),
}

/// The queues of one store.
pub(crate) struct Lanes {
    lookups_came: Condvar,
    queries_came: Condvar,
    /// Whether the writing thread also reads, since it is the only thread.
    reads_on_writer: bool,
    state: Mutex<State>,
    writes_came: Condvar,
}

struct State {
    capacity: usize,
    closed: bool,
    lookups: FairQueue<Caller, Read>,
    queries: FairQueue<Caller, Read>,
    /// The kind of work that the writing thread looks for first; the kinds take turns.
    turn: usize,
    writes: VecDeque<Task>,
}

/// A read that a thread has taken. Dropping it allows another read of the same caller to start.
pub(crate) struct Turn<'l> {
    caller: Caller,
    lane: Lane,
    lanes: &'l Lanes,
    read: Option<Read>,
}

impl Lanes {
    /// Creates queues of this capacity for this number of threads in each read lane. With no such threads, the
    /// writing thread reads.
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

    /// Ends the threads after each has finished its current work; queued work is dropped.
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

    /// Waits for a read of this lane; returns `None` once the store is closed.
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

    /// Waits for work for the writing thread, but no longer than `patience`.
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

    /// Returns the next queued task, without waiting.
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
        // Another read of the caller may have waited for this one to end.
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
