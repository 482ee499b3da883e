//! Authentication: the trait for the application, and bearer tokens as a ready-made implementation.

use std::{fmt, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{header::AUTHORIZATION, request::Parts};
use scimkit_core::AuthenticationScheme;
use scimkit_registry::ResourceId;
use scimkit_store::{BoxFuture, ConnectionId, Settings, TenantId};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::access::Access;

/// An authenticator of requests, which the application provides.
///
/// The server calls this once per request, before routing and before it reads a byte of the body. Only a request
/// whose `Accept` header allows no supported media type is rejected earlier, with 406.
pub trait Authenticate: fmt::Debug + Send + Sync + 'static {
    /// Identifies the caller from the head of a request.
    ///
    /// # Errors
    /// [`AuthError`] for a caller that must not continue.
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>>;

    /// Returns the authentication schemes that `/ServiceProviderConfig` lists.
    fn schemes(&self) -> Vec<AuthenticationScheme>;
}

/// An authenticated caller.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Identity {
    /// The caller's access to each resource type.
    pub access: Access,
    /// The caller in the journal: a token id or a subject. Without one, the journal records the id in
    /// [`Identity::me`].
    pub actor: Option<Arc<str>>,
    /// The connection that the request comes through. It owns the resources that the request creates or adopts.
    pub connection: ConnectionId,
    /// The application's own values, which the store receives in its
    /// [`RequestContext`](scimkit_store::RequestContext).
    pub extensions: http::Extensions,
    /// The resource that represents the caller, for `/Me`. Without one, `/Me` returns 501.
    pub me: Option<Me>,
    /// The settings of this connection. Without them, the server's settings apply.
    pub settings: Option<Arc<Settings>>,
    /// The tenant whose data the request accesses.
    pub tenant: TenantId,
}

impl Identity {
    /// Creates an identity in this tenant.
    #[must_use]
    pub fn new(tenant: TenantId) -> Self {
        Identity {
            tenant,
            ..Identity::default()
        }
    }

    /// Sets the caller in the journal: a token id or a subject.
    #[must_use]
    pub fn with_actor(mut self, actor: impl Into<Arc<str>>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Sets the resource that represents the caller: the name of its type, such as `User`, and its id.
    ///
    /// [RFC 7644 section 3.11](https://www.rfc-editor.org/rfc/rfc7644#section-3.11)
    #[must_use]
    pub fn with_me(mut self, resource_type: impl Into<String>, id: impl Into<ResourceId>) -> Self {
        self.me = Some(Me {
            id: id.into(),
            resource_type: resource_type.into(),
        });
        self
    }
}

/// The tenant segment in the path of a request.
///
/// If the server's prefix contains `{tenant}`, [`Authenticate`] finds this value in the extensions of the head. The
/// text is percent-decoded but not validated: the tenant may not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantInPath(pub String);

/// The resource that represents a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Me {
    /// The id of the resource.
    pub id: ResourceId,
    /// The name of its resource type.
    pub resource_type: String,
}

/// The reason why a caller must not continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// 403: the caller is known but lacks permission.
    #[error("this connection is not allowed to do that")]
    Forbidden,
    /// 403: the operator has disabled the connection.
    #[error("this connection is disabled: the application's operator can enable it")]
    ConnectionDisabled,
    /// 503: the credentials belong to a tenant that is being imported.
    #[error("an import of this tenant is not complete: try again later")]
    Importing,
    /// 503: the connection exists, but its settings are invalid.
    #[error("the settings of this connection are invalid: the application's operator can fix them")]
    InvalidSettings,
    /// 503: the caller can't be authenticated at the moment.
    #[error("authentication is temporarily unavailable")]
    Unavailable,
    /// 401: the credentials are missing or invalid.
    ///
    /// The text is the reason, such as `token expired`. It goes to the server's log and never to the caller. It is
    /// a static string, so no secret can reach the log.
    #[error("valid credentials are needed in the `Authorization` header")]
    Unauthorized(&'static str),
}

impl AuthError {
    pub(crate) fn status(self) -> u16 {
        match self {
            AuthError::ConnectionDisabled | AuthError::Forbidden => 403,
            AuthError::Importing | AuthError::InvalidSettings | AuthError::Unavailable => 503,
            AuthError::Unauthorized(_) => 401,
        }
    }

    /// Returns the reason for the log.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            AuthError::ConnectionDisabled => "connection disabled",
            AuthError::Forbidden => "forbidden",
            AuthError::Importing => "tenant import incomplete",
            AuthError::InvalidSettings => "invalid connection settings",
            AuthError::Unavailable => "authentication unavailable",
            AuthError::Unauthorized(reason) => reason,
        }
    }
}

/// A bearer token: a recognisable prefix, 256 random bits and a checksum.
///
/// - Its `Debug` output hides the secret; only [`Token::reveal`] returns it.
/// - A scanner of source code and logs can find [generated](Token::generate) tokens with `scim_[A-Za-z0-9_-]{48}`,
///   and confirm a match with [`Token::is_generated`].
///
/// # Example
/// ```
/// use scimkit_server::Token;
///
/// let token = Token::generate()?;
/// assert!(Token::is_generated(token.reveal()));
/// assert_eq!(format!("{token:?}"), "Token(…)");
///
/// let misspelt = token.reveal().replacen("scim_", "scin_", 1);
/// assert!(!Token::is_generated(&misspelt));
/// # Ok::<(), scimkit_server::RandomnessError>(())
/// ```
#[derive(Clone)]
pub struct Token(String);

/// The error when the system provides no random bytes for a token.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct RandomnessError;

