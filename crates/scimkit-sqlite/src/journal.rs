//! The journals of tenants.

use chrono::{DateTime, Utc};
use rusqlite::{Connection as Db, Row};
use scimkit_sql::reference::{self, Counters, EntryFilter, EntryRange, EntryRow, JournalEnd};
use scimkit_store::{
    BoxFuture, Cause, ChainHead, ConnectionId, ConsumerRow, Journal, JournalAction, JournalBody,
    JournalEntry, JournalFilter, JournalPage, JournalPosition, JournalQuery, JournalRead,
    JournalStart, JournalSubject, Lease, LeaseAnswer, LeaseDecision, LeaseRequest, StoreError,
    TenantId,
    journal::{JournalRows, JournalSeed},
};

use crate::{
    SqliteStore,
    error::Outcome,
    imports,
    lanes::Lane,
    row::{instant, micros},
    statement::{DIALECT, all, each, execute, execute_all, execute_counted, first},
};

/// The maximum number of rows that one step blanks or removes.
const ROWS: i64 = 5_000;

/// The end of a tenant's journal.
pub(crate) struct End {
    /// The last number whose change is missing from the journal.
    pub(crate) after: u64,
    pub(crate) seed: JournalSeed,
    /// The number of the tenant's last change.
    pub(crate) version: u64,
}

/// Reads the end of a tenant's journal.
pub(crate) fn end(db: &Db, tenant: &str) -> Outcome<End> {
    let end = first(db, &reference::journal_end(DIALECT, tenant), |row| {
        Ok(End {
            after: number(row.get(1)?),
            seed: seed(row, 2)?,
            version: number(row.get(0)?),
        })
    })?;
    Ok(end.ok_or_else(|| StoreError::backend("the end of the journal is missing"))?)
}

/// Reads the seed of new entries from a column with the last digest and the next column with random bytes.
pub(crate) fn seed(row: &Row<'_>, first: usize) -> Outcome<JournalSeed> {
    let previous: Option<[u8; 32]> = row.get(first)?;
    Ok(JournalSeed {
        previous: previous.unwrap_or_default(),
        random: row.get(first + 1)?,
    })
}

/// Stores the number of the tenant's last change, and the new entries of its journal.
pub(crate) fn add(
    db: &Db,
    tenant: &str,
    change: (i64, Counters),
    rows: &JournalRows,
) -> Outcome<()> {
    let end = JournalEnd {
        after: rows.complete_after.map(integer),
        digest: rows.last_digest.as_ref().map(<[u8; 32]>::as_slice),
    };
    execute(db, &reference::set_version(DIALECT, tenant, change, end))?;
    let entries: Vec<_> = rows.entries.iter().map(EntryRow::from).collect();
    execute_all(db, reference::insert_entries(DIALECT, tenant, &entries))
}

/// Reads an entry from the columns of [`reference::entries`].
fn entry_at(row: &Row<'_>) -> Outcome<JournalEntry> {
    let part: i64 = row.get(1)?;
    let word = row.get_ref(3)?.as_str().map_err(StoreError::backend)?;
    let action: JournalAction = word.parse().map_err(StoreError::backend)?;
    let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str()?));
    let subject = JournalSubject::from_columns(text(4)?, text(5)?, text(6)?);
    let subject = subject.ok_or_else(|| StoreError::backend("unknown journal subject"))?;
    let optional = |column| row.get::<_, Option<String>>(column);
    let mut cause = Cause::default();
    cause.connection = optional(7)?.as_deref().map(ConnectionId::from);
    cause.actor = optional(8)?.map(Into::into);
    cause.request = optional(9)?.map(Into::into);
    let salt: [u8; 16] = row.get(10)?;
    let body = if salt == *reference::BLANKED {
        None
    } else {
        Some(JournalBody {
            salt,
            text: row.get(11)?,
        })
    };
    Ok(JournalEntry {
        action,
        at: instant(row.get(2)?)?,
        body,
        body_digest: row.get(12)?,
        cause,
        number: number(row.get(0)?),
        part: u32::try_from(part).map_err(StoreError::backend)?,
        previous: row.get(13)?,
        subject,
    })
}

/// Converts the number of a change to its stored form. There are fewer than 2^63 changes.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn number(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or(0)
}

