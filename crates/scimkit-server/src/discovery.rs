//! Discovery: the server's description of itself (RFC 7644 section 4).

use std::sync::Arc;

use http::StatusCode;
use scimkit_core::{
    BulkSupport, ErrorResponse, FilterSupport, PaginationSupport, Schema, ServiceProviderConfig,
    Supported, message::ListResponse,
};
use scimkit_registry::{Registry, ResourceType};
use scimkit_store::{RequestLimits, Settings};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    access::{Access, AccessLevel},
    auth::Authenticate,
    error::HandlerError,
    list::supports_cursors,
    query::parameters,
    response::ResponseParts,
    route::Discovery,
    url::encoded,
    writer::Writer,
};

/// Responds to a discovery request.
///
/// # Errors
/// 403 for a filter, as the RFC requires; 404 for an unknown definition.
pub(crate) fn answer(
    what: &Discovery,
    query: Option<&str>,
    writer: Writer<'_>,
    authentication: &dyn Authenticate,
) -> Result<ResponseParts, HandlerError> {
    let settings = &*writer.context.settings;
    let shown = Shown::to(writer.access, settings.described());
    let parameters = parameters(query, &[], writer.witness)?;
    if parameters
        .iter()
        .any(|parameter| parameter.name == "filter")
    {
        return Err(ErrorResponse::forbidden("discovery endpoints can't be filtered").into());
    }
    let value = match what {
        Discovery::ResourceType(name) => {
            let same = |t: &&Arc<ResourceType>| t.definition().id().eq_ignore_ascii_case(name);
            let found = shown.types.iter().copied().find(same);
            document(settings, found.ok_or_else(nothing)?.definition())
        }
        Discovery::ResourceTypes => {
            let types = shown.types.iter();
            list(types.map(|t| document(settings, t.definition())).collect())
        }
        Discovery::Schema(urn) => {
            let same = |s: &&Arc<Schema>| s.id.as_str().eq_ignore_ascii_case(urn);
            let found = shown.schemas.iter().copied().find(same);
            document(settings, found.ok_or_else(nothing)?.as_ref())
        }
        Discovery::Schemas => {
            let schemas = shown.schemas.iter();
            list(schemas.map(|s| document(settings, s.as_ref())).collect())
        }
        Discovery::ServiceProviderConfig => config(writer, authentication),
    };
    let answer = ResponseParts::json(StatusCode::OK, value.to_string());
    let location = value
        .pointer("/meta/location")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Ok(match location {
        "" => answer,
        location => answer.showing(location).located(location),
    })
}

/// The definitions that a caller can discover. Disabled types are hidden, as are schemas that only disabled types
/// use.
struct Shown<'a> {
    schemas: Vec<&'a Arc<Schema>>,
    types: Vec<&'a Arc<ResourceType>>,
}

impl<'a> Shown<'a> {
    fn to(access: &Access, registry: &'a Registry) -> Self {
        let is_on = |kind: &Arc<ResourceType>| access.level(kind.name()) > AccessLevel::Disabled;
        let (types, off): (Vec<_>, Vec<_>) = registry
            .resource_types()
            .iter()
            .partition(|kind| is_on(kind));
        let has = |kind: &&Arc<ResourceType>, schema: &Schema| {
            let mut extensions = kind.extensions().iter();
            kind.schema() == &schema.id || extensions.any(|e| e.urn() == &schema.id)
        };
        let shown = |schema: &&Arc<Schema>| {
            types.iter().any(|kind| has(kind, schema)) || !off.iter().any(|kind| has(kind, schema))
        };
        Shown {
            schemas: registry.schemas().iter().filter(shown).collect(),
            types,
        }
    }
}

/// Builds the service provider configuration from the settings, the store and the authentication schemes.
fn config(writer: Writer<'_>, authentication: &dyn Authenticate) -> Value {
    let settings = &*writer.context.settings;
    let store = &**writer.store;
    let supports = |what: fn(&scimkit_store::Capabilities) -> bool| {
        settings
            .registry
            .resource_types()
            .iter()
            .all(|kind| what(&store.support(kind)))
    };
    let kinds = settings.registry.resource_types().iter();
    let cursor = supports_cursors(store, kinds.map(|kind| &**kind));
    let config = ServiceProviderConfig {
        authentication_schemes: authentication.schemes(),
        bulk: bulk(&settings.limits),
        change_password: Supported {
            supported: writer.hooks.secrets.is_some(),
        },
        documentation_uri: settings.documentation_uri.clone(),
        etag: Supported { supported: true },
        filter: FilterSupport {
            supported: supports(|s| s.filter),
            max_results: u64::from(settings.limits.page_max),
        },
        patch: Supported { supported: true },
        sort: Supported {
            supported: supports(|s| s.sort),
        },
        pagination: Some(PaginationSupport {
            cursor,
            index: true,
            default_pagination_method: Some("index".to_owned()),
            default_page_size: positive(settings.limits.page_default.into()),
            max_page_size: positive(settings.limits.page_max.into()),
            cursor_timeout: positive(settings.limits.cursor_timeout.as_secs()).filter(|_| cursor),
        }),
    };
    let location = format!("{}/ServiceProviderConfig", settings.base_url);
    with_meta(&config, "ServiceProviderConfig", &location)
}

/// Returns the number unless it is 0: RFC 9865 requires positive sizes.
fn positive(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

fn bulk(limits: &RequestLimits) -> BulkSupport {
    match limits.bulk_operations {
        0 => BulkSupport::default(),
        operations => BulkSupport {
            supported: true,
            max_operations: operations as u64,
            max_payload_size: limits.bulk_body as u64,
        },
    }
}

/// A definition that has its own URL.
trait Discoverable: Serialize {
    const KIND: &'static str;
    fn segments(&self) -> (&'static str, &str);
}

impl Discoverable for scimkit_core::ResourceTypeDefinition {
    const KIND: &'static str = "ResourceType";
    fn segments(&self) -> (&'static str, &str) {
        ("ResourceTypes", self.id())
    }
}

impl Discoverable for scimkit_core::Schema {
    const KIND: &'static str = "Schema";
    fn segments(&self) -> (&'static str, &str) {
        ("Schemas", self.id.as_str())
    }
}

fn document<T: Discoverable>(settings: &Settings, definition: &T) -> Value {
    let (folder, id) = definition.segments();
    let location = format!("{}/{folder}/{}", settings.base_url, encoded(id));
    with_meta(definition, T::KIND, &location)
}

fn with_meta(definition: &impl Serialize, kind: &str, location: &str) -> Value {
    let mut value = serde_json::to_value(definition).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        let meta = json!({ "resourceType": kind, "location": location });
        members.insert("meta".to_owned(), meta);
    }
    value
}

fn list(resources: Vec<Value>) -> Value {
    let total = resources.len() as u64;
    let list = ListResponse {
        total_results: Some(total),
        items_per_page: Some(total),
        start_index: Some(1),
        next_cursor: None,
        previous_cursor: None,
        resources,
    };
    serde_json::to_value(list).unwrap_or_default()
}

fn nothing() -> HandlerError {
    HandlerError::Client(ErrorResponse::not_found("there is no such definition"))
}
