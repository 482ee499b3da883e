//! Shared parts of test doubles of a store.

/// Delegates these calls of a [`Store`](scimkit_store::Store) to the store in a field, so that a double implements only
/// what it changes: `pass_on!(store: support edges)`.
macro_rules! pass_on {
    ($field:tt: $($call:ident)*) => { $(pass_on!(@ $call $field);)* };
    (@ support $field:tt) => {
        fn support(&self, kind: &scimkit_registry::ResourceType) -> scimkit_store::Capabilities {
            self.$field.support(kind)
        }
    };
    (@ edges $field:tt) => {
        fn edges<'a>(
            &'a self,
            context: &'a scimkit_store::RequestContext,
            query: &'a scimkit_store::EdgeQuery,
        ) -> scimkit_store::BoxFuture<
            'a,
            Result<Vec<Vec<scimkit_registry::Edge>>, scimkit_store::StoreError>,
        > {
            self.$field.edges(context, query)
        }
    };
    (@ query $field:tt) => {
        fn query<'a>(
            &'a self,
            context: &'a scimkit_store::RequestContext,
            query: &'a scimkit_store::Query,
        ) -> scimkit_store::BoxFuture<'a, Result<scimkit_store::Page, scimkit_store::StoreError>>
        {
            self.$field.query(context, query)
        }
    };
    (@ read $field:tt) => {
        fn read<'a>(
            &'a self,
            context: &'a scimkit_store::RequestContext,
            kind: &'a std::sync::Arc<scimkit_registry::ResourceType>,
            id: &'a scimkit_registry::ResourceId,
            want: &'a scimkit_store::ReadOptions,
        ) -> scimkit_store::BoxFuture<'a, Result<scimkit_store::StoredResource, scimkit_store::StoreError>>
        {
            self.$field.read(context, kind, id, want)
        }
    };
    (@ write $field:tt) => {
        fn write<'a>(
            &'a self,
            context: &'a scimkit_store::RequestContext,
            batch: scimkit_store::Batch,
        ) -> scimkit_store::BoxFuture<
            'a,
            scimkit_store::engine::BatchAnswer,
        > {
            self.$field.write(context, batch)
        }
    };
}
