//! The journals of tenants, in side tables.

use chrono::{DateTime, Utc};
use scimkit_sql::reference::{self, EntryFilter, EntryRange};
use scimkit_store::{
    BoxFuture, Cause, ChainHead, ConnectionId, ConsumerRow, Journal, JournalBody, JournalEntry,
    JournalFilter, JournalPage, JournalPosition, JournalQuery, JournalRead, JournalStart,
    JournalSubject, Lease, LeaseAnswer, LeaseDecision, LeaseRequest, StoreError, TenantId,
    rows::TransactionMode,
};

use crate::{
    Driver, SqlRow, TableStore, Transaction,
    side_tables::{Columns, SideTables, whole},
};

/// The maximum number of parts that one transaction removes.
const PARTS: i64 = 5_000;

/// The entries that are read at once, so that no more than a page is in memory.
const PIECE: usize = 100;

impl<T: Transaction> SideTables<T> {
    async fn page(
        &mut self,
        tenant: &str,
        query: &JournalQuery,
    ) -> Result<JournalRead, StoreError> {
        let end = self.end(tenant).await?;
        let mut range = match query.start {
            JournalStart::After(position) if position.number < end.after => {
                return Ok(JournalRead::Resync { to: end.version });
            }
            JournalStart::After(position) => after(position),
            JournalStart::Before(position) => before(position),
            JournalStart::Oldest => EntryRange::After(0, 0),
        };
        let filter = match &query.filter {
            JournalFilter::All => EntryFilter::All,
            JournalFilter::Connection(id) => EntryFilter::Connection(id.as_str()),
            JournalFilter::Resource { id, kind } => EntryFilter::Resource(kind, id.as_str()),
        };
        let head = ChainHead {
            digest: end.seed.previous,
            number: end.version,
        };
        let mut page = JournalPage::new(head, end.after);
        let size = query.page_size();
        let mut bytes: usize = 0;
        loop {
            let left = size.saturating_sub(page.entries.len()).saturating_add(1);
            let limit = left.min(PIECE);
            let statement = reference::entries(
                self.dialect,
                tenant,
                filter,
                range,
                i64::try_from(limit).unwrap_or(i64::MAX),
            );
            let rows = self.rows(statement).await?;
            let is_last = rows.len() < limit;
            for row in rows {
                let entry = entry(row)?;
                let text = entry.body.as_ref().map_or(0, |body| body.text.len());
                bytes = bytes.saturating_add(text);
                let is_full = page.entries.len() >= size
                    || (bytes > JournalQuery::MAX_BYTES && !page.entries.is_empty());
                if is_full {
                    page.has_more = true;
                    return Ok(JournalRead::Page(page));
                }
                range = match query.start {
                    JournalStart::Before(_) => before(entry.position()),
                    _ => after(entry.position()),
                };
                page.entries.push(entry);
            }
            if is_last {
                return Ok(JournalRead::Page(page));
            }
        }
    }

    async fn consumer(
        &mut self,
        tenant: &str,
        name: &str,
    ) -> Result<Option<ConsumerRow>, StoreError> {
        let row = self
            .first(reference::consumer(self.dialect, tenant, name))
            .await?;
        let read = |row| {
            let mut columns = Columns::new(row);
            Ok(ConsumerRow {
                cursor: columns.number()?,
                fence: columns.number()?,
                holder: columns.text()?,
                until: columns.moment()?,
            })
        };
        row.map(read).transpose()
    }

    async fn put_consumer(
        &mut self,
        tenant: &str,
        name: &str,
        row: &ConsumerRow,
    ) -> Result<(), StoreError> {
        let row = reference::ConsumerRow {
            consumer: name,
            cursor: whole(row.cursor),
            fence: whole(row.fence),
            holder: &row.holder,
            until_us: row.until.map(reference::micros),
        };
        self.rows(reference::put_consumer(self.dialect, tenant, &row))
            .await?;
        Ok(())
    }

    async fn lease(
        &mut self,
        tenant: &str,
        request: &LeaseRequest,
    ) -> Result<LeaseAnswer, StoreError> {
        let end = self.end(tenant).await?;
        let known = self.consumer(tenant, &request.consumer).await?;
        let known = known.unwrap_or_default();
        let LeaseDecision { answer, row } = known.decide_lease(request, end.after, end.version);
        if let Some(row) = row {
            self.put_consumer(tenant, &request.consumer, &row).await?;
        }
        Ok(answer)
    }

    async fn advance(&mut self, tenant: &str, lease: &Lease, to: u64) -> Result<(), StoreError> {
        let end = self.end(tenant).await?;
        let known = self.consumer(tenant, &lease.consumer).await?;
        let known = known.ok_or(StoreError::LeaseLost)?;
        let cursor = known.decide_advance(lease.fence, to, end.version)?;
        let row = ConsumerRow { cursor, ..known };
        self.put_consumer(tenant, &lease.consumer, &row).await
    }

