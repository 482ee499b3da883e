//! On whose behalf, and under which rules, a store is asked.

use std::{sync::Arc, time::Duration};

use scimkit_mapping::Mapping;
use scimkit_registry::{Budget, Change, RegistrationError, Registry, Resource, Tolerance};

use crate::{Cause, ConnectionId, StoreError, TenantId, engine::Policy};

/// Whether a PATCH answers with the resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatchResponse {
    /// 200 with the resource.
    Always,
    /// 200 with the resource, but 204 when the request was about nothing but the membership of a
    /// group of more than 100 members and no `attributes` were asked for.
    #[default]
    Auto,
    /// 204, unless `attributes` were asked for or nothing changed.
    Never,
}

/// What a create does where somebody is there already.
///
/// Who that is, is said by [`ExistingMatch`](crate::ExistingMatch).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreatePolicy {
    /// It takes over a resource that no connection has made or taken over yet: 201 with its id.
    Adopt,
    /// It does either.
    AdoptOrRestore,
    /// It is refused: 409 with `uniqueness`.
    #[default]
    Conflict,
    /// It brings back a resource that was [retired](crate::DeletePolicy::Soft), or takes one that was switched
    /// off, by `active`: 201 with its id.
    Restore,
}

/// What to do with e-mail addresses beside the one that counts.
///
/// That is the primary one; where none is, the first of type `work`, and else the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AliasPolicy {
    /// Leave them out, and count that.
    Drop,
    /// Keep them.
    #[default]
    Keep,
}

/// The bounds of a request.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequestLimits {
    /// Bytes of a request body: 8 MiB. A search request is bounded by 64 KiB beside it.
    pub body: usize,
    /// Bytes of the body of a bulk request: 8 MiB.
    pub bulk_body: usize,
    /// Operations of a bulk request: 1,000. With 0 there are no bulk requests.
    pub bulk_operations: usize,
    /// How long a cursor is good for: 1 hour.
    pub cursor_timeout: Duration,
    /// How long a write that keeps losing races is tried again: 10 seconds.
    pub deadline: Duration,
    /// Bytes of the JSON text of a resource, without `id`, `meta` and memberships: 1 MiB. See
    /// [`RequestLimits::check_document`].
    pub document: u64,
    /// How long a request may be worked on once its body was read: 30 seconds. The members of a big
    /// group, which are sent page by page, may take longer.
    pub duration: Duration,
    /// Of filter and path text.
    pub filter: scimkit_filter::ParseLimits,
    /// Members that one request names: 100,000.
    pub members: usize,
    /// Levels of arrays and objects in a body, or in the `data` of an operation of a bulk request: 16.
    pub nesting: usize,
    /// Operations of one PATCH: 1,000.
    pub operations: usize,
    /// Resources of a page when `count` is not given: 100.
    pub page_default: u32,
    /// Resources of a page at most: 1,000.
    pub page_max: u32,
    /// JSON values of a body: 400,000. In memory each takes many times its bytes.
    pub values: usize,
    /// Units of work that a request may cause, see [`Budget`]: 500,000,000, which is one to two seconds of one
    /// processor.
    pub work: u64,
}

impl Default for RequestLimits {
    fn default() -> Self {
        RequestLimits {
            body: 8 << 20,
            bulk_body: 8 << 20,
            bulk_operations: 1_000,
            cursor_timeout: Duration::from_secs(3_600),
            deadline: Duration::from_secs(10),
            document: 1 << 20,
            duration: Duration::from_secs(30),
            filter: scimkit_filter::ParseLimits::default(),
            members: 100_000,
            nesting: 16,
            operations: 1_000,
            page_default: 100,
            page_max: 1_000,
            values: 400_000,
            work: 500_000_000,
        }
    }
}

impl RequestLimits {
    /// How much a document may grow that is larger than the limit already, so that its resource can
    /// still be deactivated.
    const SLACK: u64 = 64;

    /// Checks the size of the document that a change leads to.
    ///
    /// `before` is the document that is changed; none is the same as an empty one. A document that is
    /// larger than the limit already, such as one from before the limit was lowered, may be changed
    /// as long as it grows by no more than 64 bytes.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`].
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_registry::{Change, Registry, Tolerance};
    /// use scimkit_store::{RequestLimits, StoreError};
    /// use serde_json::json;
    ///
    /// let registry = Registry::standard();
    /// let user = registry.resource_type("User").unwrap();
    /// let body = json!({"userName": "bjensen", "title": "x".repeat(100)});
    /// let change = Change::create(Arc::clone(user), user.admit(body, &Tolerance::DEFAULT)?);
    ///
    /// let mut limits = RequestLimits::default();
    /// assert!(limits.check_document(None, &change).is_ok());
    /// limits.document = 100;
    /// let error = limits.check_document(None, &change).unwrap_err();
    /// assert!(matches!(error, StoreError::TooLarge { limit: 100, .. }), "{error:?}");
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    pub fn check_document(
        &self,
        before: Option<&Resource>,
        change: &Change,
    ) -> Result<(), StoreError> {
        if change.assignments().is_empty() {
            return Ok(());
        }
        let limit = self.document;
        let most = before.map_or(0, Resource::max_text_len);
        if most.saturating_add(change.max_growth()) <= limit {
            return Ok(());
        }
        let nothing = Resource::default();
        let bytes = change.text_after(before.unwrap_or(&nothing)).len() as u64;
        if bytes <= limit {
            return Ok(());
        }
        let known = before.map_or(0, Resource::text_len);
        match known > limit && bytes <= known + Self::SLACK {
            true => Ok(()),
            false => Err(StoreError::TooLarge { bytes, limit }),
        }
    }
}

