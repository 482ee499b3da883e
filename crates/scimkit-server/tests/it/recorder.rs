//! What goes to the recorder of the `metrics` crate.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit, with_local_recorder,
};

/// The values that each metric was given, by its key: `name{label="value"}`.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recorded(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

#[derive(Debug)]
struct Metric {
    key: String,
    recorded: Recorded,
}

impl Recorded {
    /// Runs a future, and returns what this thread recorded meanwhile.
    pub(crate) fn while_running(work: impl Future<Output = ()>) -> BTreeMap<String, Vec<f64>> {
        let recorded = Recorded::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        with_local_recorder(&recorded, || runtime.unwrap().block_on(work));
        let all = recorded.0.lock().unwrap();
        all.clone()
    }

    fn metric(&self, key: &Key) -> Arc<Metric> {
        let labels = key
            .labels()
            .map(|label| format!("{}={:?}", label.key(), label.value()));
        let labels: Vec<_> = labels.collect();
        Arc::new(Metric {
            key: format!("{}{{{}}}", key.name(), labels.join(",")),
            recorded: self.clone(),
        })
    }
}

impl Metric {
    fn push(&self, value: f64) {
        let mut all = self.recorded.0.lock().unwrap();
        all.entry(self.key.clone()).or_default().push(value);
    }
}

impl CounterFn for Metric {
    fn increment(&self, value: u64) {
        self.push(value as f64);
    }

    fn absolute(&self, value: u64) {
        self.push(value as f64);
    }
}

impl GaugeFn for Metric {
    fn increment(&self, value: f64) {
        self.push(value);
    }

    fn decrement(&self, value: f64) {
        self.push(-value);
    }

    fn set(&self, value: f64) {
        self.push(value);
    }
}

impl HistogramFn for Metric {
    fn record(&self, value: f64) {
        self.push(value);
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.metric(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.metric(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.metric(key))
    }
}
