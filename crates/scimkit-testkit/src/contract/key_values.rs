//! The contract of [`KeyValues`] as a test suite.
//!
//! ```
//! use std::sync::Arc;
//! use scimkit_store::MemoryStore;
//! use scimkit_testkit::contract::{block_on, key_values};
//!
//! key_values::check(|| Arc::new(MemoryStore::new()), &block_on)?;
//! # Ok::<(), String>(())
//! ```

use std::{fmt, sync::Arc};

use scimkit_store::{
    Archive, BoxFuture, KeyValue, KeyValueEdit, KeyValues, StoreError, TenantId, archive::Erased,
};

use super::{
    FutureDriver,
    fixture::{ensure, ensure_eq, said},
    importing::{during_import, run},
};

/// A store of whole tenants that keeps values.
pub trait KeyValueStore: Archive + KeyValues {}

impl<T: Archive + KeyValues> KeyValueStore for T {}

/// One rule of the contract.
#[derive(Clone, Copy)]
pub struct KeyValueCheck {
    name: &'static str,
    run: fn(&Shelf<'_>) -> Result<(), String>,
}

impl KeyValueCheck {
    /// Returns the name of the rule: words joined by underscores.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Checks the rule against an empty store.
    ///
    /// # Errors
    /// A text with the fault of the store.
    pub fn run(
        &self,
        store: Arc<dyn KeyValueStore>,
        drive: &FutureDriver<'_>,
    ) -> Result<(), String> {
        (self.run)(&Shelf {
            drive,
            store,
            tenant: TenantId::from("acme"),
        })
    }
}

impl fmt::Debug for KeyValueCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyValueCheck").field(&self.name).finish()
    }
}

/// Runs every check, each against a new store.
///
/// # Errors
/// One line per rule that does not hold.
pub fn check(
    make: impl Fn() -> Arc<dyn KeyValueStore>,
    drive: &FutureDriver<'_>,
) -> Result<(), String> {
    let failure = |check: &KeyValueCheck| {
        let failed = check.run(make(), drive).err();
        failed.map(|problem| format!("{}: {problem}", check.name))
    };
    let failures: Vec<_> = checks().iter().filter_map(failure).collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

/// Returns every rule of the contract.
#[must_use]
pub fn checks() -> Vec<KeyValueCheck> {
    let check = |name, run| KeyValueCheck { name, run };
    vec![
        check("values_are_kept_as_they_are", kept),
        check("values_are_listed_in_the_order_of_their_keys", ordered),
        check("lists_start_after_a_key_and_end_at_a_limit", paged),
        check("lists_contain_only_keys_with_the_prefix", prefixed),
        check("values_of_keys_are_in_the_order_of_the_keys", by_key),
        check("last_edit_of_a_key_wins", last_wins),
        check("edits_are_made_all_or_none", all_or_none),
        check("conditions_are_about_the_values_before", before),
        check("removal_by_prefix_leaves_the_others", removed),
        check("tenants_and_collections_have_their_own_values", separate),
        check("erasing_a_tenant_removes_its_values", erased),
        check("calls_fail_during_an_import", importing),
    ]
}

/// A store and a tenant.
struct Shelf<'a> {
    drive: &'a FutureDriver<'a>,
    store: Arc<dyn KeyValueStore>,
    tenant: TenantId,
}

impl<'a> Shelf<'a> {
    /// The same store for another tenant.
    fn tenant(&self, name: &str) -> Shelf<'a> {
        Shelf {
            drive: self.drive,
            store: Arc::clone(&self.store),
            tenant: TenantId::from(name),
        }
    }

    fn done<T: Send>(&self, future: BoxFuture<'_, Result<T, StoreError>>) -> Result<T, String> {
        run(self.drive, future)?.map_err(|error| said(&error))
    }

    fn edit(&self, edits: &[KeyValueEdit]) -> Result<bool, String> {
        self.done(self.store.edit_key_values(&self.tenant, edits))
    }

    fn put(&self, key: &str, value: &str) -> Result<(), String> {
        let is_done = self.edit(&[KeyValueEdit::put("runs", key, value)])?;
        ensure!(is_done, "an edit without a condition is rejected");
        Ok(())
    }

    fn list(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, String> {
        let found = self
            .store
            .key_values(&self.tenant, "runs", prefix, after, limit);
        Ok(self
            .done(found)?
            .into_iter()
            .map(|found| found.key)
            .collect())
    }

    fn all(&self, collection: &str) -> Result<Vec<KeyValue>, String> {
        self.done(
            self.store
                .key_values(&self.tenant, collection, "", "", 1000),
        )
    }

    fn values(&self, keys: &[&str]) -> Result<Vec<Option<String>>, String> {
        let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        self.done(self.store.key_values_of(&self.tenant, "runs", &keys))
    }
}

