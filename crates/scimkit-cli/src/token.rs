//! `scimkit token`: the bearer tokens of connections.

use std::{io, process::ExitCode, str::FromStr, time::Duration};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::{Args, Subcommand, ValueEnum};
use scimkit::{
    ConnectionId, TokenScopes,
    provision::{Clock, CreatedToken, NewToken, TenantAdmin},
    store::{TenantLimits, TokenRecord},
};
use serde_json::{Value, json};

use crate::{
    exit, output,
    store_args::{CommandOutput, Failure, IfMissing, StoreArgs, TenantArgs, instant, minute},
    table::table,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a token and print it once
    ///
    /// Standard output has only the token, so that a script can store it. The store has only its digest.
    #[command(after_help = exit::STORE)]
    Create(Create),
    /// List the tokens of a tenant, without the secrets
    #[command(after_help = exit::STORE)]
    List(List),
    /// Revoke a token: the server rejects it from the next request on
    #[command(after_help = exit::STORE)]
    Revoke(Revoke),
    /// Replace a token with a new one, and print that once
    #[command(after_help = exit::STORE)]
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Id of the connection
    #[arg(long, default_value = "default", value_name = "ID")]
    connection: String,

    /// Expiry: a date, a time as in RFC 3339, or a duration such as `90d`
    #[arg(long, value_name = "WHEN")]
    expires: Option<End>,

    /// Limit on the number of valid tokens of the connection [default: 100]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// Display name
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,

    #[command(flatten)]
    showing: Showing,

    /// Permissions: `read` everything, write `users`, write `groups` and the types of the application
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "groups,read,users"
    )]
    scopes: Vec<Scope>,

    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only tokens of this connection
    #[arg(long, value_name = "ID")]
    connection: Option<String>,

    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Token id, as `list` shows it
    id: String,

    #[command(flatten)]
    tenant: TenantArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Token id, as `list` shows it
    id: String,

    /// How long the old token stays valid, such as `24h`
    #[arg(long, default_value = "0s", value_name = "TIME", value_parser = duration)]
    overlap: Duration,

    #[command(flatten)]
    showing: Showing,

    #[command(flatten)]
    tenant: TenantArgs,
}

/// How a new token is printed.
#[derive(Debug, Args)]
struct Showing {
    /// Print only the token
    #[arg(short, long)]
    quiet: bool,
}

impl Showing {
    /// The token alone; its record is a note.
    fn output(&self, issued: &CreatedToken) -> CommandOutput {
        let secret = issued.token.reveal();
        let json = json!({ "secret": secret, "token": as_json(&issued.record) });
        let mut output = CommandOutput::line(json, secret.to_owned());
        if !self.quiet {
            output.note = tokens_table(std::slice::from_ref(&issued.record));
            output.note.push(String::new());
            output.note.push("The token, shown only once:".to_owned());
        }
        output
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    Groups,
    Read,
    Users,
}

/// When a token expires.
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
                "expected a date such as 2027-12-31, a time as in RFC 3339, or a duration such as 90d",
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
                .ok_or_else(|| Failure::Rejected("--expires is too far in the future".to_owned())),
        }
    }
}

/// A duration such as `90d`, `24h`, `30m` or `45s`.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    let invalid = "expected a duration such as 90d, 24h, 30m or 45s";
    humantime::parse_duration(text).map_err(|_| invalid)
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Create(options) => {
            let store = &options.tenant.store;
            store.run(IfMissing::Fail, async |admin| create(admin, options).await)
        }
        Command::List(options) => {
            let store = &options.tenant.store;
            store.run(IfMissing::Fail, async |admin| list(admin, options).await)
        }
        Command::Revoke(options) => {
            let revoked = async |admin: TenantAdmin| {
                let tenant = options.tenant.id();
                let record = admin.revoke_token(&tenant, &options.id).await?;
                Ok(CommandOutput::new(
                    as_json(&record),
                    tokens_table(&[record]),
                ))
            };
            options.tenant.store.run(IfMissing::Fail, revoked)
        }
        Command::Rotate(options) => {
            let rotated = async |admin: TenantAdmin| {
                let tenant = options.tenant.id();
                let rotated = admin.rotate_token(&tenant, &options.id, options.overlap);
                let issued = rotated.await?;
                let printed = options.showing.output(&issued);
                reveal(&admin, &options.tenant.store, &issued, printed).await
            };
            options.tenant.store.run(IfMissing::Fail, rotated)
        }
    }
}

