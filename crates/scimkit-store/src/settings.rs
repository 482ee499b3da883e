//! The settings that requests are handled by.

use std::{sync::Arc, time::Duration};

use scimkit_mapping::Mapping;
use scimkit_registry::{Change, RegistrationError, Registry, Resource, Tolerance};

use crate::{
    StoreError,
    engine::{Policy, RolePolicy},
};

/// Whether the response to a PATCH contains the resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatchResponse {
    /// 200 with the resource.
    Always,
    /// 200 with the resource; 204 if the request changes only the membership of a group of more than 100 members and
    /// does not request `attributes`.
    #[default]
    Auto,
    /// 204, unless the request has `attributes` or nothing changed.
    Never,
}

/// The effect of a create if the resource exists.
///
/// [`ExistingMatch`](crate::ExistingMatch) defines which existing resource matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreatePolicy {
    /// The create adopts a resource without an owner: 201 with the id of that resource.
    Adopt,
    /// The create adopts or restores a resource.
    AdoptOrRestore,
    /// The create is rejected: 409 with `uniqueness`.
    #[default]
    Conflict,
    /// The create restores a [soft-deleted](crate::DeletePolicy::Soft) resource, or takes over a deactivated one
    /// (`active: false`): 201 with the id of that resource.
    Restore,
}

/// The handling of further e-mail addresses next to the preferred one.
///
/// The preferred address is the primary one, otherwise the first of type `work`, otherwise the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AliasPolicy {
    /// Drops and counts them.
    Drop,
    /// Stores them.
    #[default]
    Keep,
}

/// The limits of a request.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequestLimits {
    /// Bytes of a request body: 8 MiB. A search request is also limited to 64 KiB.
    pub body: usize,
    /// Bytes of the body of a bulk request: 8 MiB.
    pub bulk_body: usize,
    /// Operations of a bulk request: 1,000. With 0, bulk requests are not supported.
    pub bulk_operations: usize,
    /// The time for which a cursor is valid: 1 hour.
    pub cursor_timeout: Duration,
    /// The minimum time for which a write that keeps losing races is retried: 10 seconds.
    pub deadline: Duration,
    /// Bytes of the JSON text of a resource, without `id`, `meta` and memberships: 1 MiB. See
    /// [`RequestLimits::check_document`].
    pub document: u64,
    /// The time for which a request may be processed once its body was read: 30 seconds. The members of a large
    /// group, which are sent page by page, may take longer.
    pub duration: Duration,
    /// The limits of filter and path text.
    pub filter: scimkit_filter::ParseLimits,
    /// Members in one request, or in one operation of a bulk request: 100,000.
    pub members: usize,
    /// Levels of arrays and objects in a body, or in the `data` of an operation of a bulk request: 16.
    pub nesting: usize,
    /// Operations of one PATCH: 1,000.
    pub operations: usize,
    /// Resources of a page if the request has no `count`: 100.
    pub page_default: u32,
    /// The maximum number of resources of a page: 1,000.
    pub page_max: u32,
    /// JSON values of a body: 400,000. In memory, each takes a multiple of its bytes.
    pub values: usize,
    /// Units of work that a request may cause, see [`Budget`](scimkit_registry::Budget): 500,000,000, which is one to two seconds of one
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
    /// The bytes by which a document that is already larger than the limit may grow, so that its resource can
    /// still be deactivated.
    const SLACK: u64 = 64;

    /// Checks the size of the document that results from a change.
    ///
    /// `before` is the document that is changed; `None` counts as an empty one. A document that is already larger
    /// than the limit, for example because the limit was lowered, may be changed as long as it grows by no more
    /// than 64 bytes.
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
        if known > limit && bytes <= known + Self::SLACK {
            Ok(())
        } else {
            Err(StoreError::TooLarge { bytes, limit })
        }
    }
}

