//! Authentication: the connection `default` of the tenant `default`.

use hyper::http::request::Parts;
use scimkit::{
    AuthError, Authenticate, ConnectionId, Identity, TenantId, Token, TokenDigest, TokenScopes,
    core::AuthenticationScheme,
    credentials,
    provision::{AdminError, Clock, ConnectionAuthenticator, NewToken, TenantAdmin},
    store::BoxFuture,
};
use subtle::ConstantTimeEq;

/// The origin of the token that the server accepts.
#[derive(Debug)]
pub(crate) enum TokenSource {
    Created(Token),
    CreatedForThisRun(Token),
    /// From `--token`, with this number of characters.
    Given(usize),
    /// The stored tokens are all revoked or expired.
    Inactive,
    Stored,
}

/// Accepts the tokens of the store, or instead the token that was given for this run.
#[derive(Debug)]
pub(crate) struct Authenticator {
    pub(crate) gate: ConnectionAuthenticator,
    pub(crate) given: Option<TokenDigest>,
}

/// Creates the tenant, the connection and a token if they do not exist.
pub(crate) async fn token_source(
    administration: &TenantAdmin,
    given: Option<Token>,
    is_for_this_run: bool,
) -> Result<TokenSource, AdminError> {
    let (tenant, connection) = (TenantId::default(), ConnectionId::default());
    administration
        .ensure_connection(&tenant, &connection)
        .await?;
    if let Some(token) = given {
        Ok(TokenSource::Given(token.reveal().len()))
    } else if is_for_this_run {
        let token = create_token(administration).await?;
        Ok(TokenSource::CreatedForThisRun(token))
    } else {
        stored_or_created(administration).await
    }
}

impl Authenticator {
    async fn identity(&self, head: &Parts) -> Result<Identity, AuthError> {
        let Some(given) = &self.given else {
            return self.gate.authenticate(head).await;
        };
        let sent = TokenDigest::new(credentials(head, "Bearer")?.as_bytes());
        if !bool::from(sent.as_bytes().ct_eq(given.as_bytes())) {
            return Err(AuthError::Unauthorized("unknown token"));
        }
        let tenant = TenantId::default();
        let connection = ConnectionId::default();
        let identity = self
            .gate
            .identity_for(head, &tenant, &connection, TokenScopes::ALL);
        identity.await
    }
}

impl Authenticate for Authenticator {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        Box::pin(self.identity(head))
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        self.gate.schemes()
    }
}

async fn create_token(administration: &TenantAdmin) -> Result<Token, AdminError> {
    let tenant = TenantId::default();
    let connection = ConnectionId::default();
    let new = NewToken::new("quickstart");
    let issued = administration
        .create_token(&tenant, &connection, &new)
        .await?;
    Ok(issued.token)
}

async fn stored_or_created(administration: &TenantAdmin) -> Result<TokenSource, AdminError> {
    let tokens = administration.tokens(&TenantId::default()).await?;
    let now = Clock::default().now();
    if tokens.is_empty() {
        return Ok(TokenSource::Created(create_token(administration).await?));
    }
    let has_valid = tokens.iter().any(|token| token.is_valid_at(now));
    Ok(if has_valid {
        TokenSource::Stored
    } else {
        TokenSource::Inactive
    })
}
