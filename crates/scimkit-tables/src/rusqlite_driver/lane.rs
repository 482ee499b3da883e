//! Connections on threads, lent to one transaction at a time.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{Builder, JoinHandle},
};

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::roll_back;
use crate::{DriverError, DriverErrorKind};

/// The maximum number of tasks that wait for a connection.
const QUEUE: usize = 1_024;
/// Prepared statements of a connection.
const STATEMENTS: usize = 256;

pub(super) type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Connections for one purpose.
pub(super) struct Lane {
    /// The connections that are not lent. There are as many as free permits.
    idle: Mutex<Vec<Worker>>,
    permits: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
    waiting: AtomicUsize,
}

/// The thread of a connection, which ends when this is dropped.
struct Worker {
    interrupt: InterruptHandle,
    jobs: mpsc::Sender<Job>,
}

impl Lane {
    pub(super) fn start(
        name: &str,
        connections: Vec<Connection>,
    ) -> Result<Arc<Self>, DriverError> {
        let permits = Arc::new(Semaphore::new(connections.len()));
        let (mut idle, mut threads) = (Vec::new(), Vec::new());
        for mut connection in connections {
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            let (jobs, receiver) = mpsc::channel::<Job>();
            let interrupt = connection.get_interrupt_handle();
            let body = move || {
                while let Ok(job) = receiver.recv() {
                    // A job that panics is an error for its caller alone; the connection serves other jobs.
                    let done = catch_unwind(AssertUnwindSafe(|| job(&mut connection)));
                    if done.is_err() {
                        roll_back(&mut connection);
                    }
                }
            };
            let thread = Builder::new().name(name.to_owned()).spawn(body);
            let failed = |error| DriverError::new(DriverErrorKind::Unavailable, error);
            threads.push(thread.map_err(failed)?);
            idle.push(Worker { interrupt, jobs });
        }
        Ok(Arc::new(Lane {
            idle: Mutex::new(idle),
            permits,
            threads,
            waiting: AtomicUsize::new(0),
        }))
    }

    /// Waits for a connection, in the order of the calls.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, DriverError> {
        let waiting = Waiting::new(self)?;
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        drop(waiting);
        let worker = self.idle().pop();
        let (Ok(permit), Some(worker)) = (permit, worker) else {
            let reason = "the driver has no connection";
            return Err(DriverError::new(DriverErrorKind::Unavailable, reason));
        };
        Ok(Lease {
            lane: Arc::clone(self),
            _permit: permit,
            worker: Some(worker),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.idle().clear();
        for thread in self.threads.drain(..) {
            // A thread that panicked has already reported it.
            drop(thread.join());
        }
    }
}

/// A task that waits for a connection.
struct Waiting<'a>(&'a Lane);

impl<'a> Waiting<'a> {
    fn new(lane: &'a Lane) -> Result<Self, DriverError> {
        let waiting = Waiting(lane);
        if lane.waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE {
            let reason = "too many tasks wait for a connection";
            return Err(DriverError::new(DriverErrorKind::Busy, reason));
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is lent.
pub(super) struct Lease {
    // Dropped after the connection was returned: see `drop`.
    _permit: OwnedSemaphorePermit,
    lane: Arc<Lane>,
    worker: Option<Worker>,
}

impl Lease {
    /// Runs a job after those that were sent before.
    pub(super) fn send(&self, job: Job) -> Result<(), DriverError> {
        let sent = self.worker.as_ref().map(|worker| worker.jobs.send(job));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(super::stopped()),
        }
    }

    /// Interrupts the statement that is running.
    pub(super) fn interrupt(&self) {
        if let Some(worker) = &self.worker {
            worker.interrupt.interrupt();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            self.lane.idle().push(worker);
        }
    }
}
