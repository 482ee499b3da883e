//! Who may provision: the connection `default` of the tenant `default`.

use std::sync::Arc;

use axum::http::request::Parts;
use scimkit::{
    Authenticate, ConnectionId, Denied, Digest, Identity, Scopes, Settings, Tenancy, TenantId,
    Token,
    core::AuthenticationScheme,
    credentials,
    provision::{Administration, Clock, Error, Gate, NewToken, Rules},
    store::BoxFuture,
};
use subtle::ConstantTimeEq;

use crate::options::{Options, Problem};

/// Where the token comes from that opens the endpoint.
pub(crate) enum TokenSource {
    Given,
    Kept,
    Made(Token),
    MadeForThisRun(Token),
    /// All there are is revoked or expired.
    Over,
}

/// The gate, or a door of its own for the token that was given for this run.
#[derive(Debug)]
pub(crate) struct Door {
    gate: Gate,
    given: Option<Digest>,
}

impl Door {
    /// Makes tenant, connection and token where there are none.
    pub(crate) async fn build(
        options: &Options,
        tenancy: Arc<dyn Tenancy>,
        settings: Settings,
    ) -> Result<(Door, TokenSource), Problem> {
        let administration = Administration::new(Arc::clone(&tenancy));
        set_up(&administration).await?;
        let given = options.token()?;
        let source = match (&given, options.is_for_this_run()) {
            (Some(_), _) => TokenSource::Given,
            (None, true) => TokenSource::MadeForThisRun(issue(&administration).await?),
            (None, false) => kept_or_made(&administration).await?,
        };
        let gate = Gate::new(tenancy, settings);
        let given = given.map(|token| token.digest());
        Ok((Door { gate, given }, source))
    }

    async fn let_in(&self, head: &Parts) -> Result<Identity, Denied> {
        let Some(given) = &self.given else {
            return self.gate.authenticate(head).await;
        };
        let sent = Digest::of(credentials(head, "Bearer")?.as_bytes());
        if !bool::from(sent.as_bytes().ct_eq(given.as_bytes())) {
            return Err(Denied::Unauthorized);
        }
        let (tenant, connection) = (TenantId::default(), ConnectionId::default());
        let identity = self.gate.identify(head, &tenant, &connection, Scopes::ALL);
        identity.await
    }
}

impl Authenticate for Door {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, Denied>> {
        Box::pin(self.let_in(head))
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        self.gate.schemes()
    }
}

async fn set_up(administration: &Administration) -> Result<(), Error> {
    let (tenant, connection) = (TenantId::default(), ConnectionId::default());
    let id = tenant.as_str();
    unless_there(administration.create_tenant(id, id).await)?;
    let (id, rules) = (connection.as_str(), Rules::default());
    unless_there(
        administration
            .create_connection(&tenant, id, id, &rules)
            .await,
    )
}

fn unless_there<T>(made: Result<T, Error>) -> Result<(), Error> {
    match made {
        Err(Error::Exists { .. }) => Ok(()),
        other => other.map(drop),
    }
}

async fn issue(administration: &Administration) -> Result<Token, Error> {
    let (tenant, connection) = (TenantId::default(), ConnectionId::default());
    let new = NewToken::new("quickstart");
    let issued = administration.issue(&tenant, &connection, &new).await?;
    Ok(issued.token)
}

async fn kept_or_made(administration: &Administration) -> Result<TokenSource, Error> {
    let tokens = administration.tokens(&TenantId::default()).await?;
    let now = Clock::default().now();
    if tokens.is_empty() {
        return Ok(TokenSource::Made(issue(administration).await?));
    }
    match tokens.iter().any(|token| token.is_good_at(now)) {
        true => Ok(TokenSource::Kept),
        false => Ok(TokenSource::Over),
    }
}
