//! The cost of hostile requests: CPU, memory, and the time for which they block the runtime thread of the application.
//!
//! ```text
//! cargo bench -p scimkit-benches --bench abuse              # all rows
//! cargo bench -p scimkit-benches --bench abuse -- patch     # rows with `patch` in their name
//! ```
//!
//! Each row runs in a separate process, for each store, on a runtime with one thread. The columns are: the statuses of
//! the responses, wall time, CPU time of all threads, the longest time that a task which wants to run every millisecond
//! had to wait for others of its thread (but not for other programs), and the peak growth of the resident memory.
//!
//! It uses only public items, so that the same rows can be run with older releases.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

mod file;
mod large;
mod long;
mod reads;
mod work;
mod world;

use std::{
    env,
    process::Command,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use scimkit::store::BoxFuture;

use self::world::World;

/// A row of the table.
struct Row {
    /// Runs what is measured, and returns the statuses of the responses.
    act: for<'w> fn(&'w World) -> BoxFuture<'w, String>,
    /// The name, which starts with the tested part of the service.
    name: &'static str,
    /// Prepares the store; not measured.
    prepare: for<'w> fn(&'w World) -> BoxFuture<'w, ()>,
    /// The stores for which the row runs.
    stores: &'static [&'static str],
}

/// Both stores.
const BOTH: &[&str] = &["memory", "sqlite"];

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(long::rows());
    rows.extend(large::rows());
    rows.extend(work::rows());
    rows.extend(reads::rows());
    rows.extend(file::rows());
    rows
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [flag, name, store] = arguments.as_slice()
        && flag == "--row"
    {
        return measure(name, store);
    }
    println!(
        "{:<44} {:<7} {:<24} {:>9} {:>9} {:>9} {:>8}",
        "input", "store", "status", "wall ms", "CPU ms", "stall ms", "peak MB"
    );
    let wanted = |row: &Row| {
        arguments
            .iter()
            .all(|part| row.name.contains(part.as_str()))
    };
    for row in rows().iter().filter(|row| wanted(row)) {
        for store in row.stores {
            let mut command = Command::new(env::current_exe().unwrap());
            let status = command.args(["--row", row.name, store]).status();
            if !status.unwrap().success() {
                println!("{:<44} {store:<7} the process ended", row.name);
            }
        }
    }
}

fn measure(name: &str, store: &str) {
    let rows = rows();
    let row = rows.iter().find(|row| row.name == name).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new(store);
        (row.prepare)(&world).await;
        // Let work that preparation has started end first.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let idle = tokio::spawn(longest_wait());
        tokio::time::sleep(Duration::from_millis(5)).await;
        reset_peak();
        let memory = resident("VmRSS:");
        let cpu = cpu();
        let started = Instant::now();
        let status = (row.act)(&world).await;
        let wall = started.elapsed().as_secs_f64() * 1e3;
        let cpu = self::cpu() - cpu;
        let peak = resident("VmHWM:").saturating_sub(memory);
        tokio::time::sleep(Duration::from_millis(5)).await;
        STOP.store(true, std::sync::atomic::Ordering::Relaxed);
        let stall = idle.await.unwrap().as_secs_f64() * 1e3;
        println!(
            "{name:<44} {store:<7} {status:<24} {wall:>9.0} {cpu:>9.0} {stall:>9.1} {:>8.1}",
            peak as f64 / 1024.0
        );
    });
}

static STOP: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Returns the longest time between two turns of a task that sleeps for a millisecond.
async fn longest_wait() -> Duration {
    let mut longest = Duration::ZERO;
    while !STOP.load(std::sync::atomic::Ordering::Relaxed) {
        let before = Instant::now();
        let waiting = waited();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let waiting = Duration::from_nanos(waited().saturating_sub(waiting));
        longest = longest.max(before.elapsed().saturating_sub(waiting));
    }
    longest
}

/// Returns the nanoseconds that this thread waited for a processor; 0 on systems other than Linux.
fn waited() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = stat.split_whitespace().nth(1);
    waited.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Returns the CPU time of all threads of this process, in milliseconds.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// Resets the kernel's peak counter; on systems other than Linux, the peak is that of the whole process.
fn reset_peak() {
    drop(std::fs::write("/proc/self/clear_refs", "5"));
}

/// Returns a memory size in kilobytes, by its name in `/proc/self/status`; 0 if there is none.
fn resident(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}
