//! Authentication by the tokens of connections.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::request::Parts;
use scimkit_core::AuthenticationScheme;
use scimkit_mapping::MappingBuilder;
use scimkit_server::{Access, AuthError, Authenticate, Identity, TokenDigest, credentials};
use scimkit_store::{
    BoxFuture, Connection, ConnectionId, FoundToken, Settings, StoreError, TenantId, TenantStore,
    TokenRecord, TokenScopes,
};
use subtle::{Choice, ConstantTimeEq};

use crate::{
    Clock,
    cache::{Base, Cache},
    tenant_location::{Forwarded, TenantLocation},
    token_use_recorder::TokenUseRecorder,
};

/// Authenticates requests by the bearer tokens of a tenant's connections.
///
/// - The token identifies the connection. It is looked up for every request, so a revocation, an expiry or a
///   change takes effect with the next request, in every process.
/// - If the base URL of the settings contains `{tenant}`, that stands for the tenant id: in the path
///   (`https://app.example/tenants/{tenant}/scim/v2`, with
///   [`Server::with_prefix`](scimkit_server::Server::with_prefix)) or in the host name
///   (`https://{tenant}.app.example/scim/v2`, compared with the authority of the request or its `Host`, whatever
///   the port). A token is then valid only for the URL of its own tenant.
/// - Unknown, revoked, replaced and expired tokens and those of other tenants get the same 401, after the same lookup.
///   Only the log has the reason.
/// - A connection acts under its [`ConnectionSettings`](crate::ConnectionSettings). The scopes of the token limit the
///   [`Access`](scimkit_server::Access).
/// - The last use of a token is recorded at most once a minute. A request waits for that for a fifth of a second at
///   most, and never fails because of it.
///
/// # Errors
/// - [`AuthError::Unauthorized`]: the request has no valid token for its URL
/// - [`AuthError::ConnectionDisabled`]: the token is valid, but its connection is disabled
/// - [`AuthError::InvalidSettings`]: the token is valid, but the settings of its connection are invalid; this is
///   logged once per settings text, not for every request
/// - [`AuthError::Importing`]: an import of the token's tenant is not complete
/// - [`AuthError::Unavailable`]: the tenant store is busy or fails
///
/// # Example
/// See the [front page](crate).
#[derive(Debug)]
pub struct ConnectionAuthenticator {
    base: Base,
    cache: Cache,
    clock: Clock,
    tenancy: Arc<dyn TenantStore>,
    uses: TokenUseRecorder,
}

impl ConnectionAuthenticator {
    /// Creates an authenticator for the connections in a tenant store, with the settings that theirs are based on.
    #[must_use]
    pub fn new(tenancy: Arc<dyn TenantStore>, settings: Settings) -> Self {
        ConnectionAuthenticator {
            base: Base {
                mappings: MappingBuilder::default(),
                place: TenantLocation::of(&settings.base_url),
                settings,
            },
            cache: Cache::default(),
            clock: Clock::default(),
            tenancy,
            uses: TokenUseRecorder::default(),
        }
    }

    /// Trusts `X-Forwarded-Host`, if a request has it, for the host name.
    ///
    /// - Use it only behind a proxy that sets or removes this header: otherwise every client can choose its value.
    /// - If it contains several hosts (`a.app.example, proxy.internal`, or several such headers), the first one
    ///   counts: later proxies append their own.
    #[must_use]
    pub fn with_trusted_forwarded_host(mut self) -> Self {
        self.base.place = self.base.place.with_forwarded(Forwarded::Trusted);
        self
    }

