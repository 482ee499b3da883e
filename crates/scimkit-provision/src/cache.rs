//! The settings of connections, computed once per settings text.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;
use scimkit_mapping::MappingBuilder;
use scimkit_store::{Connection, ConnectionId, Settings, TenantId};

use crate::{ConnectionSettings, ConnectionSettingsError, tenant_location::TenantLocation};

/// The maximum number of cached connections; the least recently used one is evicted.
const MOST: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// The application's settings, from which those of every connection are computed.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) mappings: MappingBuilder,
    pub(crate) place: TenantLocation,
    pub(crate) settings: Settings,
}

/// The settings of a connection, parsed and applied.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) rules: ConnectionSettings,
    pub(crate) settings: Arc<Settings>,
}

/// The result of reading the settings text of a connection.
#[derive(Debug, Clone)]
struct Made {
    /// None if the settings are invalid.
    ready: Option<Arc<Ready>>,
    text: String,
}

#[derive(Debug)]
pub(crate) struct Cache {
    known: Mutex<LruCache<Key, Made>>,
}

type Key = (TenantId, ConnectionId);

impl Default for Cache {
    fn default() -> Self {
        Cache {
            known: Mutex::new(LruCache::new(MOST)),
        }
    }
}

impl Cache {
    /// Returns the stored settings of a connection with the settings computed from them; none if they are invalid.
    /// That is detected, and logged, once per text.
    ///
    /// A cached result counts only for the same text, so the settings of a removed connection do not apply to a
    /// new one with the same id.
    pub(crate) fn ready(&self, connection: &Connection, base: &Base) -> Option<Arc<Ready>> {
        let key = (connection.tenant.clone(), connection.id.clone());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = find(&mut known, &key, &connection.settings) {
            return made.ready;
        }
        drop(known);
        let made = make(connection, base);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Concurrent requests may all have computed it.
        if let Some(made) = find(&mut known, &key, &connection.settings) {
            return made.ready;
        }
        let (ready, problem) = match made {
            Ok(ready) => (Some(Arc::new(ready)), None),
            Err(problem) => (None, Some(problem)),
        };
        let text = connection.settings.clone();
        let made = Made { ready, text };
        known.put(key, made.clone());
        drop(known);
        if let Some(error) = problem {
            let (tenant, connection) = (&connection.tenant, &connection.id);
            tracing::error!(%tenant, %connection, %error, "reading connection settings failed");
        }
        made.ready
    }
}

/// Returns the cached result for this text.
fn find(known: &mut LruCache<Key, Made>, key: &Key, text: &str) -> Option<Made> {
    known.get(key).filter(|made| made.text == text).cloned()
}

fn make(connection: &Connection, base: &Base) -> Result<Ready, ConnectionSettingsError> {
    let rules = ConnectionSettings::from_json(&connection.settings)?;
    let mut settings = rules.apply_to(&base.settings, &base.mappings)?;
    settings.base_url = base.place.base_url(&connection.tenant);
    Ok(Ready {
        rules,
        settings: Arc::new(settings),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;
    use scimkit_store::{Connection, ConnectionId, Settings, TenantId};

    use super::{Base, Cache, MOST};
    use crate::tenant_location::TenantLocation;

    fn base(url: &str) -> Base {
        let settings = Settings::new(url);
        Base {
            mappings: Default::default(),
            place: TenantLocation::of(&settings.base_url),
            settings,
        }
    }

    fn connection(id: &str) -> Connection {
        let tenant = TenantId::default();
        let id = ConnectionId::from(id);
        Connection::new(tenant, id, "", DateTime::UNIX_EPOCH)
    }

    #[test]
    fn settings_are_made_once_for_each_text_of_rules() {
        let cache = Cache::default();
        let base = base("https://{tenant}.app.example");
        let ready = |connection: &Connection| cache.ready(connection, &base).unwrap();
        let mut entra = connection("entra");
        let first = ready(&entra);
        assert_eq!(first.settings.base_url, "https://default.app.example");
        assert!(Arc::ptr_eq(&first, &ready(&entra)));

        entra.settings = r#"{"users":false}"#.to_owned();
        let second = ready(&entra);
        assert!(first.rules.users && !second.rules.users);

        entra.settings = "{".to_owned();
        assert!(cache.ready(&entra, &base).is_none());
        entra.settings = "{}".to_owned();
        assert!(cache.ready(&entra, &base).is_some());
    }

    #[test]
    fn the_connection_that_was_not_asked_for_longest_is_forgotten() {
        let cache = Cache::default();
        let base = base("https://app.example");
        let ready = |id: &str| cache.ready(&connection(id), &base).unwrap();
        let first = ready("first");
        let second = ready("second");
        for more in 0..MOST.get() - 1 {
            ready(&more.to_string());
            ready("first");
        }
        assert_eq!(cache.known.lock().unwrap().len(), MOST.get());
        assert!(Arc::ptr_eq(&first, &ready("first")));
        assert!(!Arc::ptr_eq(&second, &ready("second")));
    }
}
