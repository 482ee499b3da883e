//! The settings of connections, made once for each text of their rules.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use scimkit_store::{Connection, ConnectionId, Settings, TenantId};

use crate::{Rules, RulesError, place::Place};

/// Connections that are remembered at most; of more, those that were asked for last.
const MOST: usize = 1_024;

/// A connection's rules at work.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) rules: Rules,
    pub(crate) settings: Arc<Settings>,
    /// What they were read from.
    text: String,
}

#[derive(Debug, Default)]
pub(crate) struct Cache {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    // INVARIANT: at most `MOST`.
    connections: HashMap<(TenantId, ConnectionId), (u64, Arc<Ready>)>,
    /// How often something was asked for.
    time: u64,
}

impl Cache {
    /// The rules of a connection and the settings that follow from them.
    ///
    /// What was made of other rules is not used, also where a connection was removed and another made
    /// under its id.
    pub(crate) fn ready(
        &self,
        connection: &Connection,
        base: &Settings,
        place: &Place,
    ) -> Result<Arc<Ready>, RulesError> {
        let key = (connection.tenant.clone(), connection.id.clone());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.time += 1;
        let now = known.time;
        if let Some((asked, ready)) = known.connections.get_mut(&key)
            && ready.text == connection.rules
        {
            *asked = now;
            return Ok(Arc::clone(ready));
        }
        drop(known);
        let ready = Arc::new(make(connection, base, place)?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.keep(key, (now, Arc::clone(&ready)));
        Ok(ready)
    }
}

impl Known {
    fn keep(&mut self, key: (TenantId, ConnectionId), entry: (u64, Arc<Ready>)) {
        if self.connections.len() >= MOST && !self.connections.contains_key(&key) {
            let entries = self.connections.iter();
            let oldest = entries.min_by_key(|(_, (asked, _))| *asked);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.connections.remove(&oldest);
            }
        }
        self.connections.insert(key, entry);
    }
}

fn make(connection: &Connection, base: &Settings, place: &Place) -> Result<Ready, RulesError> {
    let rules = Rules::from_json(&connection.rules)?;
    let mut settings = rules.settings(base);
    settings.base_url = place.base_url(&connection.tenant);
    Ok(Ready {
        rules,
        settings: Arc::new(settings),
        text: connection.rules.clone(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;
    use scimkit_store::{Connection, ConnectionId, Settings, TenantId};

    use super::{Cache, MOST};
    use crate::place::Place;

    fn connection(id: &str) -> Connection {
        let (tenant, id) = (TenantId::default(), ConnectionId::from(id));
        Connection::new(tenant, id, "", DateTime::UNIX_EPOCH)
    }

    #[test]
    fn settings_are_made_once_for_each_text_of_rules() {
        let (cache, base) = (
            Cache::default(),
            Settings::new("https://{tenant}.app.example"),
        );
        let place = Place::of(&base.base_url);
        let ready = |connection: &Connection| cache.ready(connection, &base, &place).unwrap();
        let mut entra = connection("entra");
        let first = ready(&entra);
        assert_eq!(first.settings.base_url, "https://default.app.example");
        assert!(Arc::ptr_eq(&first, &ready(&entra)));

        entra.rules = r#"{"users":false}"#.to_owned();
        let second = ready(&entra);
        assert!(first.rules.users && !second.rules.users);

        entra.rules = "{".to_owned();
        assert!(cache.ready(&entra, &base, &place).is_err());
    }

    #[test]
    fn the_connection_that_was_not_asked_for_longest_is_forgotten() {
        let (cache, base) = (Cache::default(), Settings::new("https://app.example"));
        let place = Place::of(&base.base_url);
        let ready = |id: &str| cache.ready(&connection(id), &base, &place).unwrap();
        let (first, second) = (ready("first"), ready("second"));
        for more in 0..MOST - 1 {
            ready(&more.to_string());
            ready("first");
        }
        assert_eq!(cache.known.lock().unwrap().connections.len(), MOST);
        assert!(Arc::ptr_eq(&first, &ready("first")));
        assert!(!Arc::ptr_eq(&second, &ready("second")));
    }
}
