//! The place where the work of a request runs: small work at once, large work on the lane.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use scimkit_registry::{Budget, Exhausted};
use scimkit_store::{Lane, RequestContext, Store, StoreError, yield_now};

use crate::error::HandlerError;

/// The units of work that run before other tasks get a turn: about a millisecond.
pub(crate) const AT_ONCE: u64 = 1 << 18;

/// The units that each byte of a body costs, to read, check and copy it.
pub(crate) const BODY_BYTE: u64 = 8;

/// The units that each byte of a stored document costs when it is parsed into a tree.
pub(crate) const TEXT_BYTE: u64 = 4;

/// The handling of rendering if the lane is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// Rejects the request with 503.
    Reject,
    /// Waits, since a response that is already being sent can't be rejected.
    Wait,
}

/// The place where responses are rendered: small documents at once, large ones on the lane.
#[derive(Debug, Clone)]
pub(crate) struct Rendering {
    pub(crate) lane: Arc<Lane>,
    pub(crate) when_full: WhenFull,
}

/// The request context, store and rendering that complete and render resources.
pub(crate) type Service<'a> = (&'a RequestContext, &'a dyn Store, &'a Rendering);

impl Rendering {
    /// Runs work on the lane, for work that is too long for the caller's thread.
    ///
    /// # Errors
    /// The budget is exhausted, or the lane is full.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        context: &RequestContext,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let work = Arc::new(Mutex::new(Some(work)));
        loop {
            let work = Arc::clone(&work);
            let job = move || {
                let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
                work.map(|work| work())
            };
            match self.lane.run(&context.tenant, &context.budget, job).await {
                Err(StoreError::Busy) if self.when_full == WhenFull::Wait => yield_now().await,
                done => return done?.ok_or(StoreError::Busy),
            }
        }
    }
}

/// The work of one request.
pub(crate) struct Work<'a> {
    pub(crate) lane: &'a Arc<Lane>,
    /// The units that were spent when other tasks last had a turn.
    pub(crate) turn: AtomicU64,
}

impl<'a> Work<'a> {
    pub(crate) fn new(lane: &'a Arc<Lane>) -> Self {
        Work {
            lane,
            turn: AtomicU64::new(0),
        }
    }

    /// Charges for this many units of work and does it: here, or on the lane if it is large.
    ///
    /// # Errors
    /// The budget is exhausted, or the lane is full.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        context: &RequestContext,
        units: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HandlerError> {
        context.budget.charge(units).map_err(StoreError::from)?;
        if units >= AT_ONCE {
            return self.away(context, work).await;
        }
        self.give_turn(&context.budget).await;
        Ok(work())
    }

    /// Does work of unknown size, which charges its own budget. A small attempt runs here; if it is not enough, the
    /// work starts again on the lane.
    ///
    /// # Errors
    /// The budget is exhausted, or the lane is full.
    pub(crate) async fn try_run<T, E>(
        &self,
        context: &RequestContext,
        is_exhausted: impl Fn(&E) -> Option<Exhausted>,
        work: impl Fn(&Budget) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, HandlerError>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.give_turn(&context.budget).await;
        let little = Budget::new(AT_ONCE);
        let tried = work(&little);
        context
            .budget
            .charge(little.spent())
            .map_err(StoreError::from)?;
        match &tried {
            Err(error) if is_exhausted(error) == Some(Exhausted::Work) => {
                let budget = context.budget.clone();
                self.away(context, move || work(&budget)).await
            }
            _ => Ok(tried),
        }
    }

    /// Returns the place where the response is rendered.
    pub(crate) fn rendering(&self) -> Rendering {
        Rendering {
            lane: Arc::clone(self.lane),
            when_full: WhenFull::Reject,
        }
    }

    /// Yields to other tasks if much work was done since the last time.
    pub(crate) async fn give_turn(&self, budget: &Budget) {
        let spent = budget.spent();
        if spent.saturating_sub(self.turn.load(Ordering::Relaxed)) >= AT_ONCE {
            self.turn.store(spent, Ordering::Relaxed);
            yield_now().await;
        }
    }

    async fn away<T: Send + 'static>(
        &self,
        context: &RequestContext,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HandlerError> {
        let done = self.lane.run(&context.tenant, &context.budget, work).await;
        self.turn.store(context.budget.spent(), Ordering::Relaxed);
        Ok(done?)
    }
}
