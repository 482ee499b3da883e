//! The command line of the quickstart, and what it says to the administrator.

use std::{error::Error, fs, net::SocketAddr, path::PathBuf, str::FromStr, sync::Arc};

use clap::{Parser, ValueEnum};
use scimkit::{Digest, Memory, Registry, Sqlite, Store, Token, Tolerance, UnknownMembers};
use tracing_subscriber::EnvFilter;

/// A SCIM 2.0 endpoint to provision into.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(crate) listen: String,

    /// Where the data are kept: `sqlite:PATH` or `memory`.
    #[arg(long, default_value = "sqlite:scimkit.sqlite", value_name = "STORE")]
    store: StoreChoice,

    /// Bearer token to accept; one is made when there is none.
    #[arg(long, value_name = "SECRET")]
    token: Option<String>,

    /// URL that the identity provider sees, behind a proxy; /scim/v2 is added when it has no path.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,

    /// JSON file of further schemas (RFC 7643 section 7); may be repeated.
    #[arg(long, value_name = "FILE")]
    schemas: Vec<PathBuf>,

    /// JSON file of further resource types (RFC 7643 section 6); may be repeated.
    #[arg(long, value_name = "FILE")]
    resource_types: Vec<PathBuf>,

    /// What is accepted beyond the RFC.
    #[arg(long, value_enum, default_value = "default")]
    profile: Profile,

    /// What to do with members of a group that don't exist.
    #[arg(long, value_enum, default_value = "refuse")]
    unknown_members: MemberPolicy,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Profile {
    Default,
    Strict,
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

/// A store and the tokens that open the endpoint.
pub(crate) struct Opened {
    pub(crate) new_token: Option<Token>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) token_digests: Vec<Digest>,
}

impl Options {
    pub(crate) fn base_url(&self, address: SocketAddr) -> String {
        let url = match &self.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("http://{address}"),
        };
        let authority = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        if authority.contains('/') {
            url
        } else {
            format!("{url}/scim/v2")
        }
    }

    pub(crate) fn log_filter(&self) -> EnvFilter {
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"))
    }

    pub(crate) async fn open_store(&self) -> Result<Opened, Box<dyn Error>> {
        let given = self.token.as_deref().map(Token::from_secret).transpose()?;
        let (store, kept): (Arc<dyn Store>, _) = match &self.store {
            StoreChoice::Memory => (Arc::new(Memory::new()), Vec::new()),
            StoreChoice::Sqlite(path) => {
                let store = Sqlite::open(path)?;
                let mut kept = store.token_digests().await?;
                if given.is_none() && kept.is_empty() {
                    let token = Token::generate()?;
                    store
                        .add_token_digest(*token.digest().as_bytes(), chrono::Utc::now())
                        .await?;
                    kept.push(*token.digest().as_bytes());
                    return Ok(Opened {
                        new_token: Some(token),
                        store: Arc::new(store),
                        token_digests: kept.into_iter().map(Digest::from).collect(),
                    });
                }
                (Arc::new(store), kept)
            }
        };
        let new_token = match given {
            None if kept.is_empty() => Some(Token::generate()?),
            other => other,
        };
        let token_digests = match &new_token {
            Some(token) => vec![token.digest()],
            None => kept.into_iter().map(Digest::from).collect(),
        };
        Ok(Opened {
            new_token,
            store,
            token_digests,
        })
    }

    pub(crate) fn registry(&self) -> Result<Registry, Box<dyn Error>> {
        let mut builder = Registry::builder();
        for file in &self.schemas {
            builder = builder.schemas_json(&read(file)?)?;
        }
        for file in &self.resource_types {
            builder = builder.resource_types_json(&read(file)?)?;
        }
        Ok(builder.build()?)
    }

    pub(crate) fn tolerance(&self) -> Tolerance {
        match self.profile {
            Profile::Default => Tolerance::DEFAULT,
            Profile::Strict => Tolerance::STRICT,
        }
    }

    pub(crate) fn unknown_members(&self) -> UnknownMembers {
        match self.unknown_members {
            MemberPolicy::Accept => UnknownMembers::Accept,
            MemberPolicy::Refuse => UnknownMembers::Refuse,
        }
    }
}

fn read(file: &PathBuf) -> Result<String, Box<dyn Error>> {
    fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()).into())
}

/// What the administrator of an identity provider needs.
#[expect(clippy::print_stdout, reason = "this is the program's output")]
pub(crate) fn welcome(base_url: &str, new_token: Option<&Token>) {
    let token = new_token.map_or("TOKEN", Token::reveal);
    println!("SCIM endpoint is up.\n");
    println!("  Tenant URL    {base_url}");
    match new_token {
        Some(_) => println!("  Secret token  {token}   (shown this once; only its digest is kept)"),
        None => {
            println!("  Secret token  as shown at the first start; --token SECRET sets another")
        }
    }
    println!("\nTry it:\n  curl -H 'Authorization: Bearer {token}' '{base_url}/Users'\n");
    println!("Microsoft Entra ID: Enterprise applications > your application > Provisioning >");
    println!("  Admin Credentials: paste Tenant URL and Secret Token, then Test Connection.");
    println!(
        "Okta: Applications > your application > Provisioning > Integration: paste the tenant"
    );
    println!("  URL as SCIM connector base URL, `userName` as unique identifier, authentication");
    println!("  mode HTTP Header, and the token. Then Test Connector Configuration.\n");
    println!("Ctrl-C stops it.");
}

/// Resolves when the user presses Ctrl-C.
pub(crate) async fn ctrl_c() {
    // Without a handler there is nothing to wait for but the end of the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
