//! Progress on standard error, drawn only if that is a terminal.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// A bar over a known number of bytes.
pub(crate) fn bytes(task: &'static str, total: u64) -> ProgressBar {
    bar(Some(total), task, "{msg} {wide_bar} {bytes}/{total_bytes}")
}

/// A bar over a known number of things.
pub(crate) fn items(task: &'static str, total: usize) -> ProgressBar {
    bar(
        u64::try_from(total).ok(),
        task,
        "{msg} {wide_bar} {pos}/{len}",
    )
}

/// A spinner with a number of bytes.
pub(crate) fn byte_spinner(task: &'static str) -> ProgressBar {
    spinner(task, "{spinner} {msg}: {bytes}, {elapsed}")
}

/// A spinner with a number of requests.
pub(crate) fn request_spinner(task: &'static str) -> ProgressBar {
    spinner(task, "{spinner} {msg}: {pos} requests, {elapsed}")
}

fn spinner(task: &'static str, template: &str) -> ProgressBar {
    let spinner = bar(None, task, template);
    if !spinner.is_hidden() {
        spinner.enable_steady_tick(TICK);
    }
    spinner
}

/// A bar that vanishes when it is dropped.
fn bar(total: Option<u64>, task: &'static str, template: &str) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template(template);
    ProgressBar::with_draw_target(total, target)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(task)
        .with_finish(ProgressFinish::AndClear)
}
