//! What the products of the guides share: tables of their own, a SCIM endpoint with staged delivery, and the runner that
//! delivers from one to the other.

#[path = "../setup/flags/mod.rs"]
mod flags;
mod tables;
#[cfg(test)]
pub(crate) mod testing;

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use axum::Router;
use clap::Parser;
use flags::{Problem, ScimFlags};
use scimkit::{
    Mapping, MemoryStore, Registry, RequestContext, Settings, SqliteStore, TableStore, TenantId,
    core::Mutability,
    provision::{
        ConnectionSettings, NewToken, TenantAdmin,
        sync::{Directory, StoreDirectory, SyncRunner, SyncStore},
    },
    registry::RegistryBuilder,
    store::ConnectionId,
    tables::RusqliteDriver,
};
use serde_json::{Value, json};
pub(crate) use tables::Tables;
use tokio::{net::TcpListener, signal, sync::watch};

/// The attribute for the name of a manager, which some identity providers send although the RFC makes it read-only.
const MANAGER_NAME: &str =
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName";

/// What is special about one product.
pub(crate) struct Product {
    /// The columns of people besides those of every product.
    pub(crate) columns: &'static str,
    /// The mapping of a new connection.
    pub(crate) mapping: &'static str,
    /// The name.
    pub(crate) name: &'static str,
    /// The tenants besides `default`, each with a connection of its own.
    pub(crate) organizations: &'static [&'static str],
    /// The pages that only this product has.
    pub(crate) pages: fn(Tables) -> Router,
    /// The resource types of the endpoint.
    pub(crate) resource_types: &'static str,
    /// The schemas of the endpoint, besides those of the RFC.
    pub(crate) schemas: &'static str,
    /// The settings of a new connection.
    pub(crate) settings: &'static str,
    /// The mapping of the tables.
    pub(crate) tables: &'static str,
}

#[derive(Debug, Parser)]
struct Options {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: String,

    /// Store of the provisioned state: `sqlite:PATH`, with the tables of the product in the same file, or `memory`
    #[arg(long, default_value = "memory", value_name = "STORE")]
    store: StoreChoice,

    /// How many people can use the product at the same time
    #[arg(long, value_name = "N")]
    seats: Option<u64>,

    #[command(flatten)]
    scim: ScimFlags,
}

#[derive(Debug, Clone)]
enum StoreChoice {
    Memory,
    Sqlite(PathBuf),
}

impl FromStr for StoreChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(StoreChoice::Sqlite(path.into())),
            _ if text == "memory" => Ok(StoreChoice::Memory),
            _ => Err("expected `sqlite:PATH` or `memory`"),
        }
    }
}

/// Runs a product until Ctrl-C.
pub(crate) async fn run(product: &Product) -> Result<(), Problem> {
    let options = Options::parse();
    let listener = TcpListener::bind(&options.listen).await?;
    match &options.store {
        StoreChoice::Memory => {
            let store = Arc::new(MemoryStore::new());
            serve(product, &options, listener, store, None).await
        }
        StoreChoice::Sqlite(path) => {
            let store = Arc::new(SqliteStore::open(path)?);
            serve(product, &options, listener, store, Some(path)).await
        }
    }
}

