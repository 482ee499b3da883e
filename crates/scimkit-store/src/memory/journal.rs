//! The journals of tenants in memory.

use chrono::{DateTime, Utc};

use super::{MemoryStore, exclusive_in_turn, ring::Ring, shared, shared_in_turn, tenant::Tenant};
use crate::{
    BoxFuture, DeadLetter, DeadLetters, Journal, JournalPage, JournalPosition, JournalQuery,
    JournalRead, Lease, LeaseAnswer, LeaseRequest, StoreError, TenantId,
};

impl Tenant {
    /// Returns the journal with the number of the last change, unless an import is not complete.
    fn ring(&mut self) -> Result<(&mut Ring, u64), StoreError> {
        self.check_complete()?;
        Ok((&mut self.journal, self.version))
    }
}

impl Journal for MemoryStore {
    fn advance<'a>(
        &'a self,
        tenant: &'a TenantId,
        lease: &'a Lease,
        to: u64,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant(tenant).ok_or(StoreError::LeaseLost)?;
            let mut tenant = exclusive_in_turn(&tenant).await;
            let (ring, last) = tenant.ring()?;
            ring.advance(lease, (to, last))
        })
    }

    fn entries<'a>(
        &'a self,
        tenant: &'a TenantId,
        query: &'a JournalQuery,
    ) -> BoxFuture<'a, Result<JournalRead, StoreError>> {
        Box::pin(async move {
            let Some(tenant) = self.tenant(tenant) else {
                return Ok(JournalRead::Page(JournalPage::default()));
            };
            let tenant = shared_in_turn(&tenant).await;
            tenant.check_complete()?;
            Ok(tenant.journal.read(query, tenant.version))
        })
    }

    fn lease<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: &'a LeaseRequest,
    ) -> BoxFuture<'a, Result<LeaseAnswer, StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant_to_write(tenant);
            let mut tenant = exclusive_in_turn(&tenant).await;
            let (ring, last) = tenant.ring()?;
            Ok(ring.lease(request, last))
        })
    }

    fn pending<'a>(
        &'a self,
        consumer: &'a str,
    ) -> BoxFuture<'a, Result<Vec<TenantId>, StoreError>> {
        Box::pin(async move {
            let tenants = shared(&self.tenants).clone();
            let mut pending = Vec::new();
            for (id, tenant) in tenants {
                let tenant = shared_in_turn(&tenant).await;
                let is_behind = tenant.journal.is_behind(consumer, tenant.version);
                if is_behind && tenant.check_complete().is_ok() {
                    pending.push(id);
                }
            }
            Ok(pending)
        })
    }

    fn trim<'a>(
        &'a self,
        tenant: &'a TenantId,
        before: DateTime<Utc>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let Some(tenant) = self.tenant(tenant) else {
                return Ok(0);
            };
            let mut tenant = exclusive_in_turn(&tenant).await;
            let (ring, _) = tenant.ring()?;
            Ok(ring.trim(before))
        })
    }
}

impl DeadLetters for MemoryStore {
    fn dead_letters<'a>(
        &'a self,
        tenant: &'a TenantId,
        consumer: &'a str,
        after: JournalPosition,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, StoreError>> {
        Box::pin(async move {
            let Some(tenant) = self.tenant(tenant) else {
                return Ok(Vec::new());
            };
            let tenant = shared_in_turn(&tenant).await;
            tenant.check_complete()?;
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let letters = tenant.journal.dead_letters(consumer, after);
            Ok(letters.take(limit).cloned().collect())
        })
    }

    fn put_dead_letter<'a>(
        &'a self,
        tenant: &'a TenantId,
        letter: &'a DeadLetter,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let tenant = self.tenant_to_write(tenant);
            let mut tenant = exclusive_in_turn(&tenant).await;
            let (ring, _) = tenant.ring()?;
            ring.put_dead_letter(letter.clone());
            Ok(())
        })
    }

    fn remove_dead_letter<'a>(
        &'a self,
        tenant: &'a TenantId,
        consumer: &'a str,
        position: JournalPosition,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let Some(tenant) = self.tenant(tenant) else {
                return Ok(());
            };
            let mut tenant = exclusive_in_turn(&tenant).await;
            let (ring, _) = tenant.ring()?;
            ring.remove_dead_letter(consumer, position);
            Ok(())
        })
    }
}
