//! Metrics as Prometheus text.

use std::time::Duration;

use axum::{Router, routing::get};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use crate::serve::{self, Timeouts};

/// Upper bounds of the buckets of durations, in seconds.
const SECONDS: [f64; 9] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

/// Installs the recorder of the process.
pub(crate) fn install() -> Result<PrometheusHandle, BuildError> {
    let recorder = PrometheusBuilder::new().set_buckets(&SECONDS)?;
    recorder.install_recorder()
}

/// Serves `/metrics` until the process ends.
pub(crate) async fn serve(listener: TcpListener, recorded: PrometheusHandle) {
    let upkeep = recorded.clone();
    tokio::spawn(async move {
        // Merges what was recorded, which would take memory otherwise.
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    let timeouts = Timeouts::default();
    serve::serve(listener, app(recorded), timeouts, std::future::pending()).await;
}

/// The route `/metrics`.
pub(crate) fn app(recorded: PrometheusHandle) -> Router {
    Router::new().route("/metrics", get(async move || recorded.render()))
}
