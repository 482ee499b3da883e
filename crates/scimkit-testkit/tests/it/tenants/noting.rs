//! A store that records its calls.

use std::sync::{Arc, Mutex, PoisonError};

use scimkit_registry::{Edge, ResourceId, ResourceType};
use scimkit_store::{
    Batch, BoxFuture, EdgeQuery, Page, Query, ReadOptions, RequestContext, Store, StoreError,
    StoredResource, Written,
};

/// A store that records its calls and their results.
#[derive(Debug)]
pub(super) struct Noting(Arc<dyn Store>, Mutex<Vec<String>>);

impl Noting {
    pub(super) fn over(store: Arc<dyn Store>) -> Self {
        Noting(store, Mutex::default())
    }

    fn note(&self, what: String) {
        self.1
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(what);
    }

    /// Returns the calls since the last time.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.1.lock().unwrap())
    }
}

fn came<T>(answer: &Result<T, StoreError>) -> String {
    match answer {
        Ok(_) => "done".to_owned(),
        Err(StoreError::UnknownMembers { attr, ids }) => format!("{} missing in {attr}", ids.len()),
        Err(other) => other.to_string(),
    }
}

impl Store for Noting {
    pass_on!(0: support);

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        Box::pin(async move {
            let answer = self.0.edges(context, query).await;
            let found = answer
                .as_ref()
                .map_or(0, |edges| edges.iter().flatten().count());
            self.note(format!(
                "edges of {}: {found}, {}",
                query.owners.len(),
                came(&answer)
            ));
            answer
        })
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let answer = self.0.query(context, query).await;
            let found = answer.as_ref().map_or(0, |page| page.items.len());
            self.note(format!(
                "query {}: {found}, {}",
                query.kind.name(),
                came(&answer)
            ));
            answer
        })
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        Box::pin(async move {
            let answer = self.0.read(context, kind, id, want).await;
            self.note(format!("read {}: {}", kind.name(), came(&answer)));
            answer
        })
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        Box::pin(async move {
            let answers = self.0.write(context, batch).await;
            let came: Vec<_> = match &answers {
                Ok(answers) => answers.iter().map(came).collect(),
                failed => vec![came(failed)],
            };
            self.note(format!("write: {}", came.join(", ")));
            answers
        })
    }
}
