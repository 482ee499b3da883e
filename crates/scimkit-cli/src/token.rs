//! `scimkit token`: what opens a connection.

use std::{process::ExitCode, str::FromStr, time::Duration};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum};
use scimkit::{
    ConnectionId, Scopes,
    provision::{Administration, Clock, Issued, NewToken},
    store::{TenantLimits, TokenRecord},
};
use serde_json::{Value, json};

use crate::{
    kept::{self, Answer, Failure, Missing, instant, minute},
    output,
    table::table,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Creates a token and prints it once: alone on standard output, so that a script can store it.
    Create(Create),
    /// Lists the tokens of a tenant; of a token itself nothing is kept that could be shown.
    List(List),
    /// Revokes a token: the next request that comes with it is refused.
    Revoke(Revoke),
    /// Replaces a token by a new one, which is shown as that of `create` is.
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What it opens.
    #[arg(long, default_value = "default", value_name = "ID")]
    connection: String,

    /// When it ends: a date, a moment of RFC 3339, or how long it is good for, such as `90d`.
    #[arg(long, value_name = "WHEN")]
    expires: Option<End>,

    /// Largest number of valid tokens of the connection [default: 100]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// What people call it.
    #[arg(long, default_value = "")]
    name: String,

    #[command(flatten)]
    showing: Showing,

    /// What it may do: `read` all, write `users`, write `groups` and whatever else there is.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "groups,read,users"
    )]
    scopes: Vec<Scope>,

    #[command(flatten)]
    of: kept::InTenant,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Those of that connection alone.
    #[arg(long, value_name = "ID")]
    connection: Option<String>,

    #[command(flatten)]
    of: kept::InTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Which one, as in `list`.
    id: String,

    #[command(flatten)]
    of: kept::InTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Which one, as in `list`.
    id: String,

    /// How long the old one is still good, such as `24h`.
    #[arg(long, default_value = "0s", value_name = "TIME", value_parser = duration)]
    overlap: Duration,

    #[command(flatten)]
    showing: Showing,

    #[command(flatten)]
    of: kept::InTenant,
}

/// How a new token is shown.
#[derive(Debug, Args)]
struct Showing {
    /// Say nothing beside the token.
    #[arg(short, long)]
    quiet: bool,
}

impl Showing {
    /// The token alone, and beside it what there is to say of it.
    fn of(&self, issued: &Issued) -> Answer {
        let secret = issued.token.reveal();
        let json = json!({ "secret": secret, "token": as_json(&issued.record) });
        let mut answer = Answer::line(json, secret.to_owned());
        if !self.quiet {
            answer.note = tokens_table(std::slice::from_ref(&issued.record));
            answer.note.push(String::new());
            let hint = "The token, shown only once:";
            answer.note.push(hint.to_owned());
        }
        answer
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    Groups,
    Read,
    Users,
}

/// When a token ends.
#[derive(Debug, Clone, Copy)]
enum End {
    At(DateTime<Utc>),
    In(Duration),
}

impl FromStr for End {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let day = text
            .parse()
            .map(|day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc());
        let moment = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
        match (day, moment, duration(text)) {
            (Ok(at), ..) | (_, Ok(at), _) => Ok(End::At(at)),
            (.., Ok(time)) => Ok(End::In(time)),
            _ => Err(
                "an end is a date such as 2027-12-31, a moment of RFC 3339, or a time such as 90d",
            ),
        }
    }
}

impl End {
    fn at(self, now: DateTime<Utc>) -> Result<DateTime<Utc>, Failure> {
        match self {
            End::At(at) => Ok(at),
            End::In(time) => TimeDelta::from_std(time)
                .ok()
                .and_then(|time| now.checked_add_signed(time))
                .ok_or_else(|| Failure::Refused("the end is too far away".to_owned())),
        }
    }
}

/// Reads a time such as `90d`, `24h`, `30m` or `45s`.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text)
        .map_err(|_| "a time is a number with a unit, such as 90d, 24h, 30m or 45s")
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Create(options) => {
            let made = async |administration| create(administration, options).await;
            options.of.kept.run(Missing::Refused, made)
        }
        Command::List(options) => {
            let listed = async |administration| list(administration, options).await;
            options.of.kept.run(Missing::Refused, listed)
        }
        Command::Revoke(options) => {
            let revoked = async |administration: Administration| {
                let tenant = options.of.tenant();
                let record = administration.revoke(&tenant, &options.id).await?;
                Ok(Answer::new(as_json(&record), tokens_table(&[record])))
            };
            options.of.kept.run(Missing::Refused, revoked)
        }
        Command::Rotate(options) => {
            let rotated = async |administration: Administration| {
                let tenant = options.of.tenant();
                let rotated = administration.rotate(&tenant, &options.id, options.overlap);
                let issued = rotated.await?;
                let answer = options.showing.of(&issued);
                reveal(&administration, &options.of.kept, &issued, answer).await
            };
            options.of.kept.run(Missing::Refused, rotated)
        }
    }
}

