//! Who is asking.

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
    place::{Forwarded, TenantLocation},
    used::TokenUseRecorder,
};

/// Lets in whoever comes with a good bearer token of the tenant whose place was asked.
///
/// - The token names the connection: it is looked up with every request, so that one which was
///   revoked, has expired or was changed, here or by another process, is so with the next one.
/// - Where the base URL of the settings has `{tenant}` in it, that stands for the tenant's id: in the
///   path (`https://app.example/tenants/{tenant}/scim/v2`, with
///   [`Server::with_prefix`](scimkit_server::Server::with_prefix)), or in the host name
///   (`https://{tenant}.app.example/scim/v2`, by the authority of the request or its `Host`, whatever
///   the port). Then a token opens its own tenant's place and no other.
/// - Unknown, revoked, replaced and expired tokens and those of other tenants get the same 401, after the same lookup.
///   Only the log has the reason.
/// - A connection acts under its [`ConnectionSettings`](crate::ConnectionSettings), and its token's scopes say what
///   [`Access`](scimkit_server::Access) it has.
/// - When a token was last used is noted at most once a minute, which no request waits for longer than
///   a fifth of a second, or fails for.
///
/// # Errors
/// - [`AuthError::Unauthorized`]: there is no good token for that place
/// - [`AuthError::ConnectionDisabled`]: there is, and its connection is switched off
/// - [`AuthError::InvalidSettings`]: there is, and the rules of its connection can't be used, which is logged
///   once until they are changed
/// - [`AuthError::Importing`]: there is, and an import of its tenant is not complete
/// - [`AuthError::Unavailable`]: what keeps the tokens is busy or fails
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
    /// A gate for the connections that are kept there, whose rules start from those settings.
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

    /// Believes `X-Forwarded-Host`, where there is one, of the host name.
    ///
    /// - Only behind a proxy that sets or removes it: else every client could choose what it says.
    /// - Of several hosts in it (`a.app.example, proxy.internal`, or several such headers) the first
    ///   counts: a proxy behind the first one appends its own.
    #[must_use]
    pub fn with_trusted_forwarded_host(mut self) -> Self {
        self.base.place = self.base.place.with_forwarded(Forwarded::Believed);
        self
    }

    /// With the transforms of the host's own that the mappings of connections may name.
    #[must_use]
    pub fn with_mappings(mut self, mappings: MappingBuilder) -> Self {
        self.base.mappings = mappings;
        self
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The caller behind a request that the host authenticated by other means, as coming through that
    /// connection with those scopes: what an [`Authenticate`] of the host's own ends with.
    ///
    /// # Errors
    /// As those of the gate; [`AuthError::Unauthorized`] also for a connection that is not there.
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
        match self.base.place.is_of(&tenant.id, head) {
            true => self.identity(&connection, scopes),
            false => Err(OTHER_TENANT),
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
            // Each is looked at, so that time tells nothing of the reason.
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

/// The reason why a token is not valid.
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

/// A failure of what keeps the tokens, with its causes in the log.
fn unavailable(error: &StoreError) -> AuthError {
    if matches!(error, StoreError::Importing) {
        return AuthError::Importing;
    }
    let mut causes = error.to_string();
    let mut source = std::error::Error::source(error);
    if source.is_none() {
        // It has too much to do; to write a line for each request would not help.
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
