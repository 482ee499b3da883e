//! What an administrator does: tokens.

use std::{fmt, time::Duration};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use scimkit_server::{RandomnessError, Token};
use scimkit_store::{
    ConnectionId, StoreError, TenantEntry, TenantId, TokenRecord, TokenScopes, validate,
};

use crate::{
    AdminError, EntityKind, TenantAdmin,
    administration::{RACES, failed, not_found},
    text,
};

/// How often another id is tried for a token whose id is in use.
const ID_TRIES: u32 = 8;
/// How often a revocation that loses races against other changes of its token is tried again.
const RACES_TO_REVOKE: u32 = 1_024;

/// What a new token is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewToken {
    /// From when on it is refused, to the millisecond; never, when there is none.
    pub expires: Option<DateTime<Utc>>,
    /// What people call it; may be empty.
    pub name: String,
    /// What it may do.
    pub scopes: TokenScopes,
}

impl NewToken {
    /// A token for everything and without an end.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        NewToken {
            expires: None,
            name: name.into(),
            scopes: TokenScopes::ALL,
        }
    }

    /// Refused from that moment on.
    #[must_use]
    pub fn expiring(mut self, at: DateTime<Utc>) -> Self {
        self.expires = Some(at);
        self
    }

    /// For that alone.
    #[must_use]
    pub fn for_scopes(mut self, scopes: TokenScopes) -> Self {
        self.scopes = scopes;
        self
    }
}

/// A token that was just made.
#[non_exhaustive]
pub struct CreatedToken {
    /// What is kept of it.
    pub record: TokenRecord,
    /// The token itself, to be shown once: nothing can bring it back.
    pub token: Token,
}

impl fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Issued").field(&self.record).finish()
    }
}

impl TenantAdmin {
    /// The tokens of a tenant, the oldest first, whether good or not.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Store`].
    pub async fn tokens(&self, tenant: &TenantId) -> Result<Vec<TokenRecord>, AdminError> {
        let found = self
            .tenancy
            .tokens(tenant)
            .await
            .map_err(AdminError::Store)?;
        if found.is_empty() {
            self.tenant(tenant).await?;
        }
        Ok(found)
    }

    /// A token of a tenant by its id.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Store`].
    pub async fn token(&self, tenant: &TenantId, id: &str) -> Result<TokenRecord, AdminError> {
        let mut tokens = self.tokens(tenant).await?.into_iter();
        let found = tokens.find(|token| token.id == id);
        found.ok_or_else(|| not_found(EntityKind::Token, id))
    }

    /// Makes a token that opens a connection.
    ///
    /// # Errors
    /// [`AdminError::Invalid`]: the name, scopes that allow nothing, or an end that is over.
    /// [`AdminError::NotFound`], [`AdminError::NoRandomness`], [`AdminError::TooMany`], [`AdminError::Store`].
    pub async fn create_token(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        new: &NewToken,
    ) -> Result<CreatedToken, AdminError> {
        let now = self.now();
        validate::name(&new.name)?;
        validate::scopes(new.scopes, &new.name)?;
        let expires = new.expires.map(|end| end.trunc_subsecs(3));
        if let Some(end) = expires.filter(|end| *end <= now) {
            let problem = "in the past";
            return Err(text::invalid("expiry", &end.to_rfc3339(), problem));
        }
        let connection = self.connection(tenant, connection).await?;
        let make = |id, digest| {
            let mut record = TokenRecord::new(&connection, id, digest, now);
            record.expires_at = expires;
            record.name.clone_from(&new.name);
            record.scopes = new.scopes;
            record
        };
        let from = (EntityKind::Connection, connection.id.as_str());
        self.keep_new(make, None, from).await
    }

    /// Replaces a token by a new one, which has its connection, name, scopes and lifetime.
    ///
    /// - It needs no room under the [limit](scimkit_store::TenantLimits::tokens): the new one counts in place of the old one.
    /// - The old one is refused once the overlap is over. An overlap of zero revokes it.
    /// - Of two that replace one token at once, one does; and nothing takes the place of a token that
    ///   is revoked meanwhile.
    ///
    /// # Errors
    /// - [`AdminError::TokenInactive`]: the token is expired, revoked, or replaced already
    /// - [`AdminError::Invalid`]: an overlap without an end
    /// - [`AdminError::Stale`]: it is changed all the time
    /// - [`AdminError::NotFound`], [`AdminError::NoRandomness`], [`AdminError::Store`]
    pub async fn rotate_token(
        &self,
        tenant: &TenantId,
        id: &str,
        overlap: Duration,
    ) -> Result<CreatedToken, AdminError> {
        let mut races = RACES;
        loop {
            match self.replace(tenant, id, overlap).await {
                Err(AdminError::Stale { .. }) if races > 0 => races -= 1,
                done => return done,
            }
        }
    }