fn page(db: &Db, tenant: &str, query: &JournalQuery) -> Outcome<JournalRead> {
    let end = end(db, tenant)?;
    let place = |position: JournalPosition| (integer(position.number), i64::from(position.part));
    let range = match query.start {
        JournalStart::After(position) if position.number < end.after => {
            return Ok(JournalRead::Resync { to: end.version });
        }
        JournalStart::After(position) => {
            let (number, part) = place(position);
            EntryRange::After(number, part)
        }
        JournalStart::Before(position) => {
            let (number, part) = place(position);
            EntryRange::Before(number, part)
        }
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
    let limit = i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1);
    let statement = reference::entries(DIALECT, tenant, filter, range, limit);
    let mut bytes: usize = 0;
    each(db, &statement, |row| {
        let entry = entry_at(row)?;
        let text = entry.body.as_ref().map_or(0, |body| body.text.len());
        bytes = bytes.saturating_add(text);
        let is_full = page.entries.len() >= size
            || (bytes > JournalQuery::MAX_BYTES && !page.entries.is_empty());
        page.has_more = is_full;
        if !is_full {
            page.entries.push(entry);
        }
        Ok(!is_full)
    })?;
    Ok(JournalRead::Page(page))
}

fn consumer(db: &Db, tenant: &str, name: &str) -> Outcome<Option<ConsumerRow>> {
    first(db, &reference::consumer(DIALECT, tenant, name), |row| {
        Ok(ConsumerRow {
            cursor: number(row.get(0)?),
            fence: number(row.get(1)?),
            holder: row.get(2)?,
            until: row.get::<_, Option<i64>>(3)?.map(instant).transpose()?,
        })
    })
}

fn put_consumer(db: &Db, tenant: &str, name: &str, row: &ConsumerRow) -> Outcome<()> {
    let row = reference::ConsumerRow {
        consumer: name,
        cursor: integer(row.cursor),
        fence: integer(row.fence),
        holder: &row.holder,
        until_us: row.until.map(micros),
    };
    execute(db, &reference::put_consumer(DIALECT, tenant, &row))
}

fn lease(db: &Db, tenant: &str, request: &LeaseRequest) -> Outcome<LeaseAnswer> {
    imports::check_complete(db, tenant)?;
    let end = end(db, tenant)?;
    let known = consumer(db, tenant, &request.consumer)?.unwrap_or_default();
    let LeaseDecision { answer, row } = known.decide_lease(request, end.after, end.version);
    if let Some(row) = row {
        put_consumer(db, tenant, &request.consumer, &row)?;
    }
    Ok(answer)
}

fn advance(db: &Db, tenant: &str, lease: &Lease, to: u64) -> Outcome<()> {
    imports::check_complete(db, tenant)?;
    let end = end(db, tenant)?;
    let known = consumer(db, tenant, &lease.consumer)?.ok_or(StoreError::LeaseLost)?;
    let cursor = known.decide_advance(lease.fence, to, end.version)?;
    let row = ConsumerRow { cursor, ..known };
    put_consumer(db, tenant, &lease.consumer, &row)
}

/// Records that all changes so far, such as those of an import, are missing from the journal.
pub(crate) fn skip(db: &Db, tenant: &str) -> Outcome<()> {
    execute(db, &reference::skip_journal(DIALECT, tenant))
}

/// The steps of removing entries. All entries are blanked before the first one is removed.
///
/// SQLite moves rows between pages when it deletes others, and may leave a copy behind that is never overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Blank,
    Remove,
}

/// Takes a step with the next entries after a number, up to and including another number. Returns the number of removed
/// parts, and the number from which to continue.
fn some(
    db: &Db,
    tenant: &str,
    step: Step,
    (after, up_to): (i64, i64),
) -> Outcome<(u64, Option<i64>)> {
    let end = up_to.saturating_add(1);
    let statement = reference::entry_at(DIALECT, tenant, (after, end), ROWS - 1);
    let next: Option<i64> = first(db, &statement, |row| Ok(row.get(0)?))?;
    let last = next.unwrap_or(up_to);
    match step {
        Step::Blank => {
            let blank = reference::blank_entries(DIALECT, tenant, (after, last));
            execute(db, &blank)?;
            Ok((0, next))
        }
        Step::Remove => {
            let remove = reference::remove_entries(DIALECT, tenant, last);
            Ok((execute_counted(db, &remove)? as u64, next))
        }
    }
}

