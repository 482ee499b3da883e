//! The process: its log, its end, and its errors.

use std::{net::SocketAddr, path::Path, pin::Pin, process::ExitCode, time::Duration};

use tokio::signal;
use tracing_subscriber::EnvFilter;

use super::Problem;

/// The time limit for running requests after the first signal.
const DRAIN: Duration = Duration::from_secs(10);

/// Logs to standard error, at the level of `RUST_LOG` (default: `info`).
pub(crate) fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Resolves when the server has to stop gracefully.
pub(crate) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves until the first signal, then waits for running requests, but not forever.
pub(crate) async fn until_stopped(
    serve: impl AsyncFnOnce(Stop) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let (stopping, mut stopped) = tokio::sync::watch::channel(());
    let graceful = Box::pin(async move {
        stop_signal().await;
        drop(stopping);
    });
    let overdue = async {
        // Fails once the sender is dropped at the first signal.
        while stopped.changed().await.is_ok() {}
        tokio::select! {
            () = stop_signal() => {}
            () = tokio::time::sleep(DRAIN) => {}
        }
    };
    tokio::select! {
        served = serve(graceful) => served,
        () = overdue => Ok(()),
    }
}

/// Resolves at Ctrl-C or SIGTERM.
async fn stop_signal() {
    #[cfg(unix)]
    if let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = signal::ctrl_c() => {}
        }
        return;
    }
    if signal::ctrl_c().await.is_err() {
        // Without a handler, only the end of the process stops the server.
        std::future::pending::<()>().await;
    }
}

/// Returns the exit code, and prints a problem with its causes in one line.
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

/// Prints where the metrics are.
#[expect(clippy::print_stdout, reason = "this is the program's output")]
pub(crate) fn print_metrics(address: SocketAddr) {
    println!("Metrics are at http://{address}/metrics\n");
}

/// Prints where a recording is.
#[expect(clippy::print_stdout, reason = "this is the program's output")]
pub(crate) fn print_recording(file: Option<&Path>) {
    match file {
        Some(file) => println!("The anonymised recording is in {}", file.display()),
        None => println!("Nothing was recorded."),
    }
}
