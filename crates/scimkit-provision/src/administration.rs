//! Administration of tenants and connections.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use scimkit_store::{
    Cause, Connection, ConnectionId, ConnectionSettings, Stamp, StoreError, Tenant, TenantEntry,
    TenantId, TenantLimits, TenantSource, TenantStore, validate,
};

use crate::{AdminError, Clock, EntryKind};

/// The number of retries of a change that loses races against other changes.
pub(crate) const RACES: u32 = 16;

/// Creates and changes tenants, connections and [tokens](TenantAdmin::create_token).
///
/// - Ids are for people to type, in paths, host names and commands: 1 to 63 characters out of `a` to
///   `z`, `0` to `9` and `-`, which is neither the first nor the last. They never change.
/// - Names are for people to read: up to 200 characters, none of them a control character.
/// - A change takes the entry as the caller has seen it, and fails with [`AdminError::VersionMismatch`] if the stored one has
///   changed since. A successful change is durable and takes effect with the next request, in every process.
///
/// # Example
/// See the [front page](crate).
#[derive(Debug, Clone)]
pub struct TenantAdmin {
    cause: Cause,
    pub(crate) clock: Clock,
    limits: TenantLimits,
    pub(crate) tenancy: Arc<dyn TenantStore>,
}

impl TenantAdmin {
    /// Creates an administration of the tenants in a store.
    #[must_use]
    pub fn new(tenancy: Arc<dyn TenantStore>) -> Self {
        TenantAdmin {
            cause: Cause::default(),
            clock: Clock::default(),
            limits: TenantLimits::default(),
            tenancy,
        }
    }

