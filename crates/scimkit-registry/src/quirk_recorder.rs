//! The quirks that a request needed.

use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{Quirk, QuirkPolicy, Tolerance};

/// A set of quirks.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct QuirkSet(u32);

impl QuirkSet {
    /// Returns whether the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the quirks, ordered by name.
    pub fn iter(self) -> impl Iterator<Item = Quirk> {
        let quirks = Quirk::ALL.iter().copied();
        quirks.filter(move |quirk| self.0 & bit(*quirk) != 0)
    }
}

impl fmt::Debug for QuirkSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The names, separated by commas.
impl fmt::Display for QuirkSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, quirk) in self.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{}", quirk.name())?;
        }
        Ok(())
    }
}

/// A tolerance that records which of its quirks were needed, whether or not the request succeeds in the end.
///
/// # Example
/// ```
/// use scimkit_registry::{Quirk, Registry, Tolerance, QuirkRecorder};
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let user = registry.resource_type("User").unwrap();
/// let witness = QuirkRecorder::new(Tolerance::DEFAULT);
/// user.admit(json!({"userName": "bjensen", "active": "True"}), &witness)?;
/// assert_eq!(witness.quirks().to_string(), "any_schemas,boolean_strings");
///
/// let unused = QuirkRecorder::new(Tolerance::DEFAULT);
/// let schemas = [user.schema()];
/// user.admit(json!({"schemas": schemas, "userName": "bjensen", "active": true}), &unused)?;
/// assert!(unused.quirks().is_empty());
/// # Ok::<(), scimkit_registry::RequestError>(())
/// ```
#[derive(Debug)]
pub struct QuirkRecorder {
    base_url: Option<String>,
    needed: AtomicU32,
    tolerance: Tolerance,
}

impl QuirkRecorder {
    /// Creates a recorder without any recorded quirks.
    #[must_use]
    pub fn new(tolerance: Tolerance) -> Self {
        QuirkRecorder {
            base_url: None,
            needed: AtomicU32::new(0),
            tolerance,
        }
    }

    /// Sets the base URL for resolving references.
    ///
    /// # Example
    /// See [`ResourceType::resolve_reference`](crate::ResourceType::resolve_reference).
    #[must_use]
    pub fn with_base_url(mut self, base_url: impl Into<String>) -> Self {
        self.base_url = Some(base_url.into());
        self
    }

    /// Returns the quirks recorded so far.
    #[must_use]
    pub fn quirks(&self) -> QuirkSet {
        QuirkSet(self.needed.load(Ordering::Relaxed))
    }
}

impl QuirkPolicy for QuirkRecorder {
    fn base_url(&self) -> Option<&str> {
        self.base_url.as_deref()
    }

    fn tolerance(&self) -> &Tolerance {
        &self.tolerance
    }

    fn record(&self, quirk: Quirk) {
        self.needed.fetch_or(bit(quirk), Ordering::Relaxed);
    }
}

fn bit(quirk: Quirk) -> u32 {
    const { assert!(Quirk::ALL.len() <= 32) };
    1 << quirk as u32
}
