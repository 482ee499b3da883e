//! The flags of every example that serves SCIM below `/scim/v2`: schemas, policies and authentication.

mod access;
#[path = "../../../crates/scimkit-cli/src/files.rs"]
pub(crate) mod files;
mod welcome;

use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use access::Authenticator;
use clap::{Args, ValueEnum};
use scimkit::{
    Registry, Server, Settings, Store, TenantStore, Token, Tolerance, UnknownMemberPolicy,
    provision::{ConnectionAuthenticator, TenantAdmin},
};
use tokio::net::TcpListener;

/// Why the server does not start.
pub(crate) type Problem = Box<dyn Error>;

#[derive(Debug, Args)]
pub(crate) struct ScimFlags {
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

impl ScimFlags {
    /// Returns the settings of an endpoint at that address.
    pub(crate) fn settings(&self, listener: &TcpListener) -> Result<Settings, Problem> {
        let mut settings = Settings::new(self.base_url(listener)?);
        settings.registry = self.registry()?.into();
        settings.tolerance = self.tolerance()?;
        settings.policy.unknown_members = self.unknown_members();
        Ok(settings)
    }

    /// Returns the server, which accepts the tokens of the store or that of this run, and the administration of tokens. Prints
    /// what an administrator needs.
    ///
    /// Creates the first token; each run has its own if the data end with the process.
    pub(crate) async fn service<S: Store + TenantStore>(
        &self,
        store: Arc<S>,
        settings: Settings,
        is_for_this_run: bool,
    ) -> Result<(Server, TenantAdmin), Problem> {
        let administration = TenantAdmin::new(store.clone());
        let source = access::token_source(&administration, self.token()?, is_for_this_run).await?;
        welcome::print(&settings.base_url, &source);
        let authenticator = Authenticator {
            gate: ConnectionAuthenticator::new(store.clone(), settings.clone()),
            given: self.token()?.map(|token| token.digest()),
        };
        let server = Server::new(store, settings).with_authentication(authenticator);
        Ok((server, administration))
    }

    /// Returns the start of `meta.location` and `$ref`.
    fn base_url(&self, listener: &TcpListener) -> Result<String, Problem> {
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

    /// Returns the token that was given for this run.
    fn token(&self) -> Result<Option<Token>, Problem> {
        let given = self.token.as_deref().map(Token::from_secret).transpose();
        given.map_err(|error| format!("--token: {error}").into())
    }

    fn registry(&self) -> Result<Registry, Problem> {
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

    fn tolerance(&self) -> Result<Tolerance, Problem> {
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

    fn unknown_members(&self) -> UnknownMemberPolicy {
        match self.unknown_members {
            MemberPolicy::Accept => UnknownMemberPolicy::Accept,
            MemberPolicy::Reject => UnknownMemberPolicy::Reject,
        }
    }
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

pub(crate) fn invalid(path: &Path, problem: impl Into<Problem>) -> Problem {
    InvalidFile {
        path: path.to_owned(),
        problem: problem.into(),
    }
    .into()
}
