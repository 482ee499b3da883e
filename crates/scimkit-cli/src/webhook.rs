//! `scimkit webhook`: the messages that were given up.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use scimkit::{
    SqliteStore,
    provision::{
        events::{EventConsumer, Resent},
        webhook::{Webhook, WebhookKey},
    },
    store::{DeadLetter, DeadLetters as _, JournalPosition},
};
use serde_json::{Value, json};

use crate::{
    exit,
    store_args::{CommandOutput, Failure, IfMissing, TenantArgs, instant, minute},
    table::table,
};

/// The number of dead letters that are read at once.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the undelivered messages of a tenant
    #[command(after_help = exit::STORE)]
    List(List),
    /// Resend the undelivered messages of a tenant
    ///
    /// A message that is accepted is removed from the list. The command stops at the first one that is not.
    #[command(after_help = exit::STORE)]
    Resend(Resend),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    consumer: Consumer,
}

#[derive(Debug, Args)]
pub(crate) struct Resend {
    #[command(flatten)]
    consumer: Consumer,

    /// Signing keys, separated by commas; other users of the machine may see arguments, so prefer the environment variable
    #[arg(
        long,
        env = "SCIMKIT_WEBHOOK_KEYS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "KEYS"
    )]
    keys: Vec<String>,

    /// Number of the only change to resend
    #[arg(long, value_name = "NUMBER")]
    number: Option<u64>,

    /// URL of the receiver
    #[arg(long, value_name = "URL")]
    url: String,
}

/// The consumer of a command.
#[derive(Debug, Args)]
struct Consumer {
    /// Name of the consumer
    #[arg(long, default_value = "webhook", value_name = "NAME")]
    consumer: String,

    #[command(flatten)]
    tenant: TenantArgs,
}

impl Consumer {
    async fn letters(
        &self,
        store: &SqliteStore,
        after: JournalPosition,
    ) -> Result<Vec<DeadLetter>, Failure> {
        let tenant = self.tenant.id();
        let letters = store.dead_letters(&tenant, &self.consumer, after, PAGE);
        letters
            .await
            .map_err(|error| Failure::Unusable(crate::chain(&error)))
    }
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::List(options) => {
            let store = &options.consumer.tenant.store;
            store.run_on_store(IfMissing::Fail, async |store| list(&store, options).await)
        }
        Command::Resend(options) => {
            let store = &options.consumer.tenant.store;
            store.run_on_store(IfMissing::Fail, async |store| resend(&store, options).await)
        }
    }
}

async fn list(store: &SqliteStore, options: &List) -> Result<CommandOutput, Failure> {
    let mut letters: Vec<DeadLetter> = Vec::new();
    let mut after = JournalPosition::default();
    loop {
        let page = options.consumer.letters(store, after).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        letters.extend(page);
    }
    let json: Vec<_> = letters.iter().map(as_json).collect();
    let row = |letter: &DeadLetter| {
        [
            letter.position.number.to_string(),
            letter.position.part.to_string(),
            minute(letter.at),
            letter.attempts.to_string(),
            letter.problem.clone(),
        ]
    };
    let rows = letters.iter().map(row).collect();
    let headings = ["number", "part", "last attempt", "attempts", "problem"];
    Ok(CommandOutput::new(
        json!({ "messages": json }),
        table(headings, rows),
    ))
}

fn as_json(letter: &DeadLetter) -> Value {
    json!({
        "at": instant(letter.at),
        "attempts": letter.attempts,
        "number": letter.position.number,
        "part": letter.position.part,
        "problem": letter.problem,
    })
}

async fn resend(store: &SqliteStore, options: &Resend) -> Result<CommandOutput, Failure> {
    // Not parsed by clap, whose errors show the value.
    let keys = options.keys.iter().map(|key| key.trim().parse());
    let keys = keys.collect::<Result<Vec<WebhookKey>, _>>();
    let keys = keys.map_err(|error| Failure::Unusable(error.to_string()))?;
    let webhook = Webhook::new(&options.url, keys);
    let webhook = webhook.map_err(|error| Failure::Rejected(error.to_string()))?;
    let consumer: EventConsumer = webhook.consumer(&options.consumer.consumer);
    let tenant = options.consumer.tenant.id();
    let (mut sent, mut trimmed) = (0_u64, 0_u64);
    let mut after = JournalPosition::default();
    loop {
        let page = options.consumer.letters(store, after).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        let is_wanted = |letter: &&DeadLetter| {
            options
                .number
                .is_none_or(|number| number == letter.position.number)
        };
        for letter in page.iter().filter(is_wanted) {
            match consumer.resend(store, &tenant, letter).await {
                Ok(Resent::Trimmed) => trimmed = trimmed.saturating_add(1),
                Ok(_) => sent = sent.saturating_add(1),
                Err(error) => {
                    let number = letter.position.number;
                    let problem = format!("sending change {number} failed: {error}");
                    return Err(Failure::Rejected(problem));
                }
            }
        }
    }
    if let (0, 0, Some(number)) = (sent, trimmed, options.number) {
        let problem = format!("no message of change {number} was given up");
        return Err(Failure::Rejected(problem));
    }
    let mut line = format!("{sent} sent");
    if trimmed > 0 {
        line.push_str(&format!(", {trimmed} no longer in the journal"));
    }
    let json = json!({ "sent": sent, "trimmed": trimmed });
    Ok(CommandOutput::line(json, line))
}