async fn create(admin: TenantAdmin, options: &Create) -> Result<CommandOutput, Failure> {
    let tenant = options.tenant.id();
    let connection = ConnectionId::from(options.connection.as_str());
    let mut new = NewToken::new(options.name.as_str());
    new.expires_at = options
        .expires
        .map(|end| end.at(Clock::default().now()))
        .transpose()?;
    new.scopes = TokenScopes::NONE;
    new.scopes.groups = options.scopes.contains(&Scope::Groups);
    new.scopes.read = options.scopes.contains(&Scope::Read);
    new.scopes.users = options.scopes.contains(&Scope::Users);
    let mut limits = TenantLimits::default();
    limits.tokens = options.limit.unwrap_or(limits.tokens);
    let admin = admin.with_limits(limits);
    let issued = admin.create_token(&tenant, &connection, &new).await?;
    let printed = options.showing.output(&issued);
    reveal(&admin, &options.tenant.store, &issued, printed).await
}

/// Prints a new token. Nothing can print it again, so a token that could not be printed is revoked.
async fn reveal(
    admin: &TenantAdmin,
    store: &StoreArgs,
    issued: &CreatedToken,
    output: CommandOutput,
) -> Result<CommandOutput, Failure> {
    let Err(error) = printed(store.wants_json(), &output) else {
        return Ok(CommandOutput::new(Value::Null, []));
    };
    let TokenRecord { id, tenant, .. } = &issued.record;
    let problem = match admin.revoke_token(tenant, id).await {
        Ok(_) => format!("can't print the new token ({error}), so it was revoked: create another"),
        Err(failed) => {
            let failed = crate::chain(&failed);
            format!(
                "can't print the new token `{id}` ({error}) nor revoke it ({failed}): revoke it"
            )
        }
    };
    Err(Failure::Unusable(problem))
}

fn printed(wants_json: bool, output: &CommandOutput) -> io::Result<()> {
    if wants_json {
        return output::put_json(&output.json);
    }
    output.note.iter().for_each(|line| output::hint(line));
    output::put(output.lines.iter().map(String::as_str))
}

async fn list(admin: TenantAdmin, options: &List) -> Result<CommandOutput, Failure> {
    let tenant = options.tenant.id();
    let mut tokens = admin.tokens(&tenant).await?;
    if let Some(id) = &options.connection {
        let connection = admin.connection(&tenant, &id.as_str().into()).await?;
        tokens.retain(|token| token.connection == connection.id);
    }
    let json: Vec<_> = tokens.iter().map(as_json).collect();
    Ok(CommandOutput::new(
        json!({ "tokens": json }),
        tokens_table(&tokens),
    ))
}

pub(crate) fn as_json(token: &TokenRecord) -> Value {
    json!({
        "connection": token.connection.as_str(),
        "created": instant(token.created),
        "expires": token.expires_at.map(instant),
        "id": token.id,
        "lastUsed": token.last_used.map(instant),
        "name": token.name,
        "replaced": token.replaced_at.map(instant),
        "revoked": token.revoked_at.map(instant),
        "scopes": scopes(token.scopes),
        "state": state(token, Clock::default().now()),
        "tenant": token.tenant.as_str(),
    })
}

fn scopes(scopes: TokenScopes) -> Vec<&'static str> {
    let all = [
        (scopes.groups, "groups"),
        (scopes.read, "read"),
        (scopes.users, "users"),
    ];
    let given = all.into_iter().filter(|(given, _)| *given);
    given.map(|(_, name)| name).collect()
}

/// Whether the server accepts a token.
fn state(token: &TokenRecord, now: DateTime<Utc>) -> &'static str {
    if token.is_valid_at(now) {
        return match token.replaced_at {
            Some(_) => "replaced",
            None => "valid",
        };
    }
    let is_over = token.replaced_at.is_some_and(|end| end <= now);
    if token.revoked_at.is_some() || is_over {
        "revoked"
    } else {
        "expired"
    }
}

pub(crate) fn tokens_table(tokens: &[TokenRecord]) -> Vec<String> {
    let now = Clock::default().now();
    let moment = |at: Option<DateTime<Utc>>, never: &str| at.map_or(never.to_owned(), minute);
    let row = |token: &TokenRecord| {
        let ends = [token.revoked_at, token.replaced_at, token.expires_at]
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
