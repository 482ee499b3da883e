//! Running scenarios.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Authorization, Charset, Exchange, Failure, Feature, HttpTarget, Mode, NoSlash, ReplayReport,
    Scenario, ScenarioResult, ScenarioVerdict, Step,
    attributes::Declared,
    check::{capture, check, is_scim},
    vars::{Vars, encoded},
};

pub(crate) const SCIM: &str = "application/scim+json";

/// Replays scenarios against an [`HttpTarget`].
///
/// Each scenario creates what it needs under names that no other run uses. Created resources are deleted afterwards, in
/// reverse order. By default, the modes [`Mode::Both`] and [`Mode::Compat`] are run, without a token.
#[derive(Clone)]
pub struct Replay<'t> {
    modes: Vec<Mode>,
    settings_known: bool,
    target: &'t dyn HttpTarget,
    token: Option<String>,
}

impl std::fmt::Debug for Replay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay")
            .field("modes", &self.modes)
            .finish_non_exhaustive()
    }
}

impl<'t> Replay<'t> {
    /// Creates a replay against that target.
    #[must_use]
    pub fn new(target: &'t dyn HttpTarget) -> Self {
        Replay {
            modes: vec![Mode::Both, Mode::Compat],
            settings_known: false,
            target,
            token: None,
        }
    }

    /// Runs the scenarios of these modes.
    #[must_use]
    pub fn with_modes(mut self, modes: impl IntoIterator<Item = Mode>) -> Self {
        self.modes = modes.into_iter().collect();
        self
    }

    /// Also runs scenarios that need other [settings](Scenario::settings) than the defaults, because the target has
    /// these settings.
    #[must_use]
    pub fn with_settings_met(mut self) -> Self {
        self.settings_known = true;
        self
    }

    /// Sends that bearer token.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sends a GET and returns the status.
    ///
    /// # Errors
    /// The reason why there is no response.
    pub(crate) async fn probe(&self, path: &str) -> Result<u16, String> {
        let run = Run {
            configuration: Value::Null,
            replay: self,
            warnings: BTreeMap::new(),
        };
        let answer = run.send(&Sent::plain("GET", path)).await?;
        Ok(answer.status().as_u16())
    }

    /// Runs the scenarios one after the other.
    pub async fn run(&self, scenarios: &[Scenario]) -> ReplayReport {
        self.run_watched(scenarios, |_| {}).await
    }

    /// Runs the scenarios one after the other, and passes each result to `watch` as soon as it is known.
    pub async fn run_watched(
        &self,
        scenarios: &[Scenario],
        mut watch: impl FnMut(&ScenarioResult),
    ) -> ReplayReport {
        let mut run = Run {
            configuration: Value::Null,
            replay: self,
            warnings: BTreeMap::new(),
        };
        let declared = Declared::from_list(&run.document("/Schemas").await);
        let mut needs = scenarios.iter().flat_map(|scenario| &scenario.requires);
        if needs.any(|need| need.feature().is_some()) {
            run.configuration = run.document("/ServiceProviderConfig").await;
        }
        let mut outcomes = Vec::with_capacity(scenarios.len());
        for scenario in scenarios {
            let verdict = run.judge(scenario, &declared).await;
            let outcome = ScenarioResult::new(scenario.mode, scenario.name(), verdict);
            watch(&outcome);
            outcomes.push(outcome);
        }
        ReplayReport {
            outcomes,
            warnings: run.warnings,
        }
    }
}

/// A replay in progress.
struct Run<'r, 't> {
    /// The target's `/ServiceProviderConfig`, if a scenario needs it.
    configuration: Value,
    replay: &'r Replay<'t>,
    warnings: BTreeMap<String, u64>,
}

/// A request with its placeholders replaced.
struct Sent {
    auth: Authorization,
    body: Option<Vec<u8>>,
    headers: BTreeMap<String, String>,
    method: String,
    path: String,
}

impl Sent {
    fn plain(method: &str, path: &str) -> Self {
        Sent {
            auth: Authorization::Token,
            body: None,
            headers: BTreeMap::new(),
            method: method.to_owned(),
            path: path.to_owned(),
        }
    }
}

/// One scenario in progress.
struct Course {
    exchanges: Vec<Exchange>,
    /// The paths of created resources.
    made: Vec<String>,
    vars: Vars,
}