/// Finds the last entry that is older than a moment and returns its number. From then on, the journal counts as
/// incomplete up to that number.
fn begin_trim(db: &Db, tenant: &str, before: DateTime<Utc>) -> Outcome<Option<i64>> {
    imports::check_complete(db, tenant)?;
    let integer_of = |row: &Row<'_>| Ok(row.get::<_, i64>(0)?);
    let statement = reference::entry_at(DIALECT, tenant, (0, i64::MAX), 0);
    let Some(oldest) = first(db, &statement, integer_of)? else {
        return Ok(None);
    };
    let statement = reference::first_entry_since(DIALECT, tenant, micros(before));
    let last = match first(db, &statement, integer_of)? {
        Some(since) => since.saturating_sub(1),
        None => integer(end(db, tenant)?.version),
    };
    if last < oldest {
        return Ok(None);
    }
    execute(db, &reference::set_journal_after(DIALECT, tenant, last))?;
    Ok(Some(last))
}

/// Blanks the entries of resources that were permanently deleted before a moment, for the next deletes after a number.
/// Returns the number from which to continue.
pub(crate) fn blank_deleted(
    db: &Db,
    tenant: &str,
    before: DateTime<Utc>,
    after: i64,
) -> Outcome<Option<i64>> {
    let range = (after, ROWS);
    let statement = reference::deleted_subjects(DIALECT, tenant, micros(before), range);
    let deleted: Vec<(String, String, i64)> = all(db, &statement, |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    for (kind, id, _) in &deleted {
        blank_entries_of(db, tenant, (kind, id))?;
    }
    let is_last = (deleted.len() as i64) < ROWS;
    let last = deleted.last().map(|(_, _, number)| *number);
    Ok(last.filter(|_| !is_last))
}

/// Blanks the entries of a resource.
pub(crate) fn blank_entries_of(db: &Db, tenant: &str, resource: (&str, &str)) -> Outcome<()> {
    execute(db, &reference::blank_entries_of(DIALECT, tenant, resource))
}

impl SqliteStore {
    /// Takes a step with all entries up to a number, some at a time. Returns the number of removed parts.
    pub(crate) async fn each_entry(
        &self,
        tenant: &TenantId,
        step: Step,
        up_to: i64,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        let mut after = Some(0);
        while let Some(from) = after {
            let tenant = tenant.clone();
            let act = move |db: &Db| some(db, tenant.as_str(), step, (from, up_to));
            let (parts, next) = self.alter(act).await?;
            removed += parts;
            after = next;
        }
        Ok(removed)
    }
}

impl Journal for SqliteStore {
    fn advance<'a>(
        &'a self,
        tenant: &'a TenantId,
        lease: &'a Lease,
        to: u64,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let tenant = tenant.clone();
        let lease = lease.clone();
        Box::pin(self.alter(move |db| advance(db, tenant.as_str(), &lease, to)))
    }

    fn entries<'a>(
        &'a self,
        tenant: &'a TenantId,
        query: &'a JournalQuery,
    ) -> BoxFuture<'a, Result<JournalRead, StoreError>> {
        let query = query.clone();
        let read = move |db: &Db, tenant: &TenantId| page(db, tenant.as_str(), &query);
        Box::pin(self.look_at(Lane::Query, tenant, read))
    }

    fn lease<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: &'a LeaseRequest,
    ) -> BoxFuture<'a, Result<LeaseAnswer, StoreError>> {
        let tenant = tenant.clone();
        let request = request.clone();
        Box::pin(self.alter(move |db| lease(db, tenant.as_str(), &request)))
    }

    fn pending<'a>(
        &'a self,
        consumer: &'a str,
    ) -> BoxFuture<'a, Result<Vec<TenantId>, StoreError>> {
        let consumer = consumer.to_owned();
        Box::pin(self.look_in((Lane::Query, None), move |db| {
            let statement = reference::pending_tenants(DIALECT, &consumer);
            all(db, &statement, |row| {
                let id: String = row.get(0)?;
                Ok(TenantId::from(id.as_str()))
            })
        }))
    }

    fn trim<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let of = tenant.clone();
            let begin = move |db: &Db| begin_trim(db, of.as_str(), before);
            let Some(last) = self.alter(begin).await? else {
                return Ok(0);
            };
            self.each_entry(tenant, Step::Blank, last).await?;
            let removed = self.each_entry(tenant, Step::Remove, last).await?;
            self.empty_log().await?;
            Ok(removed)
        })
    }
}
