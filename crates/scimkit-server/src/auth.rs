//! Who is asking: the host's question, with bearer tokens as the answer that ships.

use std::{fmt, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{header::AUTHORIZATION, request::Parts};
use scimkit_core::AuthenticationScheme;
use scimkit_registry::ResourceId;
use scimkit_store::{BoxFuture, ConnectionId, Settings, TenantId};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::access::Access;

/// Turns the head of a request into a tenant and what the host knows of the caller.
///
/// It is asked for every request, before anything else is looked at and before a byte of the body
/// is read.
pub trait Authenticate: fmt::Debug + Send + Sync + 'static {
    /// Says who is asking.
    ///
    /// # Errors
    /// [`AuthError`] for a caller that may not go on.
    fn authenticate<'a>(&'a self, head: &'a Parts) -> BoxFuture<'a, Result<Identity, AuthError>>;

    /// What `/ServiceProviderConfig` tells of it.
    fn schemes(&self) -> Vec<AuthenticationScheme>;
}

/// Who is asking.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Identity {
    /// What they may do.
    pub access: Access,
    /// The caller, for the journal: the id of a token, or a subject. Without one, it is the id of
    /// [`Identity::me`].
    pub actor: Option<Arc<str>>,
    /// The connection that they come through; what they create or adopt is that one's.
    pub connection: ConnectionId,
    /// The host's own values, handed through to the store in its scope.
    pub extensions: http::Extensions,
    /// The resource that the caller is, which `/Me` stands for; without one `/Me` answers 501.
    pub me: Option<Me>,
    /// The rules of this connection; those of the server when there are none.
    pub settings: Option<Arc<Settings>>,
    /// The tenant whose data are meant.
    pub tenant: TenantId,
}

impl Identity {
    /// Somebody of that tenant.
    #[must_use]
    pub fn new(tenant: TenantId) -> Self {
        Identity {
            tenant,
            ..Identity::default()
        }
    }

    /// Sets the caller for the journal: the id of a token, or a subject.
    #[must_use]
    pub fn with_actor(mut self, actor: impl Into<Arc<str>>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Somebody who is that resource: a type by its name, such as `User`, and an id.
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

/// What stands for the tenant in the path of a request: where the server was given a prefix with
/// `{tenant}` in it, [`Authenticate`] finds this among the extensions of the head.
///
/// It is what was sent, as it was sent: nobody has looked for such a tenant yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantInPath(pub String);

/// The resource that a caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Me {
    /// Which one.
    pub id: ResourceId,
    /// The name of its type.
    pub resource_type: String,
}

/// Why a caller may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// 403: the caller is known but may not do this.
    #[error("this connection is not allowed to do that")]
    Forbidden,
    /// 403: the connection is there, and whoever runs the application has switched it off.
    #[error("this connection is disabled: the application's operator can enable it")]
    ConnectionDisabled,
    /// 503: the credentials are those of a tenant that is being imported.
    #[error("an import of this tenant is not complete: try again later")]
    Importing,
    /// 503: the connection is there, and what it is to do can't be made out.
    #[error("the settings of this connection are invalid: the application's operator can fix them")]
    InvalidSettings,
    /// 503: there is no telling now.
    #[error("authentication is temporarily unavailable")]
    Unavailable,
    /// 401: the credentials are missing or invalid. The text is the reason, such as `token expired`, for the log of the
    /// server: the caller never gets it. It is fixed, so that no secret gets into the log.
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

/// A bearer token: 256 random bits behind a recognisable prefix, and a checksum.
///
/// - Its `Debug` output hides it; [`Token::reveal`] is the one way to see it.
/// - A scanner of source code and logs finds those that are [generated](Token::generate) with
///   `scim_[A-Za-z0-9_-]{48}`, and asks [`Token::is_generated`] to be sure.
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

/// The system has no randomness to make a token from.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct RandomnessError;

/// A text that can't be sent as a bearer token.
#[derive(Debug, thiserror::Error)]
#[error("a token has 1 to 512 characters out of letters, digits and `-._~+/=`")]
pub struct InvalidToken;

/// What a token starts with that was made here.
const PREFIX: &str = "scim_";
/// Random bytes of a token.
const RANDOM: usize = 32;
/// Bytes behind them that follow from them.
const CHECK: usize = 4;

impl Token {
    /// Makes a new one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut random = [0; RANDOM];
        getrandom::fill(&mut random).map_err(|_| RandomnessError)?;
        let mut bytes = random.to_vec();
        bytes.extend(checksum(&random));
        let text = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        Ok(Token(format!("{PREFIX}{text}")))
    }

    /// Whether a text is a token as [`Token::generate`] makes them; it says nothing of whether that
    /// opens anything.
    #[must_use]
    pub fn is_generated(text: &str) -> bool {
        let body = text.strip_prefix(PREFIX);
        let bytes = body.and_then(|body| BASE64_URL_SAFE_NO_PAD.decode(body).ok());
        let parts = bytes.as_deref().and_then(<[u8]>::split_first_chunk);
        parts.is_some_and(|(random, check)| check == checksum(random))
    }

    /// A secret that somebody else chose.
    ///
    /// # Errors
    /// When it is empty, too long, or has characters outside RFC 6750.
    pub fn from_secret(secret: &str) -> Result<Self, InvalidToken> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        if !(1..=512).contains(&secret.len()) || !secret.bytes().all(allowed) {
            return Err(InvalidToken);
        }
        Ok(Token(secret.to_owned()))
    }

    /// What is kept of it.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::new(self.0.as_bytes())
    }

    /// The secret, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// What is behind the random bytes of a token: the first ones of their SHA-256.
fn checksum(random: &[u8; RANDOM]) -> Vec<u8> {
    Sha256::digest(random).into_iter().take(CHECK).collect()
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The SHA-256 of a token: enough to recognise it, useless to whoever reads it.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The bytes, to be stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of whatever was sent as a secret.
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
        f.write_str("Digest(…)")
    }
}

/// The credentials of a request under a scheme such as `Bearer` or `Basic`, as they were sent.
///
/// [RFC 9110 section 11.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.2)
///
/// # Errors
/// [`AuthError::Unauthorized`]: there is no `Authorization` header or more than one, or it has another
/// scheme.
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

/// Bearer tokens (RFC 6750), recognised by their digests in constant time.
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
    /// Tokens of an application with one tenant.
    #[must_use]
    pub fn new(digests: impl IntoIterator<Item = TokenDigest>) -> Self {
        digests.into_iter().fold(Self::default(), |all, one| {
            all.with(one, TenantId::default())
        })
    }

    /// One more token, for that tenant.
    #[must_use]
    pub fn with(mut self, digest: TokenDigest, tenant: TenantId) -> Self {
        self.known.push((digest, tenant));
        self
    }

    fn check(&self, head: &Parts) -> Result<Identity, AuthError> {
        let sent = TokenDigest::new(credentials(head, "Bearer")?.as_bytes());
        // Every digest is looked at, so that time tells nothing of which one is near.
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