    /// Sets the cause of the changes for the journal. Without one, it is the application itself.
    #[must_use]
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Sets the limits on the number of tenants, connections and tokens.
    ///
    /// # Example
    /// ```
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// # fn now<T>(future: impl Future<Output = T>) -> T {
    /// #     let mut future = pin!(future);
    /// #     loop {
    /// #         if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
    /// #             return value;
    /// #         }
    /// #     }
    /// # }
    /// use std::sync::Arc;
    /// use scimkit_provision::{TenantAdmin, AdminError, EntryKind};
    /// use scimkit_store::{MemoryStore, TenantLimits};
    ///
    /// let mut limits = TenantLimits::default();
    /// limits.tenants = 1;
    /// let administration = TenantAdmin::new(Arc::new(MemoryStore::new())).with_limits(limits);
    /// let acme = now(administration.create_tenant("acme", "Acme"))?;
    /// let error = now(administration.create_tenant("other", "Other")).unwrap_err();
    /// assert!(matches!(error, AdminError::TooMany { kind: EntryKind::Tenant, limit: 1, .. }));
    /// // What exists can be changed.
    /// assert!(now(administration.rename_tenant(&acme, "Acme Inc.")).is_ok());
    /// # Ok::<(), AdminError>(())
    /// ```
    #[must_use]
    pub fn with_limits(mut self, limits: TenantLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Returns the tenants, by id.
    ///
    /// # Errors
    /// [`AdminError::Store`].
    pub async fn tenants(&self) -> Result<Vec<Tenant>, AdminError> {
        self.tenancy.tenants().await.map_err(AdminError::Store)
    }

    /// Returns a tenant by its id.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Store`].
    pub async fn tenant(&self, id: &TenantId) -> Result<Tenant, AdminError> {
        let found = self.tenancy.tenant(id).await.map_err(AdminError::Store)?;
        found.ok_or_else(|| not_found(EntryKind::Tenant, id.as_str()))
    }

    /// Creates a tenant.
    ///
    /// # Errors
    /// [`AdminError::Invalid`], [`AdminError::Exists`], [`AdminError::TooMany`], [`AdminError::Store`].
    pub async fn create_tenant(&self, id: &str, name: &str) -> Result<Tenant, AdminError> {
        validate::id("tenant id", id)?;
        validate::name(name)?;
        let tenant = Tenant::new(TenantId::from(id), name, self.now());
        self.put_tenant(tenant).await.map_err(|error| match error {
            AdminError::VersionMismatch { id, kind } => AdminError::Exists { id, kind },
            other => other,
        })
    }

    /// Renames a tenant.
    ///
    /// # Errors
    /// [`AdminError::Invalid`], [`AdminError::VersionMismatch`] if the tenant has changed since it was `seen`,
    /// [`AdminError::NotFound`] if it no longer exists, [`AdminError::Store`].
    pub async fn rename_tenant(&self, seen: &Tenant, name: &str) -> Result<Tenant, AdminError> {
        validate::name(name)?;
        let mut tenant = seen.clone();
        name.clone_into(&mut tenant.name);
        self.put_tenant(tenant).await
    }

    /// Returns the connections of a tenant, by id.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Store`].
    pub async fn connections(&self, tenant: &TenantId) -> Result<Vec<Connection>, AdminError> {
        let found = self.tenancy.connections(tenant).await;
        let found = found.map_err(AdminError::Store)?;
        if found.is_empty() {
            self.tenant(tenant).await?;
        }
        Ok(found)
    }

    /// Returns a connection by its tenant and its id.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Store`].
    pub async fn connection(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
    ) -> Result<Connection, AdminError> {
        let found = self.tenancy.connection(tenant, id).await;
        if let Some((_, connection)) = found.map_err(AdminError::Store)? {
            return Ok(connection);
        }
        self.tenant(tenant).await?;
        Err(not_found(EntryKind::Connection, id.as_str()))
    }

    /// Creates a connection.
    ///
    /// # Errors
    /// [`AdminError::Invalid`], [`AdminError::Settings`], [`AdminError::Exists`], [`AdminError::NotFound`] if the
    /// tenant does not exist, [`AdminError::TooMany`], [`AdminError::Store`].
    pub async fn create_connection(
        &self,
        tenant: &TenantId,
        id: &str,
        name: &str,
        rules: &ConnectionSettings,
    ) -> Result<Connection, AdminError> {
        validate::id("connection id", id)?;
        validate::name(name)?;
        let id = ConnectionId::from(id);
        let at = self.now();
        let mut connection = Connection::new(tenant.clone(), id, name, at);
        connection.settings = rules.to_json()?;
        let made = self.put_connection(connection).await;
        made.map_err(|error| match error {
            AdminError::VersionMismatch { id, kind } => AdminError::Exists { id, kind },
            AdminError::NotFound { .. } => not_found(EntryKind::Tenant, tenant.as_str()),
            other => other,
        })
    }

    /// Creates a tenant, and a connection with default settings, each unless it exists. Its id is its name, too.
    ///
    /// # Errors
    /// [`AdminError::Invalid`], [`AdminError::TooMany`], [`AdminError::Store`].
    ///
    /// # Example
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use std::sync::Arc;
    /// use scimkit_provision::{NewToken, TenantAdmin};
    /// use scimkit_store::{ConnectionId, MemoryStore, TenantId};
    ///
    /// let administration = TenantAdmin::new(Arc::new(MemoryStore::new()));
    /// let (tenant, connection) = (TenantId::from("acme"), ConnectionId::from("entra"));
    /// for _ in 0..2 {
    ///     administration.ensure_connection(&tenant, &connection).await.unwrap();
    /// }
    /// let token = NewToken::new("first");
    /// assert!(administration.create_token(&tenant, &connection, &token).await.is_ok());
    /// # });
    /// ```
    pub async fn ensure_connection(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<(), AdminError> {
        let id = tenant.as_str();
        unless_it_exists(self.create_tenant(id, id).await)?;
        let id = connection.as_str();
        let rules = ConnectionSettings::default();
        unless_it_exists(self.create_connection(tenant, id, id, &rules).await)
    }

    /// Changes what delivers the users of a tenant. In the same write, test mode returns on all its connections with staged
    /// delivery.
    ///
    /// # Errors
    /// [`AdminError::VersionMismatch`] if the tenant or one of its connections has changed since it was `seen`,
    /// [`AdminError::NotFound`] if it no longer exists, [`AdminError::Settings`], [`AdminError::Store`].
    pub async fn change_source(
        &self,
        seen: &Tenant,
        source: TenantSource,
    ) -> Result<Tenant, AdminError> {
        let mut tenant = seen.clone();
        tenant.source = source;
        let mut entries = vec![TenantEntry::Tenant(tenant.clone())];
        for mut connection in self.connections(&seen.id).await? {
            let mut settings = ConnectionSettings::from_json(&connection.settings)?;
            if settings.is_staged() && !settings.test_mode {
                settings.test_mode = true;
                connection.settings = settings.to_json()?;
                entries.push(TenantEntry::Connection(connection));
            }
        }
        let put = self.put(entries).await;
        put.map_err(|error| failed(error, EntryKind::Tenant, tenant.id.as_str()))?;
        tenant.revision += 1;
        Ok(tenant)
    }

    /// Changes the name and the settings of a connection.
    ///
    /// # Errors
    /// [`AdminError::Invalid`], [`AdminError::Settings`], [`AdminError::VersionMismatch`] if the connection has changed since it
    /// was `seen`, [`AdminError::NotFound`] if it no longer exists, [`AdminError::Store`].
    pub async fn change_connection(
        &self,
        seen: &Connection,
        name: &str,
        rules: &ConnectionSettings,
    ) -> Result<Connection, AdminError> {
        validate::name(name)?;
        let mut connection = seen.clone();
        name.clone_into(&mut connection.name);
        connection.settings = rules.to_json()?;
        self.put_connection(connection).await
    }

    /// Disables a connection, and preserves concurrent changes of its name and settings: the server rejects its
    /// requests until it is enabled again.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Settings`], [`AdminError::Store`], and [`AdminError::VersionMismatch`]
    /// if other changes keep winning the race.
    pub async fn disable_connection(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
    ) -> Result<Connection, AdminError> {
        self.set_active(tenant, id, false).await
    }

    /// Enables a connection, and preserves concurrent changes of its name and settings.
    ///
    /// # Errors
    /// Those of [`TenantAdmin::disable_connection`].
    pub async fn enable_connection(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
    ) -> Result<Connection, AdminError> {
        self.set_active(tenant, id, true).await
    }

    async fn set_active(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
        active: bool,
    ) -> Result<Connection, AdminError> {
        let mut races = RACES;
        loop {
            let seen = self.connection(tenant, id).await?;
            let mut settings = ConnectionSettings::from_json(&seen.settings)?;
            settings.active = active;
            match self.change_connection(&seen, &seen.name, &settings).await {
                Err(AdminError::VersionMismatch { .. }) if races > 0 => races -= 1,
                done => return done,
            }
        }
    }

    /// Removes a connection with its tokens. The resources that it provisioned stay, without an owner.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Store`].
    pub async fn remove_connection(
        &self,
        tenant: &TenantId,
        id: &ConnectionId,
    ) -> Result<(), AdminError> {
        let removed = self
            .tenancy
            .remove_connection(tenant, id, self.stamp())
            .await;
        removed.map_err(|error| failed(error, EntryKind::Connection, id.as_str()))
    }

    /// Returns the current time, in the precision of every store.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now().trunc_subsecs(3)
    }

    fn stamp(&self) -> Stamp {
        let stamp = Stamp::new(self.now()).with_cause(self.cause.clone());
        stamp.with_limits(self.limits)
    }

    /// Stores entries with the current time.
    pub(crate) async fn put(&self, entries: Vec<TenantEntry>) -> Result<(), StoreError> {
        self.tenancy.put(entries, self.stamp()).await
    }

    async fn put_tenant(&self, mut tenant: Tenant) -> Result<Tenant, AdminError> {
        let put = self.put(vec![TenantEntry::Tenant(tenant.clone())]).await;
        put.map_err(|error| failed(error, EntryKind::Tenant, tenant.id.as_str()))?;
        tenant.revision += 1;
        Ok(tenant)
    }

    async fn put_connection(&self, mut connection: Connection) -> Result<Connection, AdminError> {
        let entry = TenantEntry::Connection(connection.clone());
        let put = self.put(vec![entry]).await;
        put.map_err(|error| failed(error, EntryKind::Connection, connection.id.as_str()))?;
        connection.revision += 1;
        Ok(connection)
    }
}

fn unless_it_exists<T>(created: Result<T, AdminError>) -> Result<(), AdminError> {
    match created {
        Err(AdminError::Exists { .. }) => Ok(()),
        other => other.map(drop),
    }
}

pub(crate) fn not_found(kind: EntryKind, id: &str) -> AdminError {
    let id = id.to_owned();
    AdminError::NotFound { id, kind }
}

/// Converts a failure of the store on a change of the entry with this kind and id.
pub(crate) fn failed(error: StoreError, kind: EntryKind, id: &str) -> AdminError {
    let id = id.to_owned();
    match error {
        StoreError::NotFound => AdminError::NotFound { id, kind },
        StoreError::VersionMismatch { .. } => AdminError::VersionMismatch { id, kind },
        StoreError::TooManyEntries { kind, limit } => AdminError::TooMany {
            kind,
            limit,
            problem: error.to_string(),
        },
        other => AdminError::Store(other),
    }
}
