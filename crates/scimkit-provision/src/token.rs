//! Administration of tokens.

use std::{fmt, time::Duration};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use scimkit_server::{RandomnessError, Token};
use scimkit_store::{
    ConnectionId, StoreError, TenantEntry, TenantId, TokenRecord, TokenScopes, validate,
};

use crate::{
    AdminError, EntryKind, TenantAdmin,
    administration::{RACES, failed, not_found},
    text,
};

/// The number of further ids that are tried if the id of a new token is in use.
const ID_TRIES: u32 = 8;
/// The number of retries of a revocation that loses races against other changes of its token.
const RACES_TO_REVOKE: u32 = 1_024;

/// The properties of a new token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewToken {
    /// The time from which on the token is expired, to the millisecond; none for a token that does not expire.
    pub expires_at: Option<DateTime<Utc>>,
    /// The name for people; may be empty.
    pub name: String,
    /// The scopes of the token.
    pub scopes: TokenScopes,
}

impl NewToken {
    /// Creates the properties of a token with all scopes that does not expire.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        NewToken {
            expires_at: None,
            name: name.into(),
            scopes: TokenScopes::ALL,
        }
    }

    /// Sets the time from which on the token is expired.
    #[must_use]
    pub fn with_expiry(mut self, at: DateTime<Utc>) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// Limits the token to these scopes.
    #[must_use]
    pub fn with_scopes(mut self, scopes: TokenScopes) -> Self {
        self.scopes = scopes;
        self
    }
}

/// A token that was just created.
#[non_exhaustive]
pub struct CreatedToken {
    /// The stored record, with the digest of the token instead of the token.
    pub record: TokenRecord,
    /// The token itself. Show it once: it can't be recovered.
    pub token: Token,
}

impl fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CreatedToken").field(&self.record).finish()
    }
}

impl TenantAdmin {
    /// Returns the tokens of a tenant, the oldest first, including those that are no longer valid.
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

    /// Returns a token of a tenant by its id.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Store`].
    pub async fn token(&self, tenant: &TenantId, id: &str) -> Result<TokenRecord, AdminError> {
        let mut tokens = self.tokens(tenant).await?.into_iter();
        let found = tokens.find(|token| token.id == id);
        found.ok_or_else(|| not_found(EntryKind::Token, id))
    }

    /// Creates a token for a connection.
    ///
    /// # Errors
    /// [`AdminError::Invalid`]: the name, scopes that allow nothing, or an expiry in the past.
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
        let expires_at = new.expires_at.map(|end| end.trunc_subsecs(3));
        if let Some(end) = expires_at.filter(|end| *end <= now) {
            let problem = "in the past";
            return Err(text::invalid("expiry", &end.to_rfc3339(), problem));
        }
        let connection = self.connection(tenant, connection).await?;
        let make = |id, digest| {
            let mut record = TokenRecord::new(&connection, id, digest, now);
            record.expires_at = expires_at;
            record.name.clone_from(&new.name);
            record.scopes = new.scopes;
            record
        };
        let from = (EntryKind::Connection, connection.id.as_str());
        self.keep_new(make, None, from).await
    }

    /// Replaces a token by a new one with the same connection, name, scopes and lifetime.
    ///
    /// - The new token counts towards the [limit](scimkit_store::TenantLimits::tokens) in place of the old one.
    /// - The old token is valid for the overlap at most. An overlap of zero revokes it.
    /// - If two calls replace one token at the same time, only one succeeds. A token that is revoked in the meantime
    ///   is not replaced.
    ///
    /// # Errors
    /// - [`AdminError::TokenInactive`]: the token is expired, revoked or already replaced
    /// - [`AdminError::Invalid`]: the overlap is too long
    /// - [`AdminError::VersionMismatch`]: other changes of the token keep winning the race
    /// - [`AdminError::TooMany`]: the limit was lowered, and the connection has more tokens than it allows
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
                Err(AdminError::VersionMismatch { .. }) if races > 0 => races -= 1,
                done => return done,
            }
        }
    }

    /// Revokes a token: the next request with it is rejected.
    ///
    /// - A revoked token stays as it is. A replaced token that is still valid for its overlap ends now.
    /// - Concurrent changes of the token do not prevent the revocation.
    /// - The successor of a [replaced](TokenRecord::replaced_at) token is a token of its own, and is not revoked.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Store`], and [`AdminError::VersionMismatch`] if other changes of the token keep
    /// winning the race.
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
                Err(error) => return Err(failed(error, EntryKind::Token, id)),
            }
        }
    }

    /// Replaces a token, unless it changes in the meantime.
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
        let name = old.name.clone();
        let scopes = old.scopes;
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
        self.keep_new(make, Some(old), (EntryKind::Token, id)).await
    }

    /// Stores a new token under an unused id, together with the token that it replaces.
    ///
    /// Errors name `kind` and `id`.
    async fn keep_new(
        &self,
        make: impl Fn(String, [u8; 32]) -> TokenRecord,
        beside: Option<TokenRecord>,
        (kind, id): (EntryKind, &str),
    ) -> Result<CreatedToken, AdminError> {
        let token = Token::generate()?;
        let mut tries = ID_TRIES;
        loop {
            let mut record = make(random_id()?, *token.digest().as_bytes());
            // The old token comes first: it no longer counts when the new one is checked.
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

/// Returns eight random characters, none of which look alike.
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
