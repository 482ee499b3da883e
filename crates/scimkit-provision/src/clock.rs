//! What time it is.

use std::{fmt, sync::Arc, time::SystemTime};

use chrono::{DateTime, Utc};

/// What tells the time: the system, or whatever a test wants it to be.
///
/// # Example
/// ```
/// use chrono::DateTime;
/// use scimkit_provision::Clock;
///
/// let stopped = Clock::of(|| DateTime::UNIX_EPOCH);
/// assert_eq!(stopped.now().timestamp(), 0);
/// assert_ne!(Clock::default().now().timestamp(), 0);
/// ```
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// A clock that shows what that function tells.
    #[must_use]
    pub fn of(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Clock(Arc::new(now))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl Default for Clock {
    /// The clock of the system, which may show a time before 1970.
    fn default() -> Self {
        // `Utc::now` panics before 1970.
        Clock::of(|| SystemTime::now().into())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock(…)")
    }
}
