//! Bearer tokens, kept beside the resources as digests.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};
use scimkit_store::StoreError;

use crate::{Sqlite, error::Outcome};

impl Sqlite {
    /// Keeps the digest of a bearer token; one that is there already stays as it is.
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
        let job = move |connection: &mut Connection| -> Outcome<()> {
            let sql = "INSERT INTO token (digest, created_us) VALUES (?1, ?2)
                       ON CONFLICT DO NOTHING";
            connection
                .prepare_cached(sql)?
                .execute(params![digest, at.timestamp_micros()])?;
            Ok(())
        };
        Ok(self.workers.alone(job).await??)
    }

    /// The digests of all bearer tokens, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Busy`] and [`StoreError::Backend`].
    pub async fn token_digests(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        let job = |connection: &mut Connection| -> Outcome<Vec<[u8; 32]>> {
            let sql = "SELECT digest FROM token ORDER BY created_us, digest";
            let mut statement = connection.prepare_cached(sql)?;
            let digests = statement.query_map([], |row| row.get(0))?;
            Ok(digests.collect::<Result<_, _>>()?)
        };
        Ok(self.workers.read(job).await??)
    }
}
