//! Export, import, purge and erasure of a tenant's data.

mod erase;
mod export;
mod export_records;
mod import;
mod import_records;
mod purge;
mod stop;

use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::Connection as Db;
use scimkit_sql::reference::{State, TenantTable};
use scimkit_store::{
    Archive, BoxFuture, RequestContext, StoreError, TenantId,
    archive::{ArchiveError, Erased, RecordSource, RecordStream},
};

use self::export::Export;
use crate::{SqliteStore, file, imports, journal, remnants::Remnants};

/// The maximum number of attempts to empty the write-ahead log after a removal.
const LOG_ATTEMPTS: u32 = 20;
/// The time that other writes wait for one attempt.
const LOG_PATIENCE: Duration = Duration::from_millis(25);

impl Archive for SqliteStore {
    fn export_records<'a>(&'a self, tenant: &'a TenantId) -> RecordStream<'a> {
        Box::pin(Export::Idle(self, tenant))
    }

    fn erase_tenant<'a>(
        &'a self,
        tenant: &'a TenantId,
    ) -> BoxFuture<'a, Result<Erased, StoreError>> {
        Box::pin(async move {
            let of = tenant.clone();
            self.alter(move |db| imports::supersede(db, of.as_str()))
                .await?;
            let mut has_deleted = false;
            for _ in 0..erase::ROUNDS {
                for step in erase::STEPS {
                    // One transaction per step, so that other writes run in between.
                    has_deleted |= self.erase_step(step, tenant).await?;
                }
                let rest = tenant.clone();
                let job = move |db: &mut Db| erase::rest(db, rest.as_str());
                let rest = self.workers.alone(job).await??;
                has_deleted |= rest.has_deleted;
                if !rest.is_left {
                    self.overwrite_remnants().await?;
                    self.empty_log().await?;
                    return Ok(if has_deleted {
                        Erased::All
                    } else {
                        Erased::Nothing
                    });
                }
            }
            Err(StoreError::Busy)
        })
    }

    fn purge_deleted<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut count = 0;
            for step in [purge::Step::Blank, purge::Step::Delete] {
                let mut after = Some(String::new());
                while let Some(from) = after {
                    let tenant = tenant.clone();
                    let job = move |db: &mut Db| purge::some(db, &tenant, step, before, &from);
                    let forgotten = self.workers.alone(job).await??;
                    count += forgotten.count;
                    after = forgotten.up_to;
                }
            }
            let mut after = Some(0);
            while let Some(from) = after {
                let of = tenant.clone();
                let act = move |db: &Db| journal::blank_deleted(db, of.as_str(), before, from);
                after = self.alter(act).await?;
            }
            self.overwrite_remnants().await?;
            self.empty_log().await?;
            Ok(count)
        })
    }

    fn import_records<'a>(
        &'a self,
        context: &'a RequestContext,
        source: RecordSource<'a>,
    ) -> BoxFuture<'a, Result<(), ArchiveError>> {
        Box::pin(import::import(self, context, source))
    }
}

impl SqliteStore {
    /// Overwrites the copies of removed rows before the caller gets its response. Other writes run in between. If
    /// another process writes, the writing thread overwrites the rest later.
    async fn overwrite_remnants(&self) -> Result<(), StoreError> {
        // Enough for all remembered rows. Rows that others remove meanwhile are last in line.
        const ROUNDS: usize = 100;
        const TOGETHER: usize = 16;
        for _ in 0..ROUNDS {
            let job = |db: &mut Db| {
                let mut remnants = Remnants::default();
                (0..TOGETHER).all(|_| remnants.overwrite_some(db))
            };
            if !self.workers.alone(job).await? {
                break;
            }
        }
        Ok(())
    }

    /// Empties the write-ahead log, so that it contains no removed data. A reader of an older state prevents this;
    /// after some attempts, the writing thread continues to try.
    pub(crate) async fn empty_log(&self) -> Result<(), StoreError> {
        for _ in 0..LOG_ATTEMPTS {
            let job = |db: &mut Db| file::empty_log(db, LOG_PATIENCE);
            if self.workers.alone(job).await? {
                break;
            }
        }
        Ok(())
    }

    /// Removes a tenant's rows from one table, and returns whether there were any.
    async fn erase_step(&self, step: TenantTable, tenant: &TenantId) -> Result<bool, StoreError> {
        let state = match step {
            TenantTable::DELETED => Some(State::Deleted),
            TenantTable::RESOURCES => Some(State::Live),
            _ => None,
        };
        if step == TenantTable::JOURNAL {
            self.each_entry(tenant, journal::Step::Blank, i64::MAX - 1)
                .await?;
        }
        if let Some(state) = state {
            let mut after = Some(String::new());
            while let Some(from) = after {
                let tenant = tenant.clone();
                let job = move |db: &mut Db| erase::blank(db, state, tenant.as_str(), &from);
                after = self.workers.alone(job).await??;
            }
        }
        let mut has_deleted = false;
        loop {
            let tenant = tenant.clone();
            let job = move |db: &mut Db| erase::some(db, step, tenant.as_str());
            let taken = self.workers.alone(job).await??;
            has_deleted |= taken.has_deleted;
            if !taken.is_left {
                return Ok(has_deleted);
            }
        }
    }
}
