//! The command line of the quickstart.

use std::{
    error::Error,
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use clap::{Parser, ValueEnum};
use scimkit::{Memory, Registry, Sqlite, Store, Tenancy, Token, Tolerance, UnknownMembers};
use tokio::net::TcpListener;

/// A SCIM 2.0 endpoint to provision into.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    listen: String,

    /// Where the data are kept: `sqlite:PATH` or `memory`.
    #[arg(long, default_value = "sqlite:scimkit.sqlite", value_name = "STORE")]
    store: StoreChoice,

    /// Bearer token to accept in this run, instead of those that are kept; without it, one is made
    /// where there never was one. `scimkit token` lists, makes and revokes those of an SQLite file.
    #[arg(long, value_name = "SECRET")]
    token: Option<String>,

    /// URL that the identity provider sees, behind a proxy. /scim/v2 is added when it has no path;
    /// with another path the proxy must map that to /scim/v2.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,

    /// JSON file of further schemas (RFC 7643 section 7); may be repeated.
    #[arg(long, value_name = "FILE")]
    schemas: Vec<PathBuf>,

    /// JSON file of further resource types (RFC 7643 section 6); may be repeated.
    #[arg(long, value_name = "FILE")]
    resource_types: Vec<PathBuf>,

    /// What is accepted beyond the RFC: `default`, `strict`, `entra`, `entra-aad-opt-scim-062020`,
    /// `okta`, `onelogin`, `jumpcloud`, or a JSON file such as {"profile": "entra", "blanks": true}.
    #[arg(long, default_value = "default", value_name = "NAME|FILE")]
    profile: String,

    /// Folder to keep what the provider sent in, at the end and without what it tells of anybody:
    /// a file that `scimkit replay` plays.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) record: Option<PathBuf>,

    /// What to do with members of a group that don't exist.
    #[arg(long, value_enum, default_value = "refuse")]
    unknown_members: MemberPolicy,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MemberPolicy {
    Accept,
    Refuse,
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
            _ => Err("a store is `sqlite:PATH` or `memory`"),
        }
    }
}

/// What can go wrong before the endpoint is up.
pub(crate) type Problem = Box<dyn Error>;

/// What keeps the resources, and what keeps who may provision: one and the same.
pub(crate) struct Kept {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tenancy: Arc<dyn Tenancy>,
}

impl<S: Store + Tenancy> From<S> for Kept {
    fn from(both: S) -> Self {
        let both = Arc::new(both);
        Kept {
            store: both.clone(),
            tenancy: both,
        }
    }
}

impl Options {
    pub(crate) async fn listen(&self) -> Result<TcpListener, Problem> {
        let bound = TcpListener::bind(&self.listen).await;
        bound.map_err(|e| format!("can't listen on {}: {e}", self.listen).into())
    }

    /// What `meta.location` and `$ref` start with.
    pub(crate) fn base_url(&self, listener: &TcpListener) -> Result<String, Problem> {
        let Some(url) = &self.public_url else {
            return Ok(format!("http://{}/scim/v2", listener.local_addr()?));
        };
        let bad = || format!("--public-url `{url}` is not a URL such as https://app.example");
        let uri: axum::http::Uri = url.parse().map_err(|_| bad())?;
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

    pub(crate) fn open(&self) -> Result<Kept, Problem> {
        match &self.store {
            StoreChoice::Memory => Ok(Memory::new().into()),
            StoreChoice::Sqlite(path) => {
                let opened = Sqlite::open(path).map_err(|e| unusable(path, e))?;
                Ok(opened.into())
            }
        }
    }

    /// Whether what is kept is gone with the process.
    pub(crate) fn is_for_this_run(&self) -> bool {
        matches!(self.store, StoreChoice::Memory)
    }

    /// The token of this run, where one is given.
    pub(crate) fn token(&self) -> Result<Option<Token>, Problem> {
        let given = self.token.as_deref().map(Token::from_secret).transpose();
        given.map_err(|e| format!("--token: {e}").into())
    }

    pub(crate) fn registry(&self) -> Result<Registry, Problem> {
        let mut builder = Registry::builder();
        for path in &self.schemas {
            builder = builder
                .schemas_json(&read(path)?)
                .map_err(|e| unusable(path, e))?;
        }
        for path in &self.resource_types {
            builder = builder
                .resource_types_json(&read(path)?)
                .map_err(|e| unusable(path, e))?;
        }
        Ok(builder.build()?)
    }

    pub(crate) fn tolerance(&self) -> Result<Tolerance, Problem> {
        let path = Path::new(&self.profile);
        match Tolerance::named(&self.profile) {
            Some(profile) => Ok(profile),
            None if !path.exists() => {
                let names = Tolerance::PROFILES.map(|profile| profile.profile());
                let names = names.join(", ");
                Err(format!("--profile: no file, and none of {names}: {}", self.profile).into())
            }
            None => serde_json::from_str(&read(path)?).map_err(|e| unusable(path, e)),
        }
    }

    pub(crate) fn unknown_members(&self) -> UnknownMembers {
        match self.unknown_members {
            MemberPolicy::Accept => UnknownMembers::Accept,
            MemberPolicy::Refuse => UnknownMembers::Refuse,
        }
    }
}

/// A file that can't be used, with the reason as its cause.
#[derive(Debug)]
struct Unusable {
    path: PathBuf,
    problem: Problem,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} can't be used", self.path.display())
    }
}

impl Error for Unusable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.problem)
    }
}

fn unusable(path: &Path, problem: impl Into<Problem>) -> Problem {
    Unusable {
        path: path.to_owned(),
        problem: problem.into(),
    }
    .into()
}

fn read(path: &Path) -> Result<String, Problem> {
    fs::read_to_string(path).map_err(|e| unusable(path, e))
}
