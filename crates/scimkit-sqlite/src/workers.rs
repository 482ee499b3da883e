//! The threads that do the work: one writes, several read.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use rusqlite::Connection;
use scimkit_store::StoreError;
use tokio::sync::oneshot;

use crate::{
    OpenError, Options,
    file::{self, Place},
    write::{Work, write_together},
};

/// Batches that are committed together at most.
const MAX_BATCHES: usize = 64;
/// Writes after which a group takes no further batch, so that none waits for long.
const MAX_WRITES: usize = 1_024;

/// A piece of work that has a connection for itself.
type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// What the writing thread is given.
enum Task {
    Alone(Job),
    Write(Work),
}

/// The threads of one open file. They end, and what is queued with them, when this is dropped.
pub(crate) struct Workers {
    options: Options,
    place: Place,
    read: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
    write: Option<SyncSender<Task>>,
}

impl Workers {
    pub(crate) fn start(place: &Place, options: &Options) -> Result<Self, OpenError> {
        let connection = file::open_writer(place, options)?;
        let (write, tasks) = sync_channel(options.queue);
        let mut workers = Workers {
            options: options.clone(),
            place: place.clone(),
            read: None,
            threads: Vec::new(),
            write: Some(write),
        };
        workers.spawn("scim-write", move || write_all(connection, &tasks))?;
        // Data in memory belong to one connection: the writing thread reads as well.
        if let Place::File(path) = place {
            workers.start_readers(path, options)?;
        }
        Ok(workers)
    }

    fn start_readers(&mut self, path: &Path, options: &Options) -> Result<(), OpenError> {
        let (read, jobs) = sync_channel(options.queue);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..options.readers.max(1) {
            let connection = file::open_reader(path, options)?;
            let jobs = Arc::clone(&jobs);
            self.spawn("scim-read", move || read_all(connection, &jobs))?;
        }
        self.read = Some(read);
        Ok(())
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let thread = Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .map_err(OpenError::Thread)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Runs a job on a connection that only reads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(read) = &self.read else {
            return self.alone(job).await;
        };
        let (answer, answered) = oneshot::channel();
        queue(read, boxed(job, answer))?;
        answered.await.map_err(|_| stopped())
    }

    /// Runs a job on the connection that writes, outside of any transaction.
    pub(crate) async fn alone<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        queue(
            self.write.as_ref().ok_or_else(stopped)?,
            Task::Alone(boxed(job, answer)),
        )?;
        answered.await.map_err(|_| stopped())
    }

    /// As [`Workers::alone`], for a job that takes long: it is told whether anybody still waits.
    pub(crate) async fn alone_while_wanted<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection, &dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let task = Task::Alone(boxed_while_wanted(job, answer));
        queue(self.write.as_ref().ok_or_else(stopped)?, task)?;
        answered.await.map_err(|_| stopped())
    }

    /// Runs a job that reads for long on a thread and a connection of its own, so that no other read
    /// waits for it.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection, &dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let Place::File(path) = &self.place else {
            return self.alone_while_wanted(job).await;
        };
        let (path, options) = (path.clone(), self.options.clone());
        let (answer, answered) = oneshot::channel();
        let body = move || {
            let opened = file::open_reader(&path, &options).map_err(StoreError::backend);
            let outcome = opened.map(|mut db| job(&mut db, &|| !answer.is_closed()));
            drop(answer.send(outcome));
        };
        let thread = Builder::new().name("scim-read-apart".to_owned());
        thread.spawn(body).map_err(StoreError::backend)?;
        answered.await.map_err(|_| stopped())?
    }

    /// Hands writes over; the answer comes through the work's own channel.
    pub(crate) fn write(&self, work: Work) -> Result<(), StoreError> {
        queue(self.write.as_ref().ok_or_else(stopped)?, Task::Write(work))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.read = None;
        self.write = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("threads", &self.threads.len())
            .finish_non_exhaustive()
    }
}

/// The store's threads are gone.
pub(crate) fn stopped() -> StoreError {
    StoreError::backend("the store has stopped")
}

fn queue<T>(queue: &SyncSender<T>, task: T) -> Result<(), StoreError> {
    queue.try_send(task).map_err(|refused| match refused {
        TrySendError::Full(_) => StoreError::Busy,
        TrySendError::Disconnected(_) => stopped(),
    })
}

fn boxed<T: Send + 'static>(
    job: impl FnOnce(&mut Connection) -> T + Send + 'static,
    answer: oneshot::Sender<T>,
) -> Job {
    boxed_while_wanted(|connection, _: &dyn Fn() -> bool| job(connection), answer)
}

fn boxed_while_wanted<T: Send + 'static>(
    job: impl FnOnce(&mut Connection, &dyn Fn() -> bool) -> T + Send + 'static,
    answer: oneshot::Sender<T>,
) -> Job {
    Box::new(move |connection| {
        // Nobody waits any more: not worth doing.
        if !answer.is_closed() {
            let outcome = job(connection, &|| !answer.is_closed());
            drop(answer.send(outcome));
        }
    })
}

fn read_all(mut connection: Connection, jobs: &Mutex<Receiver<Job>>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(&mut connection),
            Err(_) => return,
        }
    }
}

/// Takes what is queued and commits it together: one flush to the disk for many writes.
fn write_all(mut connection: Connection, tasks: &Receiver<Task>) {
    while let Ok(first) = tasks.recv() {
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(task) = next.take() {
            match task {
                Task::Alone(job) => {
                    // In order: what was queued before is done before.
                    write_together(&connection, std::mem::take(&mut group));
                    job(&mut connection);
                }
                Task::Write(work) => group.push(work),
            }
            let writes: usize = group.iter().map(Work::len).sum();
            if group.len() < MAX_BATCHES && writes < MAX_WRITES {
                next = tasks.try_recv().ok();
            }
        }
        write_together(&connection, group);
    }
}