async fn serve<S: SyncStore>(
    product: &Product,
    options: &Options,
    listener: TcpListener,
    store: Arc<S>,
    path: Option<&Path>,
) -> Result<(), Problem> {
    let Parts { app, runner, .. } = parts(product, options, &listener, store, path).await?;
    print_walk_through(product, &listener, path)?;
    let (stopping, mut stopped) = watch::channel(());
    let runs = tokio::spawn(runner.run(async move {
        drop(stopped.changed().await);
    }));
    let stop = async move {
        drop(signal::ctrl_c().await);
        drop(stopping);
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await?;
    Ok(runs.await?)
}

/// What serves a product.
pub(crate) struct Parts {
    pub(crate) app: Router,
    pub(crate) runner: SyncRunner,
}

async fn parts<S: SyncStore>(
    product: &Product,
    options: &Options,
    listener: &TcpListener,
    store: Arc<S>,
    path: Option<&Path>,
) -> Result<Parts, Problem> {
    let mut settings = options.scim.settings(listener)?;
    settings.registry = product.registry()?.build()?.into();
    let (server, admin) = options
        .scim
        .service(store.clone(), settings.clone(), path.is_none())
        .await?;
    product.configure(&admin, &settings).await?;
    let tables = Tables::open(path, product.columns)?;
    let directory = product.directory(&tables, options.seats).await?;
    Ok(Parts {
        app: tables
            .router()
            .merge(scimkit::axum::router("/scim/v2", server))
            .merge((product.pages)(tables)),
        runner: SyncRunner::new(store, settings, move |tenant| Some(directory(tenant))),
    })
}

impl Product {
    fn registry(&self) -> Result<RegistryBuilder, Problem> {
        let builder = Registry::builder()
            .schemas_json(self.schemas)?
            .resource_types_json(self.resource_types)?;
        Ok(builder.characteristics(MANAGER_NAME, |attribute| {
            attribute.mutability = Mutability::ReadWrite;
        })?)
    }

    /// Gives the connection of each tenant staged delivery in test mode, unless it has its settings already. Prints a token
    /// for each organization.
    async fn configure(&self, admin: &TenantAdmin, settings: &Settings) -> Result<(), Problem> {
        let id = ConnectionId::default();
        let organizations = self.organizations.iter().map(|id| TenantId::from(*id));
        for tenant in [TenantId::default()].into_iter().chain(organizations) {
            admin.ensure_connection(&tenant, &id).await?;
            let connection = admin.connection(&tenant, &id).await?;
            if connection.revision > 1 {
                continue;
            }
            let mut own = ConnectionSettings::from_json(self.settings)?;
            own.mapping = Some(self.mapping.to_owned());
            own.apply_to(settings, &Mapping::builder())?;
            admin
                .change_connection(&connection, self.name, &own)
                .await?;
            if tenant != TenantId::default() {
                let token = admin
                    .create_token(&tenant, &id, &NewToken::new("first"))
                    .await?;
                print_token(&tenant, token.token.reveal());
            }
        }
        Ok(())
    }

    /// Makes the tables of the product a directory for each tenant. Their schemas have an extension for what no identity provider sends.
    async fn directory(
        &self,
        tables: &Tables,
        seats: Option<u64>,
    ) -> Result<impl Fn(&TenantId) -> Arc<dyn Directory> + Send + Sync + 'static, Problem> {
        let mut types: Value = serde_json::from_str(self.resource_types)?;
        for kind in types.as_array_mut().into_iter().flatten() {
            let extensions = kind.get_mut("schemaExtensions");
            if let Some(extensions) = extensions.and_then(Value::as_array_mut) {
                let own = json!({"schema": "urn:example:product:2.0:User", "required": false});
                extensions.push(own);
            }
        }
        let builder = self
            .registry()?
            .schemas_json(include_str!("schemas.json"))?;
        let registry = Arc::new(builder.resource_types_json(&types.to_string())?.build()?);
        let mut settings = Settings::new("https://product.example");
        settings.registry = Arc::clone(&registry);
        let driver = RusqliteDriver::open(tables.path())?;
        let mapping = Mapping::builder().text(self.tables);
        let fields = Arc::new(mapping.clone().build(&registry)?);
        let (store, settings) = TableStore::builder(driver, mapping).open(settings).await?;
        let settings = Arc::new(settings);
        Ok(move |tenant: &TenantId| {
            let context = RequestContext::new(tenant.clone(), Arc::clone(&settings));
            let directory = StoreDirectory::new(store.clone(), context, Arc::clone(&fields))
                .with_protected(|person| person.fields.get("admin") == Some(&Value::Bool(true)));
            let directory = match seats {
                Some(seats) => directory.with_capacity(seats),
                None => directory,
            };
            Arc::new(directory) as Arc<dyn Directory>
        })
    }
}

#[expect(clippy::print_stdout, reason = "this is the program's output")]
fn print_token(tenant: &TenantId, token: &str) {
    println!("Secret token of the organization `{tenant}`: {token}   (shown only once)");
}

#[expect(clippy::print_stdout, reason = "this is the program's output")]
fn print_walk_through(
    product: &Product,
    listener: &TcpListener,
    path: Option<&Path>,
) -> Result<(), Problem> {
    let address = listener.local_addr()?;
    let name = product.name;
    println!(
        "
{name}: what the product sees is at http://{address}/product/users.json and /product/groups.json."
    );
    let Some(path) = path else {
        println!("Start it with --store sqlite:FILE to use the commands of `scimkit` beside it.");
        return Ok(());
    };
    let path = path.display();
    println!(
        "Its connection is in test mode: requests are accepted, and nothing of the product changes. Go on with:

  export SCIMKIT_STORE=sqlite:{path}
  scimkit sync now                 ask for a report, and print the id of its run
  scimkit sync runs                list the runs
  scimkit sync report RUN          who would be created, changed and archived, and why
  scimkit exemption import FILE    CSV with Email and Provisioning Managed
  scimkit sync compare RUN RUN     whether two reports are settled
  scimkit connection update test_mode=false
                                   go live: the next run delivers (--unsettled: before they are settled)
  scimkit sync approve RUN         let a run go on that a guard has blocked"
    );
    Ok(())
}