/// The effective settings of one connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The handling of further e-mail addresses next to the preferred one.
    pub aliases: AliasPolicy,
    /// The prefix of `meta.location` and `$ref`: scheme, authority and base path, without a final slash.
    pub base_url: String,
    /// The effect of a create if the resource exists.
    pub create_policy: CreatePolicy,
    /// The supported schemas, if they are not those of the registry.
    described: Option<Arc<Registry>>,
    /// The address of the documentation for people, shown in `/ServiceProviderConfig`.
    pub documentation_uri: Option<String>,
    /// The limits of a request.
    pub limits: RequestLimits,
    mapping: Option<Arc<Mapping>>,
    /// Whether the response to a PATCH contains the resource.
    pub patch_response: PatchResponse,
    /// The rules that the engine decides a write by.
    pub policy: Policy,
    /// The schemas and resource types.
    pub registry: Arc<Registry>,
    /// Whether PUT, PATCH and DELETE without `If-Match` are rejected with 428. By default they are not, since
    /// identity providers do not send it.
    pub require_if_match: bool,
    /// The accepted deviations from the RFC.
    pub tolerance: Tolerance,
}

impl Settings {
    /// Creates the default settings for an endpoint at `base_url`.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        let mut base_url = base_url.into();
        base_url.truncate(base_url.trim_end_matches('/').len());
        Settings {
            aliases: AliasPolicy::default(),
            base_url,
            create_policy: CreatePolicy::default(),
            described: None,
            documentation_uri: None,
            limits: RequestLimits::default(),
            mapping: None,
            patch_response: PatchResponse::default(),
            policy: Policy::default(),
            registry: Arc::new(Registry::standard()),
            require_if_match: false,
            tolerance: Tolerance::DEFAULT,
        }
    }

    /// Sets the attribute mapping, which also decides whether unmapped attributes are stored, dropped or rejected.
    ///
    /// The mapping must be built for [`Settings::registry`], which must not be changed afterwards.
    ///
    /// # Errors
    /// Those of [`Mapping::supported_registry`], if the mapping was built for other types.
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
        self.mapping = Some(mapping);
        self.describe()
    }

    /// Sets the rules by which the roles of users follow from their groups. `/Schemas` shows `roles` as read-only, with
    /// the roles that users can have as canonical values.
    ///
    /// # Errors
    /// [`RegistrationError::UnknownAttribute`], if the mapping does not support `roles`.
    ///
    /// # Example
    /// ```
    /// use scimkit_store::{Settings, engine::RolePolicy};
    ///
    /// let settings = Settings::new("https://app.example/scim/v2");
    /// let roles = RolePolicy::new(&settings.registry).unwrap().with_default("member");
    /// let settings = settings.with_roles(roles)?;
    /// let user = settings.described().resource_type("User").unwrap();
    /// let value = user.attr(user.attribute_id("roles.value").unwrap());
    /// assert_eq!(value.definition().canonical_values, ["member"]);
    /// # Ok::<(), scimkit_registry::RegistrationError>(())
    /// ```
    ///
    /// [RFC 7643 section 7](https://www.rfc-editor.org/rfc/rfc7643#section-7)
    pub fn with_roles(mut self, roles: RolePolicy) -> Result<Self, RegistrationError> {
        self.policy.roles = Some(Arc::new(roles));
        self.describe()
    }

    /// Computes the supported schemas.
    fn describe(mut self) -> Result<Self, RegistrationError> {
        let mapping = self.mapping.as_ref();
        let supported = mapping.map(|mapping| mapping.supported_registry(&self.registry));
        self.described = supported.transpose()?.map(Arc::new);
        if let Some(roles) = &self.policy.roles {
            self.described = Some(Arc::new(roles.described(self.described())?));
        }
        Ok(self)
    }

    /// Returns the mapping, if there is one.
    #[must_use]
    pub fn mapping(&self) -> Option<&Arc<Mapping>> {
        self.mapping.as_ref()
    }

    /// Returns the schemas and resource types for discovery: what the mapping supports, or all of them, and the roles.
    #[must_use]
    pub fn described(&self) -> &Arc<Registry> {
        self.described.as_ref().unwrap_or(&self.registry)
    }
}