/// The error for a text that is not valid as a bearer token.
#[derive(Debug, thiserror::Error)]
#[error("a token has 1 to 512 characters out of letters, digits and `-._~+/=`")]
pub struct InvalidToken;

/// The prefix of generated tokens.
const PREFIX: &str = "scim_";
/// The number of random bytes in a token.
const RANDOM: usize = 32;
/// The number of checksum bytes that follow them.
const CHECK: usize = 4;

impl Token {
    /// Generates a new token.
    ///
    /// # Errors
    /// The system provides no random bytes.
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random).map_err(|_| RandomnessError)?;
        let mut bytes = random.to_vec();
        bytes.extend(checksum(&random));
        let text = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        Ok(Token(format!("{PREFIX}{text}")))
    }

    /// Returns whether a text has the form of a token from [`Token::generate`].
    ///
    /// It does not check whether the token is valid for any connection.
    #[must_use]
    pub fn is_generated(text: &str) -> bool {
        let body = text.strip_prefix(PREFIX);
        let bytes = body.and_then(|body| BASE64_URL_SAFE_NO_PAD.decode(body).ok());
        let parts = bytes.as_deref().and_then(<[u8]>::split_first_chunk);
        parts.is_some_and(|(random, check)| check == checksum(random))
    }

    /// Creates a token from an existing secret.
    ///
    /// # Errors
    /// The secret is empty, longer than 512 characters, or contains characters that RFC 6750 does not allow.
    pub fn from_secret(secret: &str) -> Result<Self, InvalidToken> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        if !(1..=512).contains(&secret.len()) || !secret.bytes().all(allowed) {
            return Err(InvalidToken);
        }
        Ok(Token(secret.to_owned()))
    }

    /// Returns the SHA-256 digest, which is safe to store.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::new(self.0.as_bytes())
    }

    /// Returns the secret. Show it only once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Returns the checksum of the random bytes: the first bytes of their SHA-256.
fn checksum(random: &[u8; RANDOM]) -> Vec<u8> {
    Sha256::digest(random).into_iter().take(CHECK).collect()
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The SHA-256 digest of a token, which identifies the token without revealing it.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Returns the bytes, for storage.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Computes the digest of a secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        TokenDigest(Sha256::digest(secret).into())
    }
}

impl From<[u8; 32]> for TokenDigest {
    fn from(bytes: [u8; 32]) -> Self {
        TokenDigest(bytes)
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// Returns the credentials of a request under a scheme such as `Bearer` or `Basic`, without surrounding spaces.
///
/// [RFC 9110 section 11.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.2)
///
/// # Errors
/// [`AuthError::Unauthorized`]: the `Authorization` header is missing or repeated, or has another scheme.
///
/// # Example
/// ```
/// use scimkit_server::{AuthError, credentials};
///
/// let request = http::Request::get("/Users").header("authorization", "bearer abc").body(())?;
/// let (head, ()) = request.into_parts();
/// assert_eq!(credentials(&head, "Bearer"), Ok("abc"));
/// assert!(matches!(credentials(&head, "Basic"), Err(AuthError::Unauthorized(_))));
/// # Ok::<(), http::Error>(())
/// ```
pub fn credentials<'h>(head: &'h Parts, scheme: &str) -> Result<&'h str, AuthError> {
    let mut headers = head.headers.get_all(AUTHORIZATION).iter();
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return Err(AuthError::Unauthorized("not one `Authorization` header"));
    };
    let sent = header.to_str().ok().and_then(|text| text.split_once(' '));
    let fitting = sent.filter(|(sent, _)| sent.eq_ignore_ascii_case(scheme));
    let (_, credentials) = fitting.ok_or(AuthError::Unauthorized("other authentication scheme"))?;
    Ok(credentials.trim_matches(' '))
}

/// Bearer tokens (RFC 6750), compared by digest in constant time.
///
/// ```
/// use scimkit_server::{Authenticate, BearerTokens, Token};
///
/// let token = Token::generate()?;
/// let tokens = BearerTokens::new([token.digest()]);
/// assert_eq!(tokens.schemes()[0].kind, "oauthbearertoken");
/// # Ok::<(), scimkit_server::RandomnessError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct BearerTokens {
    known: Vec<(TokenDigest, TenantId)>,
}

impl BearerTokens {
    /// Creates the tokens of an application with a single tenant.
    #[must_use]
    pub fn new(digests: impl IntoIterator<Item = TokenDigest>) -> Self {
        digests.into_iter().fold(Self::default(), |all, one| {
            all.with_token(one, TenantId::default())
        })
    }

    /// Adds a token of this tenant.
    #[must_use]
    pub fn with_token(mut self, digest: TokenDigest, tenant: TenantId) -> Self {
        self.known.push((digest, tenant));
        self
    }

    fn check(&self, head: &Parts) -> Result<Identity, AuthError> {
        let sent = TokenDigest::new(credentials(head, "Bearer")?.as_bytes());
        // Compare every digest, so that the time does not reveal how close a guess is.
        let mut found = None;
        for (digest, tenant) in &self.known {
            let same: Choice = digest.0.ct_eq(&sent.0);
            if bool::from(same) {
                found = Some(tenant);
            }
        }
        found
            .map(|tenant| Identity::new(tenant.clone()))
            .ok_or(AuthError::Unauthorized("unknown token"))
    }
}

impl Authenticate for BearerTokens {
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>> {
        let identity = self.check(head);
        Box::pin(async move { identity })
    }

    fn schemes(&self) -> Vec<AuthenticationScheme> {
        let mut scheme = AuthenticationScheme::oauth_bearer_token();
        scheme.primary = true;
        vec![scheme]
    }
}