    /// Revokes a token: the next request that comes with it is refused.
    ///
    /// - One that is revoked already stays as it is; one that is good for the rest of an overlap ends
    ///   now.
    /// - Whatever else of it is changed meanwhile, it is revoked. Where it was
    ///   [`replaced_at`](TokenRecord::replaced_at) before, its successor is a token of its own, and stays.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Store`].
    pub async fn revoke_token(
        &self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<TokenRecord, AdminError> {
        let mut races = RACES_TO_REVOKE;
        loop {
            let mut token = self.token(tenant, id).await?;
            if token.revoked_at.is_some() {
                return Ok(token);
            }
            token.revoked_at = Some(self.now());
            match self.put(vec![TenantEntry::Token(token.clone())]).await {
                Ok(()) => {
                    token.revision += 1;
                    return Ok(token);
                }
                Err(StoreError::VersionMismatch { .. }) if races > 0 => races -= 1,
                Err(error) => return Err(failed(error, EntityKind::Token, id)),
            }
        }
    }

    /// Replaces a token, unless it is changed in between.
    async fn replace(
        &self,
        tenant: &TenantId,
        id: &str,
        overlap: Duration,
    ) -> Result<CreatedToken, AdminError> {
        let now = self.now();
        let mut old = self.token(tenant, id).await?;
        if old.replaced_at.is_some() || !old.is_valid_at(now) {
            let id = id.to_owned();
            return Err(AdminError::TokenInactive { id });
        }
        let connection = self.connection(tenant, &old.connection).await?;
        let lifetime = old.expires_at.map(|end| end - old.created);
        let expires = lifetime.and_then(|lifetime| now.checked_add_signed(lifetime));
        let (name, scopes) = (old.name.clone(), old.scopes);
        let make = |id, digest| {
            let mut record = TokenRecord::new(&connection, id, digest, now);
            record.expires_at = expires;
            record.name.clone_from(&name);
            record.scopes = scopes;
            record
        };
        let end = TimeDelta::from_std(overlap)
            .ok()
            .and_then(|overlap| now.checked_add_signed(overlap));
        let too_long = || text::invalid("overlap", &format!("{overlap:?}"), "too long");
        old.replaced_at = Some(end.ok_or_else(too_long)?);
        if overlap.is_zero() {
            old.revoked_at = Some(now);
        }
        self.keep_new(make, Some(old), (EntityKind::Token, id))
            .await
    }

    /// Keeps a new token under an id that nobody has, and what it replaces beside it; both come from that.
    async fn keep_new(
        &self,
        make: impl Fn(String, [u8; 32]) -> TokenRecord,
        beside: Option<TokenRecord>,
        (kind, id): (EntityKind, &str),
    ) -> Result<CreatedToken, AdminError> {
        let token = Token::generate()?;
        let mut tries = ID_TRIES;
        loop {
            let mut record = make(random_id()?, *token.digest().as_bytes());
            // The old one first: it no longer counts when the new one does.
            let entries = [beside.clone(), Some(record.clone())];
            let entries = entries
                .into_iter()
                .flatten()
                .map(TenantEntry::Token)
                .collect();
            match self.put(entries).await {
                Ok(()) => {
                    record.revision += 1;
                    return Ok(CreatedToken { record, token });
                }
                Err(StoreError::Duplicate { .. }) if tries > 0 => tries -= 1,
                Err(error) => return Err(failed(error, kind, id)),
            }
        }
    }
}

/// Eight characters that can't be mistaken for one another.
fn random_id() -> Result<String, RandomnessError> {
    const SYMBOLS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| RandomnessError)?;
    let symbol = |byte: u8| SYMBOLS.get(usize::from(byte % 32)).copied();
    Ok(bytes
        .into_iter()
        .filter_map(symbol)
        .map(char::from)
        .collect())
}
