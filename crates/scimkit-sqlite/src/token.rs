//! Bearer tokens of an application that has one tenant with one connection.

use chrono::{DateTime, Utc};
use scimkit_store::{
    Connection, ConnectionId, Entry, StoreError, Tenancy, Tenant, TenantId, TokenRecord,
};

use crate::{Sqlite, directory};

impl Sqlite {
    /// Keeps the digest of a bearer token, of the connection `default` of the tenant `default`; one
    /// that is there already stays as it is.
    ///
    /// It is on the disk when the future resolves.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    pub async fn add_token_digest(
        &self,
        digest: [u8; 32],
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.alter(move |db| {
            if directory::is_known(db, &digest)? {
                return Ok(());
            }
            let (tenant, connection) = (TenantId::default(), ConnectionId::default());
            if directory::tenant(db, &tenant)?.is_none() {
                let new = Tenant::new(tenant.clone(), tenant.as_str(), at);
                directory::put(db, Entry::Tenant(new))?;
            }
            let new = Connection::new(tenant.clone(), connection.clone(), connection.as_str(), at);
            let id: String = digest
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let token = TokenRecord::new(&new, id, digest, at);
            if directory::connection(db, &tenant, &connection)?.is_none() {
                directory::put(db, Entry::Connection(new))?;
            }
            directory::put(db, Entry::Token(token))
        })
        .await
    }

    /// The digests of all bearer tokens of the tenant `default`, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    pub async fn token_digests(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        let tokens = self.tokens(&TenantId::default()).await?;
        Ok(tokens.into_iter().map(|token| token.digest).collect())
    }
}