impl Run<'_, '_> {
    async fn judge(&mut self, scenario: &Scenario, declared: &Declared) -> ScenarioVerdict {
        if !self.replay.modes.contains(&scenario.mode) {
            return ScenarioVerdict::OtherMode;
        }
        if !self.replay.settings_known && !scenario.settings.is_empty() {
            let settings = Value::Object(scenario.settings.clone().into_iter().collect());
            return ScenarioVerdict::NotRun(format!(
                "it needs a server with the settings {settings}"
            ));
        }
        if scenario.requires.contains(&Feature::Auth) && self.replay.token.is_none() {
            return ScenarioVerdict::NotRun("it needs a token".to_owned());
        }
        if let Some(feature) = scenario.requires.iter().find_map(|need| self.lacks(*need)) {
            return ScenarioVerdict::NotRun(format!(
                "the server says that it does not support {feature}"
            ));
        }
        let served = |urn: &&String| declared.serves(urn);
        let missing: Vec<_> = scenario
            .requires_schema
            .iter()
            .filter(|urn| !served(urn))
            .cloned()
            .collect();
        if !missing.is_empty() {
            return ScenarioVerdict::NotRun(format!("schema not served: {}", missing.join(", ")));
        }
        let fitted = match declared.fit(scenario) {
            Ok(fitted) => fitted,
            Err(reason) => return ScenarioVerdict::NotRun(reason),
        };
        let scenario = &*fitted;
        let of = scenario.steps.len();
        if scenario.requires.contains(&Feature::Empty)
            && let Some(left) = self.left_over().await
        {
            let reason =
                format!("the directory must be empty for this scenario, but contains {left}");
            return failed(scenario, (0, reason), Vec::new());
        }
        let mut course = Course {
            exchanges: Vec::new(),
            made: Vec::new(),
            vars: Vars::new(),
        };
        let outcome = self.steps(&scenario.steps, &mut course).await;
        self.clean_up(&course.made).await;
        match outcome {
            Ok(()) => ScenarioVerdict::Passed { steps: of },
            Err(fault) => failed(scenario, fault, course.exchanges),
        }
    }

    async fn steps(&mut self, steps: &[Step], course: &mut Course) -> Result<(), Fault> {
        for (at, step) in steps.iter().enumerate() {
            for i in 1..=step.repeat {
                course
                    .vars
                    .set("i".to_owned(), Value::String(i.to_string()));
                self.step(step, course)
                    .await
                    .map_err(|reason| (at, reason))?;
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step, course: &mut Course) -> Result<(), String> {
        let sent = sent(step, &mut course.vars)?;
        let answer = self.send(&sent).await?;
        let status = answer.status();
        let data = answer.body();
        let text = String::from_utf8_lossy(data).into_owned();
        let document: Option<Value> = serde_json::from_slice(data).ok();
        if status == StatusCode::CREATED {
            course.made.extend(made(&sent, document.as_ref()));
        }
        let body = sent
            .body
            .as_ref()
            .map(|body| String::from_utf8_lossy(body).into_owned());
        course.exchanges.push(Exchange {
            answer: text,
            body,
            method: sent.method,
            path: sent.path,
            status: status.as_u16(),
        });
        let asked = |name: &String| name.eq_ignore_ascii_case(ACCEPT.as_str());
        let negotiated = sent.headers.keys().any(asked);
        if !data.is_empty() && status != StatusCode::NO_CONTENT && !negotiated && !is_scim(&answer)
        {
            self.warn(format!("the content type is not {SCIM}"));
        }
        check(step, &answer, document.as_ref(), &mut course.vars)?;
        capture(step, &answer, document.as_ref(), &mut course.vars)
    }

    async fn send(&self, sent: &Sent) -> Result<Response<Bytes>, String> {
        let body = Bytes::from(sent.body.clone().unwrap_or_default());
        let mut request = http::Request::new(body);
        *request.method_mut() = Method::from_bytes(sent.method.as_bytes())
            .map_err(|_| format!("`{}` is not a method", sent.method))?;
        let path = match sent.path.as_str() {
            path if path.is_empty() || path.starts_with('?') => {
                request.extensions_mut().insert(NoSlash);
                format!("/{path}")
            }
            path => path.to_owned(),
        };
        check_path(&path)?;
        *request.uri_mut() = path
            .parse()
            .map_err(|problem| format!("`{path}` is not a path: {problem}"))?;
        let headers = request.headers_mut();
        for (name, value) in &sent.headers {
            let header = || {
                let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
                Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
            };
            let (name, value) =
                header().ok_or_else(|| format!("`{name}: {value}` is not a header"))?;
            if name == HOST {
                // A scenario file could send the token to any host.
                return Err("a scenario may not set the header `Host`".to_owned());
            }
            headers.insert(name, value);
        }
        headers
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static(SCIM));
        if sent.body.is_some() {
            headers
                .entry(CONTENT_TYPE)
                .or_insert(HeaderValue::from_static(SCIM));
        }
        let bearer = |token: &str| {
            HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| "the token can't be sent in a header".to_owned())
        };
        match (sent.auth, &self.replay.token) {
            (Authorization::Bad, _) => {
                let token = format!("not-the-token-{}", Uuid::new_v4().simple());
                headers.insert(AUTHORIZATION, bearer(&token)?);
            }
            (Authorization::Token, Some(token)) => {
                let bearer = bearer(token)?;
                headers.entry(AUTHORIZATION).or_insert(bearer);
            }
            _ => {}
        }
        self.replay
            .target
            .send(request)
            .await
            .map_err(|problem| format!("no answer: {problem}"))
    }

