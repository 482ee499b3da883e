//! What time it is, and identifiers that follow it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, Utc};
use scimkit_registry::ResourceId;
use uuid::{ContextV7, Timestamp, Uuid};

/// The time that a version 7 UUID shows at least: its field holds no earlier one, and its counter
/// starts at random only after 1970.
const FIRST: Duration = Duration::from_millis(1);

/// Returns the time of the system's clock, which may be before 1970.
pub(crate) fn now() -> DateTime<Utc> {
    // `Utc::now` panics before 1970.
    SystemTime::now().into()
}

/// Returns an identifier for a new resource: a version 7 UUID, so that ids sort by creation.
pub(crate) fn new_id() -> ResourceId {
    id_at(SystemTime::now())
}

fn id_at(now: SystemTime) -> ResourceId {
    static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());
    // `Uuid::now_v7` panics before 1970.
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(FIRST).max(FIRST);
    let context = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner);
    let timestamp = Timestamp::from_unix(&*context, since.as_secs(), since.subsec_nanos());
    ResourceId::from(Uuid::new_v7(timestamp).to_string())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        time::{Duration, UNIX_EPOCH},
    };

    use chrono::{DateTime, Utc};

    use super::{id_at, new_id};

    #[test]
    fn ids_are_distinct_and_in_order_while_the_clock_jumps() {
        let now = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let before_1970 = UNIX_EPOCH - Duration::from_secs(300_000_000);
        let clock = [now, before_1970, UNIX_EPOCH, now, before_1970];
        let ids: Vec<_> = clock.map(id_at).map(|id| id.to_string()).into();
        assert!(ids.is_sorted(), "{ids:?}");
        let ids: BTreeSet<_> = ids.into_iter().chain([new_id().to_string()]).collect();
        assert_eq!(ids.len(), clock.len() + 1);
    }

    #[test]
    fn a_clock_before_1970_is_read() {
        let at = UNIX_EPOCH - Duration::from_millis(1_500);
        let at: DateTime<Utc> = at.into();
        assert_eq!(at.timestamp_millis(), -1_500);
    }
}
