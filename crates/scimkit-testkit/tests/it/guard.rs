//! Guards see every change that a request makes, exactly once per attempt, over every store.

mod calls;
mod races;
mod ready_made;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::DateTime;
use http::{Request, request::Parts};
use scimkit_core::{AuthenticationScheme, ErrorResponse};
use scimkit_registry::{EdgeEdit, Resource, ResourceId, ResourceType, Tolerance};
use scimkit_server::{AuthError, Authenticate, ChangeGuard, Identity, ProposedChange, Server};
use scimkit_store::{BoxFuture, ConnectionId, RequestContext, Settings, Store, StoreExt, TenantId};
use scimkit_testkit::replay::HttpTarget;
use serde_json::{Value, json};

use crate::{
    rows,
    servers::{Make, STORES},
};

/// Every store of this workspace, and one over a database that assigns ids and versions itself.
fn stores() -> impl Iterator<Item = Make> {
    let rows: Make = ("rows", rows::shelf_store);
    STORES.into_iter().chain([rows])
}

/// Takes the connection from a header, and the user of `/Me` from another one.
#[derive(Debug)]
struct ByHeader;

impl Authenticate for ByHeader {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        let mut identity = Identity::new(TenantId::default());
        let text = |name| head.headers.get(name).map(|value| value.to_str().unwrap());
        if let Some(name) = text("x-connection") {
            identity.connection = ConnectionId::from(name);
        }
        if let Some(id) = text("x-me") {
            identity = identity.with_me("User", id);
        }
        Box::pin(async move { Ok(identity) })
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        Vec::new()
    }
}

fn settings(set: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::new("https://scim.test/v2");
    set(&mut settings);
    settings
}

fn server(store: &Arc<dyn Store>, settings: &Settings) -> Server {
    Server::new(Arc::clone(store), settings.clone()).with_authentication(ByHeader)
}

/// Returns the status and the body of a response to the connection `okta`.
async fn send(server: &Server, call: &str, body: Value) -> (u16, Value) {
    send_through("okta", server, call, body).await
}

async fn send_through(connection: &str, server: &Server, call: &str, body: Value) -> (u16, Value) {
    let (method, path) = call.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header("x-connection", connection)
        .header("x-me", "u1");
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let response = server.send(request.body(Bytes::from(text)).unwrap());
    let response = response.await.unwrap();
    let body = serde_json::from_slice(response.body()).unwrap_or_default();
    (response.status().as_u16(), body)
}

/// Creates a resource as the application itself does.
async fn make(store: &Arc<dyn Store>, kind: &str, id: &str, body: Value) {
    let scope = RequestContext::new(TenantId::default(), Arc::new(settings(|_| ())));
    let kind = scope.settings.registry.resource_type(kind).unwrap();
    let change = scimkit_patch::create(kind, body, &Tolerance::DEFAULT).unwrap();
    let created = store.create(&scope, DateTime::UNIX_EPOCH, ResourceId::from(id), change);
    created.await.unwrap();
}

fn replace(path: &str, value: Value) -> Value {
    let mut operation = json!({"op": "replace", "path": path});
    operation["value"] = value;
    json!({"Operations": [operation]})
}

fn bulk(operations: Value) -> Value {
    let mut body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]});
    body["Operations"] = operations;
    body
}

fn statuses(response: &Value) -> Vec<&str> {
    let operations = response["Operations"].as_array().unwrap();
    let statuses = operations.iter().map(|one| one["status"].as_str().unwrap());
    statuses.collect()
}

/// A guard that records the changes, and rejects those that contain a text.
#[derive(Debug, Clone, Default)]
struct Recorder {
    calls: Arc<Mutex<Vec<String>>>,
    rejected: Option<&'static str>,
}

impl Recorder {
    fn rejecting(text: &'static str) -> Self {
        Recorder {
            rejected: Some(text),
            ..Recorder::default()
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl ChangeGuard for Recorder {
    fn check<'a>(
        &'a self,
        context: &'a RequestContext,
        proposed: &'a ProposedChange,
    ) -> BoxFuture<'a, Result<(), ErrorResponse>> {
        let text = described(context, proposed);
        let is_rejected = self.rejected.is_some_and(|part| text.contains(part));
        self.calls.lock().unwrap().push(text);
        Box::pin(async move {
            if is_rejected {
                Err(ErrorResponse::uniqueness("rejected by the guard"))
            } else {
                Ok(())
            }
        })
    }
}

/// Describes a change: verb, type, name before and after, edits of memberships, and owner.
fn described(context: &RequestContext, proposed: &ProposedChange) -> String {
    let ProposedChange {
        after,
        before,
        change,
        kind,
        owner,
        secrets,
        verb,
        version,
        ..
    } = proposed;
    assert_eq!(version.is_some(), before.is_some());
    assert_eq!(context.cause.connection, Some(ConnectionId::from("okta")));
    assert!(context.cause.request.is_some());
    assert!(!format!("{proposed:?}").contains("secret-"), "{proposed:?}");
    let text = |resource: &Option<Arc<Resource>>| {
        let resource = resource.as_deref();
        resource.map_or_else(|| "none".to_owned(), |resource| name(kind, resource))
    };
    let mut described = format!(
        "{verb:?} {} {} -> {}",
        kind.name(),
        text(before),
        text(after)
    );
    for edges in change.edge_changes() {
        described += &match &edges.edit {
            EdgeEdit::Delta { add, remove } => format!(" +{} -{}", add.len(), remove.len()),
            EdgeEdit::Replace(members) => format!(" ={}", members.len()),
        };
    }
    for secret in secrets {
        described += &format!(" sets {}", kind.attr(*secret).path());
    }
    if let Some(owner) = owner {
        described += &format!(" of {owner}");
    }
    described
}

fn name(kind: &ResourceType, resource: &Resource) -> String {
    let names = ["userName", "displayName"].into_iter();
    let mut names = names.filter_map(|name| resource.get(kind, kind.attribute_id(name)?));
    names.next().unwrap().as_str().unwrap().to_owned()
}

/// A runtime for the requests of one thread.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}