    /// Sets the application's own transforms, which the mappings of connections may name.
    #[must_use]
    pub fn with_mappings(mut self, mappings: MappingBuilder) -> Self {
        self.base.mappings = mappings;
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the identity of a caller whom the application authenticated by other means, as if the request used
    /// a token of this connection with these scopes. Call it at the end of your own [`Authenticate`].
    ///
    /// # Errors
    /// Those of [`ConnectionAuthenticator`]; [`AuthError::Unauthorized`] also for an unknown connection.
    pub async fn identity_for(
        &self,
        head: &Parts,
        tenant: &TenantId,
        connection: &ConnectionId,
        scopes: TokenScopes,
    ) -> Result<Identity, AuthError> {
        let found = self.tenancy.connection(tenant, connection).await;
        let found = found.map_err(|error| unavailable(&error))?;
        let (tenant, connection) = found.ok_or(AuthError::Unauthorized("unknown connection"))?;
        if self.base.place.is_of(&tenant.id, head) {
            self.identity(&connection, scopes)
        } else {
            Err(OTHER_TENANT)
        }
    }

    async fn open(&self, head: &Parts) -> Result<Identity, AuthError> {
        let sent = TokenDigest::new(credentials(head, "Bearer")?.as_bytes());
        let found = self.tenancy.find_token(sent.as_bytes()).await;
        let found = found.map_err(|error| unavailable(&error))?;
        let now = self.clock.now();
        let check = |opened: &FoundToken| {
            let same: Choice = opened.token.digest.ct_eq(sent.as_bytes());
            let is_here = self.base.place.is_of(&opened.tenant.id, head);
            // All three are computed first, so that the response time does not reveal the reason.
            match (bool::from(same), inactive(&opened.token, now), is_here) {
                (false, ..) => Err(UNKNOWN_TOKEN),
                (true, Some(reason), _) => Err(AuthError::Unauthorized(reason)),
                (true, None, false) => Err(OTHER_TENANT),
                (true, None, true) => Ok(()),
            }
        };
        let opened = found.ok_or(UNKNOWN_TOKEN)?;
        check(&opened)?;
        let identity = self.identity(&opened.connection, opened.token.scopes)?;
        let identity = identity.with_actor(opened.token.id.as_str());
        self.uses.note(&*self.tenancy, &opened.token, now).await;
        Ok(identity)
    }

    fn identity(
        &self,
        connection: &Connection,
        scopes: TokenScopes,
    ) -> Result<Identity, AuthError> {
        let ready = self.cache.ready(connection, &self.base);
        let ready = ready.ok_or(AuthError::InvalidSettings)?;
        if !ready.rules.active {
            return Err(AuthError::ConnectionDisabled);
        }
        let mut identity = Identity::new(connection.tenant.clone());
        identity.access = Access::for_token(&ready.rules, scopes);
        identity.connection = connection.id.clone();
        identity.settings = Some(Arc::clone(&ready.settings));
        Ok(identity)
    }
}

const OTHER_TENANT: AuthError = AuthError::Unauthorized("token of another tenant");
const UNKNOWN_TOKEN: AuthError = AuthError::Unauthorized("unknown token");

/// Returns the reason why a token is not valid, or none.
fn inactive(token: &TokenRecord, now: DateTime<Utc>) -> Option<&'static str> {
    let is_over = |end: Option<DateTime<Utc>>| end.is_some_and(|end| end <= now);
    if token.is_valid_at(now) {
        None
    } else if token.revoked_at.is_some() {
        Some("token revoked")
    } else if is_over(token.expires_at) {
        Some("token expired")
    } else {
        Some("token replaced")
    }
}

impl Authenticate for ConnectionAuthenticator {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        Box::pin(self.open(head))
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        let mut scheme = AuthenticationScheme::oauth_bearer_token();
        scheme.primary = true;
        vec![scheme]
    }
}

/// Converts a failure of the tenant store, and logs it with its causes.
fn unavailable(error: &StoreError) -> AuthError {
    if matches!(error, StoreError::Importing) {
        return AuthError::Importing;
    }
    let mut causes = error.to_string();
    let mut source = std::error::Error::source(error);
    if source.is_none() {
        // The store is overloaded: an error in the log per request would not help.
        tracing::debug!(%causes, "looking up a token failed");
        return AuthError::Unavailable;
    }
    while let Some(cause) = source {
        causes.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    tracing::error!(%causes, "looking up a token failed");
    AuthError::Unavailable
}