/// A mapping, and what it makes of the schemas.
#[derive(Debug, Clone)]
struct Mapped {
    described: Arc<Registry>,
    mapping: Arc<Mapping>,
}

/// The rules of a connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// What to do with e-mail addresses beside the one that counts.
    pub aliases: AliasPolicy,
    /// What `meta.location` and `$ref` start with: scheme, authority and base path, no final slash.
    pub base_url: String,
    /// What a create does where somebody is there already.
    pub create_policy: CreatePolicy,
    /// Where people read how to use the service; `/ServiceProviderConfig` tells.
    pub documentation_uri: Option<String>,
    /// The bounds of a request.
    pub limits: RequestLimits,
    mapped: Option<Mapped>,
    /// Whether a PATCH answers with the resource.
    pub patch_response: PatchResponse,
    /// The rules that writes are decided by.
    pub policy: Policy,
    /// Schemas and resource types.
    pub registry: Arc<Registry>,
    /// Whether PUT, PATCH and DELETE are refused (428) without `If-Match`: not unless asked for, since
    /// no provider sends it.
    pub require_if_match: bool,
    /// What is accepted beyond the RFC.
    pub tolerance: Tolerance,
}

impl Settings {
    /// The default rules for an endpoint that is reached at `base_url`.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        let mut base_url = base_url.into();
        base_url.truncate(base_url.trim_end_matches('/').len());
        Settings {
            aliases: AliasPolicy::default(),
            base_url,
            create_policy: CreatePolicy::default(),
            documentation_uri: None,
            limits: RequestLimits::default(),
            mapped: None,
            patch_response: PatchResponse::default(),
            policy: Policy::default(),
            registry: Arc::new(Registry::standard()),
            require_if_match: false,
            tolerance: Tolerance::DEFAULT,
        }
    }

    /// With which attributes the host has, and where: what is not mapped is kept, dropped or refused.
    ///
    /// The mapping is one of [`Settings::registry`]'s own types, which must not be changed afterwards.
    ///
    /// # Errors
    /// What [`Mapping::supported_registry`] says, where the mapping is of other types.
    ///
    /// # Example
    /// ```
    /// use std::sync::Arc;
    /// use scimkit_mapping::{Mapping, MappingRule, UnmappedPolicy};
    /// use scimkit_store::Settings;
    ///
    /// let settings = Settings::new("https://app.example/scim/v2");
    /// let mapping = Mapping::builder()
    ///     .unmapped("User", UnmappedPolicy::Drop)
    ///     .rule("User", MappingRule::new("userName").with_field("email"))
    ///     .build(&settings.registry)
    ///     .unwrap();
    /// let settings = settings.with_mapping(Arc::new(mapping))?;
    /// let user = settings.described().resource_type("User").unwrap();
    /// assert_eq!(user.attribute_id("title"), None);
    /// # Ok::<(), scimkit_registry::RegistrationError>(())
    /// ```
    pub fn with_mapping(mut self, mapping: Arc<Mapping>) -> Result<Self, RegistrationError> {
        let described = Arc::new(mapping.supported_registry(&self.registry)?);
        self.mapped = Some(Mapped { described, mapping });
        Ok(self)
    }

    /// The mapping, where there is one.
    #[must_use]
    pub fn mapping(&self) -> Option<&Arc<Mapping>> {
        self.mapped.as_ref().map(|mapped| &mapped.mapping)
    }

    /// The schemas and resource types as discovery tells of them: what the mapping supports.
    #[must_use]
    pub fn described(&self) -> &Arc<Registry> {
        let mapped = self.mapped.as_ref();
        mapped.map_or(&self.registry, |mapped| &mapped.described)
    }
}

/// On whose behalf a store is asked: a tenant, the connection's rules, and whatever the host wants
/// to hand through to its own store (a principal, a span).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestContext {
    /// The work that the request may cause. A store charges what it does and stops when it runs out.
    pub budget: Budget,
    /// The connection, caller and request. The server and [`StoreExt`](crate::StoreExt) copy it to
    /// [`Batch::cause`](crate::Batch), which the store records.
    pub cause: Cause,
    /// The host's own values, by type.
    pub extensions: http::Extensions,
    /// The connection's rules.
    pub settings: Arc<Settings>,
    /// The tenant.
    pub tenant: TenantId,
}

impl RequestContext {
    /// A scope of the host itself, without extensions and with an unlimited budget.
    #[must_use]
    pub fn new(tenant: TenantId, settings: Arc<Settings>) -> Self {
        RequestContext {
            budget: Budget::unlimited(),
            cause: Cause::application(),
            extensions: http::Extensions::new(),
            settings,
            tenant,
        }
    }

    /// With a limit on the work that it may cause.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// On behalf of that connection.
    #[must_use]
    pub fn with_connection(mut self, connection: ConnectionId) -> Self {
        self.cause.connection = Some(connection);
        self
    }
}
