//! The command line of the quickstarts.

use std::{
    error::Error,
    fmt,
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use clap::{Parser, ValueEnum};
use scimkit::{
    MemoryStore, Registry, SqliteStore, Store, TenantStore, Token, Tolerance, UnknownMemberPolicy,
};
use tokio::net::TcpListener;

use super::{Problem, files};

/// Run a SCIM 2.0 endpoint that identity providers can provision users and groups to
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: String,

    /// Store of users, groups and tokens: `sqlite:PATH` or `memory`
    #[arg(long, default_value = "sqlite:scimkit.sqlite", value_name = "STORE")]
    store: StoreChoice,

    /// Bearer token to accept in this run instead of the stored ones. By default the first start creates one;
    /// `scimkit token` lists, creates and revokes those of an SQLite file
    #[arg(long, value_name = "SECRET")]
    token: Option<String>,

    /// URL at which the identity provider reaches this server, such as `https://scim.example.com`. Without a path,
    /// /scim/v2 is added; a proxy has to map any other path to /scim/v2
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,

    /// JSON file of schemas (RFC 7643 section 7), added to those of the RFC; repeatable
    #[arg(long, value_name = "FILE")]
    schemas: Vec<PathBuf>,

    /// JSON file of resource types (RFC 7643 section 6), added to User and Group or replacing them; repeatable
    #[arg(long, value_name = "FILE")]
    resource_types: Vec<PathBuf>,

    /// Deviations from the RFC to accept: `default`, `strict`, `entra`, `entra-aad-opt-scim-062020`, `okta`,
    /// `onelogin`, `jumpcloud`, or a JSON file such as {"profile": "entra", "extra_whitespace": true}
    #[arg(long, default_value = "default", value_name = "NAME|FILE")]
    profile: String,

    /// Save an anonymised recording of the traffic to this folder at the end, for `scimkit replay`
    #[arg(long, value_name = "FOLDER")]
    pub(crate) record: Option<PathBuf>,

    /// Address at which to serve metrics as Prometheus text, at /metrics
    #[arg(long, value_name = "ADDR")]
    metrics: Option<String>,

    /// Whether groups may have members that do not exist
    #[arg(long, value_enum, default_value = "reject")]
    unknown_members: MemberPolicy,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MemberPolicy {
    Accept,
    #[value(alias = "refuse")]
    Reject,
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
            Some(path) if path.starts_with("//") => {
                Err("expected `sqlite:PATH`, without `//` before the path")
            }
            Some(path) if !path.is_empty() => Ok(StoreChoice::Sqlite(path.into())),
            _ if text == "memory" => Ok(StoreChoice::Memory),
            _ => Err("expected `sqlite:PATH` or `memory`"),
        }
    }
}

/// One store, for resources and for tenants.
pub(crate) struct OpenedStore {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tenants: Arc<dyn TenantStore>,
}

impl<S: Store + TenantStore> From<S> for OpenedStore {
    fn from(both: S) -> Self {
        let both = Arc::new(both);
        OpenedStore {
            store: both.clone(),
            tenants: both,
        }
    }
}

impl Options {
    pub(crate) async fn listen(&self) -> Result<TcpListener, Problem> {
        bind(&self.listen, "--listen").await
    }

    /// Returns the listener for metrics, if there is one.
    pub(crate) async fn listen_for_metrics(&self) -> Result<Option<TcpListener>, Problem> {
        match &self.metrics {
            Some(address) => bind(address, "--metrics").await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns the start of `meta.location` and `$ref`.
    pub(crate) fn base_url(&self, listener: &TcpListener) -> Result<String, Problem> {
        let Some(url) = &self.public_url else {
            return Ok(format!("http://{}/scim/v2", listener.local_addr()?));
        };
        let bad =
            || format!("invalid --public-url `{url}`: expected a URL such as https://app.example");
        let uri: hyper::Uri = url.parse().map_err(|_| bad())?;
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        if !web || uri.authority().is_none() || uri.query().is_some() || url.contains('#') {
            return Err(bad().into());
        }
        let url = url.trim_end_matches('/');
        Ok(if uri.path() == "/" {
            format!("{url}/scim/v2")
        } else {
            url.to_owned()
        })
    }

    pub(crate) fn open(&self) -> Result<OpenedStore, Problem> {
        match &self.store {
            StoreChoice::Memory => Ok(MemoryStore::new().into()),
            StoreChoice::Sqlite(path) => {
                let opened = SqliteStore::open(path).map_err(|error| -> Problem {
                    match files::explain_database(path) {
                        Some(problem) => format!("can't open the store: {problem}").into(),
                        None => invalid(path, error),
                    }
                })?;
                Ok(opened.into())
            }
        }
    }

    /// Creates the folder for the recording, and checks early that files can be written to it.
    pub(crate) fn prepare_recording(&self) -> Result<(), Problem> {
        let Some(folder) = &self.record else {
            return Ok(());
        };
        let probe = folder.join(".scimkit-quickstart");
        fs::create_dir_all(folder)
            .and_then(|()| {
                OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .open(&probe)
            })
            .and_then(|_| fs::remove_file(&probe))
            .map_err(|error| format!("can't record: {}", files::explain(folder, &error)).into())
    }

    /// Returns whether the data end with the process.
    pub(crate) fn is_for_this_run(&self) -> bool {
        matches!(self.store, StoreChoice::Memory)
    }

    /// Returns the token that was given for this run.
    pub(crate) fn token(&self) -> Result<Option<Token>, Problem> {
        let given = self.token.as_deref().map(Token::from_secret).transpose();
        given.map_err(|error| format!("--token: {error}").into())
    }

    pub(crate) fn registry(&self) -> Result<Registry, Problem> {
        let mut builder = Registry::builder();
        for path in &self.schemas {
            builder = builder
                .schemas_json(&files::read(path)?)
                .map_err(|error| invalid(path, error))?;
        }
        for path in &self.resource_types {
            builder = builder
                .resource_types_json(&files::read(path)?)
                .map_err(|error| invalid(path, error))?;
        }
        Ok(builder.build()?)
    }

    pub(crate) fn tolerance(&self) -> Result<Tolerance, Problem> {
        let path = Path::new(&self.profile);
        match Tolerance::from_profile(&self.profile) {
            Some(profile) => Ok(profile),
            None if !path.exists() => {
                let names = Tolerance::PROFILES.map(|profile| profile.profile());
                let names = names.join(", ");
                Err(format!(
                    "invalid --profile `{}`: expected a file, or one of {names}",
                    self.profile
                )
                .into())
            }
            None => serde_json::from_str(&files::read(path)?).map_err(|error| invalid(path, error)),
        }
    }

    pub(crate) fn unknown_members(&self) -> UnknownMemberPolicy {
        match self.unknown_members {
            MemberPolicy::Accept => UnknownMemberPolicy::Accept,
            MemberPolicy::Reject => UnknownMemberPolicy::Reject,
        }
    }
}

async fn bind(address: &str, option: &str) -> Result<TcpListener, Problem> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| {
        format!("can't listen on {address}: {error}; use {option} for another address").into()
    })
}

/// A file with invalid content; the reason is its source.
#[derive(Debug)]
struct InvalidFile {
    path: PathBuf,
    problem: Problem,
}

impl fmt::Display for InvalidFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` can't be used", self.path.display())
    }
}

impl Error for InvalidFile {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.problem)
    }
}

fn invalid(path: &Path, problem: impl Into<Problem>) -> Problem {
    InvalidFile {
        path: path.to_owned(),
        problem: problem.into(),
    }
    .into()
}