fn kept(shelf: &Shelf<'_>) -> Result<(), String> {
    ensure_eq!(shelf.all("runs")?, [], "values of a new tenant");
    let key = "it's 100 %:\n\"größer\" \u{1f4ec}";
    let value = "{\"a\": 'b',\n \"ü\": \"\\u0000\u{1f4ec}\"} ";
    shelf.put(key, value)?;
    shelf.put("", "")?;
    let found = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    ensure_eq!(
        shelf.all("runs")?,
        [found(key, value)],
        "keys after the empty one"
    );
    ensure_eq!(
        shelf.values(&["", key])?,
        [Some(String::new()), Some(value.to_owned())],
        "both"
    );
    Ok(())
}

/// Keys in the order of their bytes: not by case, length, number or language.
const SORTED: [&str; 8] = ["10", "9", "A", "Z", "a", "a b", "aa", "ä"];

fn fill(shelf: &Shelf<'_>) -> Result<(), String> {
    for key in ["a b", "ä", "A", "aa", "9", "Z", "10", "a"] {
        shelf.put(key, "1")?;
    }
    Ok(())
}

fn ordered(shelf: &Shelf<'_>) -> Result<(), String> {
    fill(shelf)?;
    ensure_eq!(shelf.list("", "", 100)?, SORTED, "all keys");
    Ok(())
}

fn paged(shelf: &Shelf<'_>) -> Result<(), String> {
    fill(shelf)?;
    ensure_eq!(shelf.list("", "Z", 2)?, SORTED[4..6], "two keys after Z");
    ensure_eq!(
        shelf.list("", "B", u32::MAX)?,
        SORTED[3..],
        "keys after B, which is none"
    );
    ensure_eq!(shelf.list("", "ä", 9)?, [""; 0], "keys after the last one");
    ensure_eq!(shelf.list("", "", 0)?, [""; 0], "no keys");
    Ok(())
}

fn prefixed(shelf: &Shelf<'_>) -> Result<(), String> {
    fill(shelf)?;
    ensure_eq!(
        shelf.list("a", "", 9)?,
        SORTED[4..7],
        "keys that start with a"
    );
    ensure_eq!(shelf.list("a", "a", 9)?, SORTED[5..7], "those after a");
    ensure_eq!(
        shelf.list("a", "10", 1)?,
        SORTED[4..5],
        "the first one after 10"
    );
    ensure_eq!(shelf.list("a", "b", 9)?, [""; 0], "those after b");
    ensure_eq!(shelf.list("b", "", 9)?, [""; 0], "keys that start with b");
    Ok(())
}

fn by_key(shelf: &Shelf<'_>) -> Result<(), String> {
    shelf.put("b", "2")?;
    shelf.put("a", "1")?;
    let (one, two) = (Some("1".to_owned()), Some("2".to_owned()));
    let found = shelf.values(&["b", "nothing", "a", "b"])?;
    ensure_eq!(found, [two.clone(), None, one, two], "the values");
    ensure_eq!(shelf.values(&[])?, [], "no values");
    Ok(())
}

fn last_wins(shelf: &Shelf<'_>) -> Result<(), String> {
    let put = |value: &str| KeyValueEdit::put("runs", "a", value);
    shelf.edit(&[put("1"), KeyValueEdit::remove("runs", "a"), put("2")])?;
    ensure_eq!(
        shelf.values(&["a"])?,
        [Some("2".to_owned())],
        "after three edits"
    );
    shelf.edit(&[put("3"), KeyValueEdit::remove("runs", "a")])?;
    ensure_eq!(shelf.values(&["a"])?, [None], "after a removal");
    shelf.edit(&[KeyValueEdit::remove("runs", "a")])?;
    ensure!(shelf.edit(&[])?, "no edits are rejected");
    Ok(())
}

fn all_or_none(shelf: &Shelf<'_>) -> Result<(), String> {
    shelf.put("a", "1")?;
    for condition in [
        KeyValueEdit::put("runs", "a", "3").if_missing(),
        KeyValueEdit::put("runs", "a", "3").if_value("2"),
        KeyValueEdit::remove("runs", "a").if_value(""),
        KeyValueEdit::put("runs", "c", "3").if_value(""),
    ] {
        let edits = [
            KeyValueEdit::put("runs", "b", "3"),
            condition,
            KeyValueEdit::put("other", "a", "3"),
        ];
        ensure!(!shelf.edit(&edits)?, "{edits:?} is done");
        ensure_eq!(shelf.list("", "", 9)?, ["a"], "the keys afterwards");
        ensure_eq!(shelf.values(&["a"])?, [Some("1".to_owned())], "the value");
        ensure_eq!(shelf.all("other")?, [], "the other collection");
    }
    Ok(())
}

