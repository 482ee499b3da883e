//! A digest that tells one attribute table from another.

use std::fmt;

use crate::{Attr, ResourceType};

/// Raised when folding changes, so that keys folded otherwise are made anew.
const FOLDING: &str = "2";

/// A digest of a resource type's attribute table.
///
/// Stores keep it beside their data: another fingerprint means that documents and lookup keys may be
/// of another shape. It depends on every characteristic that shapes them and on nothing else: not on
/// descriptions, canonical values or the order of
/// attributes and extensions. It is the same on every machine.
///
/// # Example
/// ```
/// use scimkit_registry::Registry;
///
/// let standard = Registry::standard();
/// let indexed = Registry::builder().index("User", "title").build()?;
/// let fingerprint = |registry: &Registry| registry.by_name("User").unwrap().fingerprint();
/// assert_eq!(fingerprint(&standard), fingerprint(&Registry::standard()));
/// assert_ne!(fingerprint(&standard), fingerprint(&indexed));
/// # Ok::<(), scimkit_registry::RegistrationError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn of(kind: &ResourceType) -> Self {
        let mut lines: Vec<String> = kind.attributes().iter().map(line).collect();
        lines.extend(kind.extensions().iter().map(|e| e.urn().to_string()));
        lines.sort_unstable();
        lines.extend([kind.schema().to_string(), FOLDING.to_owned()]);
        // FNV-1a: stable across builds and machines, which std's hasher does not promise.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in lines.iter().flat_map(|line| line.bytes().chain([0])) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Fingerprint(hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

fn line(attr: &Attr) -> String {
    let d = attr.definition();
    format!(
        "{} {} {:?} {} many={} exact={} hidden={} indexed={}",
        attr.path(),
        d.data_type,
        attr.role(),
        d.uniqueness,
        d.multi_valued,
        d.is_case_exact(),
        attr.is_never_returned(),
        attr.is_indexed()
    )
}
