//! Sending requests: lost requests and answers, repetition with backoff, and quarantine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use chrono::DateTime;
use fastrand::Rng;
use http::{
    HeaderMap, HeaderValue, Request, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT},
};
use scimkit_store::BoxFuture;
use serde_json::Value;

use super::{attributes::text_member, dialect::Dialect, directory::mix, requests::Call};
use crate::{escape_invisible, replay::HttpTarget};

/// Waits for that time.
pub(super) type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// How often a task is tried in one cycle.
const ATTEMPTS: u32 = 6;
/// The wait after the first failure, which doubles with each one.
const BACKOFF: Duration = Duration::from_millis(250);
/// The longest wait, also if the server asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Tasks after which a quarantine is possible.
const QUARANTINE_TASKS: u64 = 10;
/// Characters of a response that are shown.
const EXCERPT: usize = 300;

/// Sends the requests of one simulation.
pub(super) struct Courier<'t> {
    pub(super) dialect: &'static Dialect,
    pub(super) lost_percent: u8,
    pub(super) seed: u64,
    pub(super) sleep: Sleep,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) target: &'t dyn HttpTarget,
    pub(super) token: Option<String>,
    pub(super) counts: Counts,
}

/// What happened in one round.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) failed_tasks: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) repeated: AtomicU64,
    pub(super) tasks: AtomicU64,
    pub(super) throttled: AtomicU64,
}

/// A response that an identity provider can use.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Value,
    pub(super) status: u16,
}

/// The reason why a task did not succeed this time.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server rejected the request, or answered in a way that can't be used.
    Rejected {
        reason: String,
        status: u16,
    },
    Stopped,
    /// No answer, or one that asks to try again.
    Temporary {
        reason: String,
        wait: Option<Duration>,
    },
}

/// The reason why a task was given up in this cycle.
#[derive(Debug)]
pub(super) enum GivenUp {
    Quarantined,
    Rejected(String),
    Stopped,
}

impl Trouble {
    /// A response that says success, but can't be used.
    pub(super) fn unusable(reason: String) -> Self {
        Trouble::Rejected {
            reason,
            status: 200,
        }
    }
}

impl Courier<'_> {
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Whether most tasks of this round fail, so that the identity provider stops.
    pub(super) fn is_quarantined(&self) -> bool {
        let (tasks, failed) = (
            self.counts.tasks.load(Relaxed),
            self.counts.failed_tasks.load(Relaxed),
        );
        tasks >= QUARANTINE_TASKS && failed * 2 > tasks
    }

    /// Counts a task that was carried out.
    pub(super) fn finish<T>(&self, outcome: &Result<T, GivenUp>) {
        let failures = match outcome {
            Ok(_) => 0,
            Err(GivenUp::Rejected(_)) => 1,
            Err(GivenUp::Quarantined | GivenUp::Stopped) => return,
        };
        self.counts.tasks.fetch_add(1, Relaxed);
        self.counts.failed_tasks.fetch_add(failures, Relaxed);
    }

    /// Begins a task. Its number makes losses the same in each run.
    pub(super) fn task(&self, number: u64) -> Task<'_> {
        Task {
            attempt: 0,
            courier: self,
            is_repeated: false,
            lost_percent: self.lost_percent,
            rng: Rng::with_seed(mix(self.seed, &[number])),
        }
    }

    /// Begins a task whose requests are not lost.
    pub(super) fn reader(&self) -> Task<'_> {
        Task {
            lost_percent: 0,
            ..self.task(0)
        }
    }

    async fn exchange(&self, call: Call) -> Result<Response<Bytes>, String> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = call.method;
        *request.uri_mut() = call
            .path
            .parse()
            .map_err(|error| format!("invalid path: {error}"))?;
        let headers = request.headers_mut();
        let dialect = self.dialect;
        if call.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(dialect.content_type));
        }
        for (name, value) in [(ACCEPT, dialect.accept), (USER_AGENT, dialect.user_agent)] {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        if let Some(token) = &self.token {
            let bearer = HeaderValue::try_from(format!("Bearer {token}"));
            headers.insert(
                AUTHORIZATION,
                bearer.map_err(|_| "the token can't be sent in a header")?,
            );
        }
        if let Some(body) = call.body {
            *request.body_mut() = body.to_string().into();
        }
        self.counts.requests.fetch_add(1, Relaxed);
        self.target
            .send(request)
            .await
            .map_err(|error| format!("no response: {error}"))
    }
}