async fn create(administration: Administration, options: &Create) -> Result<Answer, Failure> {
    let (tenant, connection) = (
        options.of.tenant(),
        ConnectionId::from(options.connection.as_str()),
    );
    let mut new = NewToken::new(options.name.as_str());
    new.expires = options
        .expires
        .map(|end| end.at(Clock::default().now()))
        .transpose()?;
    new.scopes = Scopes::NONE;
    new.scopes.groups = options.scopes.contains(&Scope::Groups);
    new.scopes.read = options.scopes.contains(&Scope::Read);
    new.scopes.users = options.scopes.contains(&Scope::Users);
    let mut limits = TenantLimits::default();
    limits.tokens = options.limit.unwrap_or(limits.tokens);
    let administration = administration.with_limits(limits);
    let issued = administration.issue(&tenant, &connection, &new).await?;
    let answer = options.showing.of(&issued);
    reveal(&administration, &options.of.kept, &issued, answer).await
}

/// Shows a token, which nobody can do again: one that can't be shown is revoked.
async fn reveal(
    administration: &Administration,
    kept: &kept::Options,
    issued: &Issued,
    answer: Answer,
) -> Result<Answer, Failure> {
    let shown = match kept.wants_json() {
        true => output::put_json(&answer.json),
        false => {
            answer.note.iter().for_each(|line| output::hint(line));
            output::put(answer.lines.iter().map(String::as_str))
        }
    };
    if let Err(error) = shown {
        let TokenRecord { id, tenant, .. } = &issued.record;
        if let Err(failed) = administration.revoke(tenant, id).await {
            let failed = crate::chain(&failed);
            let problem = format!(
                "the new token `{id}` can't be shown ({error}) nor revoked ({failed}): revoke it"
            );
            return Err(Failure::Unusable(problem));
        }
        let problem =
            format!("the new token can't be shown ({error}), so it is revoked: make another");
        return Err(Failure::Unusable(problem));
    }
    Ok(Answer::new(Value::Null, []))
}

async fn list(administration: Administration, options: &List) -> Result<Answer, Failure> {
    let tenant = options.of.tenant();
    let mut tokens = administration.tokens(&tenant).await?;
    if let Some(id) = &options.connection {
        let connection = administration
            .connection(&tenant, &id.as_str().into())
            .await?;
        tokens.retain(|token| token.connection == connection.id);
    }
    let json: Vec<_> = tokens.iter().map(as_json).collect();
    Ok(Answer::new(
        json!({ "tokens": json }),
        tokens_table(&tokens),
    ))
}

pub(crate) fn as_json(token: &TokenRecord) -> Value {
    json!({
        "connection": token.connection.as_str(),
        "created": instant(token.created),
        "expires": token.expires.map(instant),
        "id": token.id,
        "last_used": token.last_used.map(instant),
        "name": token.name,
        "replaced": token.replaced.map(instant),
        "revoked": token.revoked.map(instant),
        "scopes": scopes(token.scopes),
        "state": state(token, Clock::default().now()),
        "tenant": token.tenant.as_str(),
    })
}

fn scopes(scopes: Scopes) -> Vec<&'static str> {
    let all = [
        (scopes.groups, "groups"),
        (scopes.read, "read"),
        (scopes.users, "users"),
    ];
    let given = all.into_iter().filter(|(given, _)| *given);
    given.map(|(_, name)| name).collect()
}

/// Whether a token is accepted.
fn state(token: &TokenRecord, now: DateTime<Utc>) -> &'static str {
    if token.is_good_at(now) {
        return match token.replaced {
            Some(_) => "replaced",
            None => "good",
        };
    }
    let is_over = token.replaced.is_some_and(|end| end <= now);
    match token.revoked.is_some() || is_over {
        true => "revoked",
        false => "expired",
    }
}

pub(crate) fn tokens_table(tokens: &[TokenRecord]) -> Vec<String> {
    let now = Clock::default().now();
    let moment = |at: Option<DateTime<Utc>>, never: &str| at.map_or(never.to_owned(), minute);
    let row = |token: &TokenRecord| {
        let ends = [token.revoked, token.replaced, token.expires]
            .into_iter()
            .flatten()
            .min();
        [
            token.id.clone(),
            token.connection.as_str().to_owned(),
            token.name.clone(),
            state(token, now).to_owned(),
            scopes(token.scopes).join(","),
            minute(token.created),
            moment(token.last_used, "never"),
            moment(ends, "never"),
        ]
    };
    let headings = [
        "token",
        "connection",
        "name",
        "state",
        "scopes",
        "created",
        "last used",
        "ends",
    ];
    table(headings, tokens.iter().map(row).collect())
}