fn before(shelf: &Shelf<'_>) -> Result<(), String> {
    let first = KeyValueEdit::put("runs", "a", "1").if_missing();
    let second = KeyValueEdit::put("runs", "a", "2").if_missing();
    ensure!(shelf.edit(&[first, second])?, "a missing value");
    let next = KeyValueEdit::put("runs", "a", "3").if_value("2");
    let last = KeyValueEdit::remove("runs", "a").if_value("2");
    ensure!(shelf.edit(&[next, last])?, "the value before");
    ensure_eq!(shelf.values(&["a"])?, [None], "the value afterwards");
    Ok(())
}

fn removed(shelf: &Shelf<'_>) -> Result<(), String> {
    let many = (0..1201).map(|n| KeyValueEdit::put("runs", format!("r1/{n:05}"), "1"));
    shelf.edit(&many.collect::<Vec<_>>())?;
    for key in ["r1", "r10/1", "r2/1"] {
        shelf.put(key, "1")?;
    }
    shelf.edit(&[KeyValueEdit::put("other", "r1/1", "1")])?;
    shelf.done(shelf.store.remove_key_values(&shelf.tenant, "runs", "r1/"))?;
    ensure_eq!(
        shelf.list("", "", 9)?,
        ["r1", "r10/1", "r2/1"],
        "the keys that are left"
    );
    ensure_eq!(shelf.all("other")?.len(), 1, "values of another collection");
    Ok(())
}

fn separate(shelf: &Shelf<'_>) -> Result<(), String> {
    let other = shelf.tenant("other");
    for collection in ["runs", "Runs", "runs2"] {
        shelf.edit(&[KeyValueEdit::put(collection, "a", collection)])?;
    }
    other.put("a", "of another tenant")?;
    for collection in ["runs", "Runs", "runs2"] {
        let expected = KeyValue {
            key: "a".to_owned(),
            value: collection.to_owned(),
        };
        ensure_eq!(
            shelf.all(collection)?,
            [expected],
            "values of `{collection}`"
        );
    }
    shelf.edit(&[KeyValueEdit::remove("runs", "a")])?;
    ensure_eq!(shelf.all("runs")?, [], "after the removal");
    ensure_eq!(shelf.all("Runs")?.len(), 1, "another collection");
    ensure_eq!(other.all("runs")?.len(), 1, "another tenant");
    Ok(())
}

fn erased(shelf: &Shelf<'_>) -> Result<(), String> {
    let other = shelf.tenant("other");
    shelf.put("a", "1")?;
    other.put("a", "1")?;
    let erased = shelf.done(shelf.store.erase_tenant(&shelf.tenant))?;
    ensure_eq!(
        erased,
        Erased::All,
        "erasing a tenant that has values alone"
    );
    ensure_eq!(shelf.all("runs")?, [], "values of an erased tenant");
    ensure_eq!(other.all("runs")?.len(), 1, "values of another tenant");
    Ok(())
}

/// Fails unless the error says that an import is in progress.
fn fails<T>(what: &str, answer: Result<T, StoreError>) -> Result<(), String> {
    match answer {
        Err(StoreError::Importing) => Ok(()),
        Err(other) => Err(format!("{what} during an import: {}", said(&other))),
        Ok(_) => Err(format!("{what} during an import succeeds")),
    }
}

fn importing(shelf: &Shelf<'_>) -> Result<(), String> {
    let other = shelf.tenant("other");
    let (store, tenant, drive) = (&*shelf.store, &shelf.tenant, shelf.drive);
    during_import(store, tenant, drive, || {
        let keys = ["a".to_owned()];
        let edits = [KeyValueEdit::put("runs", "a", "1")];
        fails(
            "a list",
            run(drive, store.key_values(tenant, "runs", "", "", 1))?,
        )?;
        fails(
            "a value",
            run(drive, store.key_values_of(tenant, "runs", &keys))?,
        )?;
        fails(
            "an edit",
            run(drive, store.edit_key_values(tenant, &edits))?,
        )?;
        other.put("a", "1")?;
        ensure_eq!(other.all("runs")?.len(), 1, "values of another tenant");
        Ok(())
    })
}