/// One task of a cycle, such as the update of one user, with all its attempts.
pub(super) struct Task<'c> {
    attempt: u32,
    courier: &'c Courier<'c>,
    /// Whether an earlier request may have been carried out without an answer.
    pub(super) is_repeated: bool,
    lost_percent: u8,
    rng: Rng,
}

impl Task<'_> {
    pub(super) fn dialect(&self) -> &'static Dialect {
        self.courier.dialect
    }

    /// Notes that a part is done, after which the attempts are counted anew.
    pub(super) fn progress(&mut self) {
        self.attempt = 0;
    }

    /// Returns a number for a password.
    pub(super) fn random(&mut self) -> u64 {
        self.rng.u64(..)
    }

    /// Sends a request.
    ///
    /// A status of 200 to 299 is an answer, and so is one of `expected`.
    pub(super) async fn send(&mut self, call: Call, expected: &[u16]) -> Result<Answer, Trouble> {
        let courier = self.courier;
        if courier.is_stopped() {
            return Err(Trouble::Stopped);
        }
        let shown = format!("{} {}", call.method, call.path);
        let is_lost = self.rng.u8(..100) < self.lost_percent;
        if is_lost {
            courier.counts.lost.fetch_add(1, Relaxed);
            if self.rng.bool() {
                return Err(lost());
            }
        }
        let sent = courier.exchange(call).await;
        if is_lost {
            self.is_repeated = true;
            return Err(lost());
        }
        let response = sent.map_err(|reason| {
            self.is_repeated = true;
            Trouble::Temporary {
                reason: format!("{shown}: {reason}"),
                wait: None,
            }
        })?;
        let status = response.status().as_u16();
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if response.status().is_success() || expected.contains(&status) {
            return Ok(Answer { body, status });
        }
        let reason = format!(
            "{shown}: status {status}: {}",
            detail(&body, response.body())
        );
        let wait = retry_after(response.headers());
        match status {
            429 | 503 => {
                courier.counts.throttled.fetch_add(1, Relaxed);
                Err(Trouble::Temporary { reason, wait })
            }
            500..=599 => {
                self.is_repeated = true;
                Err(Trouble::Temporary { reason, wait })
            }
            _ => Err(Trouble::Rejected { reason, status }),
        }
    }

    /// Waits after a trouble, so that the task can be tried again.
    ///
    /// # Errors
    /// The task has to be given up.
    pub(super) async fn recover(&mut self, trouble: Trouble) -> Result<(), GivenUp> {
        let (reason, wait) = match trouble {
            Trouble::Rejected { reason, .. } => return Err(GivenUp::Rejected(reason)),
            Trouble::Stopped => return Err(GivenUp::Stopped),
            Trouble::Temporary { reason, wait } => (reason, wait),
        };
        self.attempt += 1;
        if self.attempt >= ATTEMPTS {
            return Err(GivenUp::Rejected(format!(
                "given up after {ATTEMPTS} attempts: {reason}"
            )));
        }
        self.courier.counts.repeated.fetch_add(1, Relaxed);
        let wait = wait.unwrap_or(BACKOFF * 2_u32.pow(self.attempt - 1));
        (self.courier.sleep)(wait.min(LONGEST_WAIT)).await;
        if self.courier.is_stopped() {
            return Err(GivenUp::Stopped);
        }
        Ok(())
    }
}

fn lost() -> Trouble {
    Trouble::Temporary {
        reason: "the answer was lost".to_owned(),
        wait: None,
    }
}

/// Returns the `detail` of an error response, or the beginning of another body.
fn detail(body: &Value, bytes: &[u8]) -> String {
    let text = match text_member(body, "detail") {
        Some(detail) => detail.to_owned(),
        None => String::from_utf8_lossy(bytes).into_owned(),
    };
    escape_invisible(&text.chars().take(EXCERPT).collect::<String>())
}

/// Returns the time of `Retry-After`: a number of seconds, or the difference between its date and that of the response.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| DateTime::parse_from_rfc2822(text).ok();
    let now = date(headers.get(DATE)?.to_str().ok()?)?;
    (date(text)? - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{
        HeaderMap, HeaderValue,
        header::{DATE, RETRY_AFTER},
    };

    use super::retry_after;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wait = |value, date: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            if let Some(date) = date {
                headers.insert(DATE, HeaderValue::from_static(date));
            }
            retry_after(&headers)
        };
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(wait("7", None), Some(Duration::from_secs(7)));
        assert_eq!(
            wait("Sun, 06 Nov 1994 08:50:07 GMT", Some(date)),
            Some(Duration::from_secs(30))
        );
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:07 GMT", Some(date)), None);
        assert_eq!(wait("soon", Some(date)), None);
    }
}