    /// Returns the name of a feature that the target declares as missing.
    fn lacks(&self, need: Feature) -> Option<&'static str> {
        let denied = need.is_denied(&self.configuration);
        need.feature().filter(|_| denied)
    }

    /// Returns the document at a path, or null.
    async fn document(&self, path: &str) -> Value {
        let answer = self.send(&Sent::plain("GET", path)).await;
        let read = answer.map(|answer| serde_json::from_slice(answer.body()).unwrap_or_default());
        read.unwrap_or_default()
    }

    /// Returns the numbers of users and groups, if there are any.
    async fn left_over(&self) -> Option<String> {
        let mut left = Vec::new();
        for path in ["/Users", "/Groups"] {
            let answer = self
                .send(&Sent::plain("GET", &format!("{path}?count=0")))
                .await;
            let count = answer.and_then(|answer| {
                let document: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
                let total = document.get("totalResults").and_then(Value::as_u64);
                total.ok_or_else(|| format!("status {}", answer.status().as_u16()))
            });
            match count {
                Ok(0) => {}
                Ok(count) => left.push(format!("{path} {count}")),
                Err(problem) => left.push(format!("{path} {problem}")),
            }
        }
        (!left.is_empty()).then(|| left.join(", "))
    }

    async fn clean_up(&mut self, made: &[String]) {
        for path in made.iter().rev() {
            match self.send(&Sent::plain("DELETE", path)).await {
                Ok(answer) if [204, 404].contains(&answer.status().as_u16()) => {}
                Ok(answer) => self.warn(format!("a clean-up DELETE answered {}", answer.status())),
                Err(problem) => self.warn(format!("a clean-up DELETE failed: {problem}")),
            }
        }
    }

    fn warn(&mut self, warning: String) {
        *self.warnings.entry(warning).or_default() += 1;
    }
}

/// Returns the path of a created resource; a PUT should not create one, but may.
fn made(sent: &Sent, document: Option<&Value>) -> Option<String> {
    let path = sent.path.split('?').next()?.trim_end_matches('/');
    match sent.method.as_str() {
        "POST" => {
            let id = document?.get("id")?.as_str()?;
            Some(format!("{path}/{}", encoded(id)))
        }
        "PUT" => Some(path.to_owned()),
        _ => None,
    }
}

/// The index of the failed step, and the reason.
type Fault = (usize, String);

fn failed(scenario: &Scenario, (at, reason): Fault, exchanges: Vec<Exchange>) -> ScenarioVerdict {
    let request = scenario.steps.get(at).map(|step| &step.request);
    ScenarioVerdict::Failed(Failure {
        exchanges,
        of: scenario.steps.len(),
        reason,
        request: request.map_or_else(String::new, |r| format!("{} {}", r.method, r.path)),
        step: at + 1,
    })
}

/// Rejects paths that leave the base path, because such a request could reach another service of the host with the
/// token.
fn check_path(path: &str) -> Result<(), String> {
    if !path.starts_with('/') {
        // It would become a part of the authority.
        return Err(format!("`{path}` does not begin with a slash"));
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let mut depth = 0_i64;
    for segment in decoded.split(['/', '\\']) {
        depth += match segment {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        if depth < 0 {
            return Err(format!("`{path}` leads out of the base path"));
        }
    }
    Ok(())
}

fn bytes(text: &str, charset: Charset) -> Result<Vec<u8>, String> {
    match charset {
        Charset::Utf8 => Ok(text.as_bytes().to_vec()),
        Charset::Latin1 => {
            let bytes = text.chars().map(u8::try_from);
            let bytes: Result<_, _> = bytes.collect();
            bytes.map_err(|_| "the body has characters that ISO 8859-1 does not have".to_owned())
        }
    }
}

fn sent(step: &Step, vars: &mut Vars) -> Result<Sent, String> {
    let request = &step.request;
    let path = vars.path(&request.path)?;
    let body = match (&request.raw_body, &request.body) {
        (Some(text), _) => Some(bytes(&vars.text(text)?, request.raw_charset)?),
        (None, Some(tree)) => Some(vars.tree(tree)?.to_string().into_bytes()),
        (None, None) => None,
    };
    let mut headers = BTreeMap::new();
    for (name, value) in &request.headers {
        headers.insert(vars.text(name)?, vars.text(value)?);
    }
    Ok(Sent {
        auth: step.auth,
        body,
        headers,
        method: request.method.clone(),
        path,
    })
}
