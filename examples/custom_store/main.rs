//! A store that is not SQL: users and groups in a JSON file, for a few hundred people.
//!
//! ```text
//! cargo run --example custom_store -- people.json
//! ```

use std::{collections::BTreeMap, env, error::Error, fs, path::PathBuf, sync::Arc};

use scimkit::{
    BearerTokens, RequestContext, Server, Settings, Token,
    core::Version,
    registry::ResourceType,
    store::{
        Capabilities, StoreError,
        engine::{FoundRow, Members, NewMembers, ResourceRow, RowRef, RowsError},
        rows::{
            EdgeRow, EdgesBy, LookupBy, RowStore, Simple, SimpleDatabase, SimpleTransaction,
            TransactionMode,
        },
    },
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

/// The path of the file, which each transaction reads and writes as a whole, one after another.
#[derive(Debug)]
struct JsonFile(Mutex<PathBuf>);

#[derive(Debug, Default, Deserialize, Serialize)]
struct Tenant {
    edges: Vec<EdgeRow>,
    last_version: u64,
    rows: Vec<FoundRow>,
}

struct Transaction<'a> {
    path: MutexGuard<'a, PathBuf>,
    tenant: Tenant,
    tenants: BTreeMap<String, Tenant>,
    tenant_id: &'a str,
}

impl SimpleTransaction for Transaction<'_> {
    async fn commit(mut self) -> Result<(), RowsError> {
        self.tenants.insert(self.tenant_id.to_owned(), self.tenant);
        let text = serde_json::to_vec(&self.tenants).map_err(StoreError::backend)?;
        // The file has its old text or its new one, even after a crash.
        let new = self.path.with_extension("new");
        let written = fs::write(&new, text).and_then(|()| fs::File::open(&new)?.sync_all());
        let renamed = written.and_then(|()| fs::rename(&new, &*self.path));
        Ok(renamed.map_err(StoreError::unavailable)?)
    }

    // All rows and edges, of which the library takes those that it needs.
    async fn find(&mut self, _: &LookupBy) -> Result<Vec<FoundRow>, RowsError> {
        Ok(self.tenant.rows.clone())
    }

    async fn edges(&mut self, _: &EdgesBy) -> Result<Vec<EdgeRow>, RowsError> {
        Ok(self.tenant.edges.clone())
    }

    async fn put(&mut self, row: &ResourceRow) -> Result<FoundRow, RowsError> {
        self.tenant.last_version += 1;
        let mut found = FoundRow::from(row.clone());
        found.head.version = Version::from(self.tenant.last_version);
        self.tenant.rows.retain(|known| known.head.id != row.id);
        self.tenant.rows.push(found.clone());
        Ok(found)
    }

    async fn remove(&mut self, row: &RowRef) -> Result<(), RowsError> {
        self.tenant.rows.retain(|known| known.head.id != row.id);
        Ok(())
    }

    async fn link(&mut self, edges: &NewMembers) -> Result<(), RowsError> {
        for member in &edges.members {
            let (list, member) = (edges.list.clone(), member.clone());
            self.tenant.edges.push(EdgeRow { list, member });
        }
        Ok(())
    }

    async fn unlink(&mut self, edges: &Members) -> Result<(), RowsError> {
        let Members { list, targets } = edges;
        let is_kept = |edge: &EdgeRow| edge.list != *list || !targets.contains(&edge.member.id);
        self.tenant.edges.retain(is_kept);
        Ok(())
    }
}

impl SimpleDatabase for JsonFile {
    type Transaction<'a> = Transaction<'a>;

    async fn begin<'a>(
        &'a self,
        context: &'a RequestContext,
        _: TransactionMode,
    ) -> Result<Transaction<'a>, RowsError> {
        let path = self.0.lock().await;
        let text = fs::read(&*path).map_err(StoreError::unavailable)?;
        let tenants = serde_json::from_slice(&text).map_err(StoreError::backend)?;
        let mut tenants: BTreeMap<String, Tenant> = tenants;
        let tenant_id = context.tenant.as_str();
        Ok(Transaction {
            path,
            tenant: tenants.remove(tenant_id).unwrap_or_default(),
            tenants,
            tenant_id,
        })
    }

    fn support(&self, _: &ResourceType) -> Capabilities {
        Capabilities::full()
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this is the program's output")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("the path of a file is missing")?;
    if !fs::exists(&path)? {
        fs::write(&path, "{}")?;
    }
    let store = RowStore::new(Simple::new(JsonFile(Mutex::new(path.into()))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}/scim/v2", listener.local_addr()?);
    let token = Token::generate()?;
    println!(
        "curl -i -H 'Authorization: Bearer {}' '{base_url}/Users'",
        token.reveal()
    );
    let server = Server::new(Arc::new(store), Settings::new(base_url));
    let server = server.with_authentication(BearerTokens::new([token.digest()]));
    let app: axum::Router = scimkit::axum::router("/scim/v2", server);
    Ok(axum::serve(listener, app).await?)
}

#[cfg(test)]
mod tests;
