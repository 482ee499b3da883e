//! What any server process does: log, listen, stop, and say what went wrong.

use std::{path::Path, process::ExitCode, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, signal};
use tracing_subscriber::EnvFilter;

use crate::{
    access::TokenSource,
    options::Problem,
    serve::{self, Timeouts},
};

/// How long requests may take to end after the first signal.
const DRAIN: Duration = Duration::from_secs(10);

/// Logs to standard error, at the level of `RUST_LOG` or else `info`.
pub(crate) fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Serves until the first signal, then lets what is under way end, but not for ever.
pub(crate) async fn serve(listener: TcpListener, app: Router) {
    let (stopping, mut stopped) = tokio::sync::watch::channel(());
    let graceful = async move {
        asked_to_stop().await;
        drop(stopping);
    };
    let overdue = async {
        // Fails when the sender is gone, which is the first signal.
        while stopped.changed().await.is_ok() {}
        tokio::select! {
            () = asked_to_stop() => {}
            () = tokio::time::sleep(DRAIN) => {}
        }
    };
    tokio::select! {
        () = serve::serve(listener, app, Timeouts::default(), graceful) => {}
        () = overdue => {}
    }
}

/// Resolves at Ctrl-C, or when the process is told to end.
async fn asked_to_stop() {
    #[cfg(unix)]
    if let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = signal::ctrl_c() => {}
        }
        return;
    }
    if signal::ctrl_c().await.is_err() {
        // Without a handler there is nothing to wait for but the end of the process.
        std::future::pending::<()>().await;
    }
}

/// The process's exit, with a problem and its causes in one line.
#[expect(clippy::print_stderr, reason = "this is the program's output")]
pub(crate) fn report(outcome: Result<(), Problem>) -> ExitCode {
    let Err(problem) = outcome else {
        return ExitCode::SUCCESS;
    };
    eprint!("error: {problem}");
    let mut cause = problem.source();
    while let Some(next) = cause {
        eprint!(": {next}");
        cause = next.source();
    }
    eprintln!();
    ExitCode::FAILURE
}

/// Where a recording is.
#[expect(clippy::print_stdout, reason = "this is the program's output")]
pub(crate) fn recorded(file: Option<&Path>) {
    match file {
        Some(file) => println!("What the provider sent is in {}", file.display()),
        None => println!("Nothing was recorded."),
    }
}

/// What the administrator of an identity provider needs.
#[expect(clippy::print_stdout, reason = "this is the program's output")]
pub(crate) fn welcome(base_url: &str, token: &TokenSource) {
    let (shown, note) = match token {
        TokenSource::Given => ("SECRET", "the one given with --token, for this run"),
        TokenSource::Kept => (
            "TOKEN",
            "as shown at the first start; --token SECRET uses another",
        ),
        TokenSource::Made(token) => (token.reveal(), "shown only once"),
        TokenSource::MadeForThisRun(token) => (token.reveal(), "for this run"),
        TokenSource::Over => (
            "TOKEN",
            "revoked or expired; `scimkit token create` makes another",
        ),
    };
    println!("SCIM endpoint is up.\n");
    println!("  Tenant URL    {base_url}");
    println!("  Secret token  {shown}   ({note})");
    println!("\nTry it:\n  curl -H 'Authorization: Bearer {shown}' '{base_url}/Users'\n");
    println!("Microsoft Entra ID: Enterprise applications > your application > Provisioning >");
    println!("  Admin Credentials: paste Tenant URL and Secret Token, then Test Connection.");
    println!(
        "Okta: Applications > your application > Provisioning > Integration: paste the tenant"
    );
    println!("  URL as SCIM connector base URL, `userName` as unique identifier, authentication");
    println!("  mode HTTP Header, and the token. Then Test Connector Configuration.\n");
    println!("Ctrl-C stops it.");
}
