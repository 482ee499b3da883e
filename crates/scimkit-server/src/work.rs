//! Where the work of a request is done: at once where it is little, on the lane where it is much.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use scimkit_registry::{Budget, Exhausted};
use scimkit_store::{Lane, RequestContext, Store, StoreError, yield_now};

use crate::error::HandlerError;

/// Units that are worked on without giving others a turn: about a millisecond.
pub(crate) const AT_ONCE: u64 = 1 << 18;

/// Units that each byte of a body costs: it is read, checked and copied.
pub(crate) const BODY_BYTE: u64 = 8;

/// Units that each byte of a stored document costs when a tree is made of it.
pub(crate) const TEXT_BYTE: u64 = 4;

/// The handling of rendering for which the lane has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// The request is rejected with 503.
    Reject,
    /// It waits, since a response that is being sent can't be rejected any more.
    Wait,
}

/// Where answers are rendered: small ones at once, large documents on the lane.
#[derive(Debug, Clone)]
pub(crate) struct Rendering {
    pub(crate) lane: Arc<Lane>,
    pub(crate) when_full: WhenFull,
}

/// The scope, store and lane that are needed to complete and render resources.
pub(crate) type Service<'a> = (&'a RequestContext, &'a dyn Store, &'a Rendering);

impl Rendering {
    /// Runs work on the lane if it is too long for the caller's thread.
    ///
    /// # Errors
    /// The budget ran out, or the lane is full.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        scope: &RequestContext,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let work = Arc::new(Mutex::new(Some(work)));
        loop {
            let work = Arc::clone(&work);
            let job = move || {
                let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
                work.map(|work| work())
            };
            match self.lane.run(&scope.tenant, &scope.budget, job).await {
                Err(StoreError::Busy) if self.when_full == WhenFull::Wait => yield_now().await,
                done => return done?.ok_or(StoreError::Busy),
            }
        }
    }
}

/// The work of one request.
pub(crate) struct Work<'a> {
    pub(crate) lane: &'a Arc<Lane>,
    /// Units that were spent when others last had a turn.
    pub(crate) turn: AtomicU64,
}

impl<'a> Work<'a> {
    pub(crate) fn new(lane: &'a Arc<Lane>) -> Self {
        Work {
            lane,
            turn: AtomicU64::new(0),
        }
    }

    /// Charges work of about that many units and does it: here, or on the lane where it takes long.
    ///
    /// # Errors
    /// The budget ran out, or the lane is full.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        scope: &RequestContext,
        units: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HandlerError> {
        scope.budget.charge(units).map_err(StoreError::from)?;
        if units >= AT_ONCE {
            return self.away(scope, work).await;
        }
        self.give_turn(&scope.budget).await;
        Ok(work())
    }

    /// Does work that charges itself, of which nobody knows how much it is: a little of it here, and
    /// what turns out to be more on the lane, from the start.
    ///
    /// # Errors
    /// The budget ran out, or the lane is full.
    pub(crate) async fn try_run<T, E>(
        &self,
        scope: &RequestContext,
        is_exhausted: impl Fn(&E) -> Option<Exhausted>,
        work: impl Fn(&Budget) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, HandlerError>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.give_turn(&scope.budget).await;
        let little = Budget::new(AT_ONCE);
        let tried = work(&little);
        scope
            .budget
            .charge(little.spent())
            .map_err(StoreError::from)?;
        match &tried {
            Err(error) if is_exhausted(error) == Some(Exhausted::Work) => {
                let budget = scope.budget.clone();
                self.away(scope, move || work(&budget)).await
            }
            _ => Ok(tried),
        }
    }

    /// Where the answer of the request is rendered.
    pub(crate) fn rendering(&self) -> Rendering {
        Rendering {
            lane: Arc::clone(self.lane),
            when_full: WhenFull::Reject,
        }
    }

    /// Lets others have a turn, where much was done since they last had one.
    pub(crate) async fn give_turn(&self, budget: &Budget) {
        let spent = budget.spent();
        if spent.saturating_sub(self.turn.load(Ordering::Relaxed)) >= AT_ONCE {
            self.turn.store(spent, Ordering::Relaxed);
            yield_now().await;
        }
    }

    async fn away<T: Send + 'static>(
        &self,
        scope: &RequestContext,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HandlerError> {
        let done = self.lane.run(&scope.tenant, &scope.budget, work).await;
        self.turn.store(scope.budget.spent(), Ordering::Relaxed);
        Ok(done?)
    }
}