    /// Finds the last entry that is older than a moment and returns its number. From then on, the journal counts as
    /// incomplete up to that number.
    async fn begin_trim(
        &mut self,
        tenant: &str,
        before: DateTime<Utc>,
    ) -> Result<Option<i64>, StoreError> {
        let dialect = self.dialect;
        let first = reference::entry_at(dialect, tenant, (0, i64::MAX), 0);
        let Some(oldest) = self.integer(first).await? else {
            return Ok(None);
        };
        let since = reference::first_entry_since(dialect, tenant, reference::micros(before));
        let last = match self.integer(since).await? {
            Some(since) => since.saturating_sub(1),
            None => whole(self.end(tenant).await?.version),
        };
        if last < oldest {
            return Ok(None);
        }
        self.rows(reference::set_journal_after(dialect, tenant, last))
            .await?;
        Ok(Some(last))
    }

    /// Removes the first entries up to a number. Returns the number of removed parts, and whether others are left.
    async fn trim_some(&mut self, tenant: &str, up_to: i64) -> Result<(u64, bool), StoreError> {
        let range = (0, up_to.saturating_add(1));
        let next = reference::entry_at(self.dialect, tenant, range, PARTS - 1);
        let next = self.integer(next).await?;
        let last = next.unwrap_or(up_to);
        let count = reference::count_entries(self.dialect, tenant, last);
        let count = self.count(count).await?;
        self.rows(reference::remove_entries(self.dialect, tenant, last))
            .await?;
        Ok((count, next.is_some()))
    }
}

fn after(position: JournalPosition) -> EntryRange {
    EntryRange::After(whole(position.number), i64::from(position.part))
}

fn before(position: JournalPosition) -> EntryRange {
    EntryRange::Before(whole(position.number), i64::from(position.part))
}

/// Reads an entry from the columns of [`reference::entries`].
fn entry(row: SqlRow) -> Result<JournalEntry, StoreError> {
    let mut columns = Columns::new(row);
    let number = columns.number()?;
    let part = columns.small()?;
    let at = columns.instant()?;
    let action = columns.text()?.parse().map_err(StoreError::backend)?;
    let (word, kind, id) = (columns.text()?, columns.text()?, columns.text()?);
    let subject = JournalSubject::from_columns(&word, &kind, &id);
    let subject = subject.ok_or_else(|| StoreError::backend("unknown journal subject"))?;
    let mut cause = Cause::default();
    cause.connection = columns.optional_text().as_deref().map(ConnectionId::from);
    cause.actor = columns.optional_text().map(Into::into);
    cause.request = columns.optional_text().map(Into::into);
    let salt: [u8; 16] = columns.bytes()?;
    let text = columns.text()?;
    let is_blanked = salt == *reference::BLANKED;
    Ok(JournalEntry {
        action,
        at,
        body: (!is_blanked).then_some(JournalBody { salt, text }),
        body_digest: columns.bytes()?,
        cause,
        number,
        part,
        previous: columns.bytes()?,
        subject,
    })
}

/// Changes that the application makes to its rows itself are not recorded: they have no number, no time and no cause.
impl<D: Driver> Journal for TableStore<D> {
    fn advance<'a>(
        &'a self,
        tenant: &'a TenantId,
        lease: &'a Lease,
        to: u64,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut side = self.side_locked(tenant.as_str()).await?;
            side.advance(tenant.as_str(), lease, to).await?;
            Ok(side.transaction.commit().await?)
        })
    }

    fn entries<'a>(
        &'a self,
        tenant: &'a TenantId,
        query: &'a JournalQuery,
    ) -> BoxFuture<'a, Result<JournalRead, StoreError>> {
        Box::pin(async move {
            let mut side = self.side_of(tenant.as_str()).await?;
            side.page(tenant.as_str(), query).await
        })
    }

    fn lease<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: &'a LeaseRequest,
    ) -> BoxFuture<'a, Result<LeaseAnswer, StoreError>> {
        Box::pin(async move {
            let mut side = self.side_locked(tenant.as_str()).await?;
            let answer = side.lease(tenant.as_str(), request).await?;
            side.transaction.commit().await?;
            Ok(answer)
        })
    }

    fn pending<'a>(
        &'a self,
        consumer: &'a str,
    ) -> BoxFuture<'a, Result<Vec<TenantId>, StoreError>> {
        Box::pin(async move {
            let mut side = self.side(TransactionMode::Read).await?;
            let pending = reference::pending_tenants(side.dialect, consumer);
            let rows = side.rows(pending).await?.into_iter();
            rows.map(|row| Ok(TenantId::from(Columns::new(row).text()?.as_str())))
                .collect()
        })
    }

    fn trim<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let mut side = self.side_locked(tenant.as_str()).await?;
            let last = side.begin_trim(tenant.as_str(), before).await?;
            side.transaction.commit().await?;
            let Some(last) = last else {
                return Ok(0);
            };
            let mut removed: u64 = 0;
            loop {
                let mut side = self.side_locked(tenant.as_str()).await?;
                let (count, is_left) = side.trim_some(tenant.as_str(), last).await?;
                side.transaction.commit().await?;
                removed = removed.saturating_add(count);
                if !is_left {
                    return Ok(removed);
                }
            }
        })
    }
}
