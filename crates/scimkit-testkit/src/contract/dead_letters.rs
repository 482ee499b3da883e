//! The contract of [`DeadLetters`] as a test suite.
//!
//! ```
//! use std::sync::Arc;
//! use scimkit_store::MemoryStore;
//! use scimkit_testkit::contract::{block_on, dead_letters};
//!
//! dead_letters::check(|| Arc::new(MemoryStore::new()), &block_on)?;
//! # Ok::<(), String>(())
//! ```

mod letterbox;

use std::{fmt, sync::Arc};

use scimkit_store::{Archive, DeadLetters, JournalPosition, StoreError, archive::Erased};

use self::letterbox::Letterbox;
use super::{
    FutureDriver,
    fixture::{ensure_eq, said},
};

/// A store of whole tenants that remembers dead letters.
pub trait LetterStore: Archive + DeadLetters {}

impl<T: Archive + DeadLetters> LetterStore for T {}

/// One rule of the contract.
#[derive(Clone, Copy)]
pub struct LetterCheck {
    name: &'static str,
    run: fn(&Letterbox<'_>) -> Result<(), String>,
}

impl LetterCheck {
    /// Returns the name of the rule: words joined by underscores.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Checks the rule against an empty store.
    ///
    /// # Errors
    /// A text with the fault of the store.
    pub fn run(&self, store: Arc<dyn LetterStore>, drive: &FutureDriver<'_>) -> Result<(), String> {
        (self.run)(&Letterbox::new(store, drive))
    }
}

impl fmt::Debug for LetterCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LetterCheck").field(&self.name).finish()
    }
}

/// Runs every check, each against a new store.
///
/// # Errors
/// One line per rule that does not hold.
pub fn check(
    make: impl Fn() -> Arc<dyn LetterStore>,
    drive: &FutureDriver<'_>,
) -> Result<(), String> {
    let failure = |check: &LetterCheck| {
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
pub fn checks() -> Vec<LetterCheck> {
    vec![
        LetterCheck {
            name: "letters_are_kept_as_they_are",
            run: kept,
        },
        LetterCheck {
            name: "letters_follow_a_position_in_order_up_to_a_limit",
            run: ordered,
        },
        LetterCheck {
            name: "later_letter_replaces_that_of_the_same_entry",
            run: replaced,
        },
        LetterCheck {
            name: "removing_takes_one_letter_and_may_find_none",
            run: removed,
        },
        LetterCheck {
            name: "tenants_and_consumers_have_their_own_letters",
            run: separate,
        },
        LetterCheck {
            name: "every_reason_can_be_stored",
            run: any_reason,
        },
        LetterCheck {
            name: "erasing_a_tenant_removes_its_letters",
            run: erased,
        },
        LetterCheck {
            name: "calls_fail_during_an_import",
            run: during_import,
        },
    ]
}

/// The position of an entry.
fn at(number: u64, part: u32) -> JournalPosition {
    JournalPosition { number, part }
}

fn kept(letters: &Letterbox<'_>) -> Result<(), String> {
    ensure_eq!(letters.all("events")?, [], "letters of a new tenant");
    let mut letter = letters.letter("events", at(7, 3));
    letter.attempts = u32::MAX;
    letter.at += chrono::TimeDelta::milliseconds(123);
    letter.problem = "it's 100 %:\n\"größer\" \u{1f4ec}".to_owned();
    letters.put(&letter)?;
    ensure_eq!(letters.all("events")?, [letter], "the letter");
    let mut last = letters.letter("events", at(9, u32::MAX));
    last.attempts = 0;
    last.problem = String::new();
    letters.put(&last)?;
    let found = letters.list("events", at(7, 3), 1)?;
    ensure_eq!(found, [last], "a letter with the largest part");
    Ok(())
}

fn ordered(letters: &Letterbox<'_>) -> Result<(), String> {
    let places = [at(2, 1), at(10, 0), at(1, 0), at(2, 0), at(2, 10), at(9, 4)];
    for place in places {
        letters.put(&letters.letter("events", place))?;
    }
    let found = |after, limit| letters.places("events", after, limit);
    let mut sorted = places;
    sorted.sort_unstable();
    ensure_eq!(found(at(0, 0), 100)?, sorted, "all letters");
    let rest = [at(2, 10), at(9, 4), at(10, 0)];
    ensure_eq!(found(at(2, 1), u32::MAX)?, rest, "letters after 2.1");
    ensure_eq!(found(at(2, 1), 2)?, rest[..2], "two letters after 2.1");
    let without_letter = JournalPosition::end_of(8);
    ensure_eq!(found(without_letter, 1)?, [at(9, 4)], "letters after 8");
    ensure_eq!(found(at(10, 0), 100)?, [], "letters after the last one");
    ensure_eq!(found(at(0, 0), 0)?, [], "no letters");
    Ok(())
}

fn replaced(letters: &Letterbox<'_>) -> Result<(), String> {
    let first = letters.letter("events", at(3, 0));
    letters.put(&first)?;
    let mut again = first.clone();
    again.at += chrono::TimeDelta::seconds(90);
    again.attempts += 12;
    again.problem = "status 410".to_owned();
    letters.put(&again)?;
    ensure_eq!(letters.all("events")?, [again], "the letter of one entry");
    letters.put(&first)?;
    ensure_eq!(letters.all("events")?, [first], "an older letter put later");
    Ok(())
}

fn removed(letters: &Letterbox<'_>) -> Result<(), String> {
    letters.remove("events", at(5, 0))?;
    for part in 0..3 {
        letters.put(&letters.letter("events", at(5, part)))?;
    }
    letters.remove("events", at(5, 1))?;
    letters.remove("events", at(5, 1))?;
    letters.remove("events", at(6, 0))?;
    let left = letters.places("events", at(0, 0), 100)?;
    ensure_eq!(left, [at(5, 0), at(5, 2)], "the letters that are left");
    letters.put(&letters.letter("events", at(5, 1)))?;
    ensure_eq!(letters.all("events")?.len(), 3, "letters after a new one");
    Ok(())
}

fn separate(letters: &Letterbox<'_>) -> Result<(), String> {
    let other = letters.tenant("other");
    for consumer in ["events", "Events", "events 2"] {
        letters.put(&letters.letter(consumer, at(1, 0)))?;
    }
    let mut foreign = other.letter("events", at(1, 0));
    foreign.problem = "of another tenant".to_owned();
    other.put(&foreign)?;
    for consumer in ["events", "Events", "events 2"] {
        let letter = letters.letter(consumer, at(1, 0));
        ensure_eq!(letters.all(consumer)?, [letter], "letters of `{consumer}`");
    }
    letters.remove("events", at(1, 0))?;
    ensure_eq!(letters.all("events")?, [], "letters after the removal");
    ensure_eq!(letters.all("Events")?.len(), 1, "letters of `Events`");
    ensure_eq!(other.all("events")?, [foreign], "letters of another tenant");
    Ok(())
}

/// Not every database stores the character NUL, but a letter that can't be stored holds up its consumer.
fn any_reason(letters: &Letterbox<'_>) -> Result<(), String> {
    let mut letter = letters.letter("events", at(1, 0));
    letter.problem = "status\0 500".to_owned();
    letters.put(&letter)?;
    let found = letters.places("events", at(0, 0), 100)?;
    ensure_eq!(found, [at(1, 0)], "the letter");
    Ok(())
}

fn erased(letters: &Letterbox<'_>) -> Result<(), String> {
    let other = letters.tenant("other");
    letters.put(&letters.letter("events", at(1, 0)))?;
    letters.put(&letters.letter("audit", at(2, 0)))?;
    other.put(&other.letter("events", at(1, 0)))?;
    let erased = letters.run(letters.store.erase_tenant(letters.id()))?;
    let erased = erased.map_err(|e| said(&e))?;
    ensure_eq!(
        erased,
        Erased::All,
        "erasing a tenant that has letters alone"
    );
    ensure_eq!(letters.all("events")?, [], "letters of an erased tenant");
    ensure_eq!(letters.all("audit")?, [], "letters of its other consumer");
    ensure_eq!(other.all("events")?.len(), 1, "letters of another tenant");
    Ok(())
}

/// Fails unless the error says that an import is in progress.
fn importing<T>(what: &str, answer: Result<T, StoreError>) -> Result<(), String> {
    match answer {
        Err(StoreError::Importing) => Ok(()),
        Err(other) => Err(format!("{what} during an import: {}", said(&other))),
        Ok(_) => Err(format!("{what} during an import succeeds")),
    }
}

fn during_import(letters: &Letterbox<'_>) -> Result<(), String> {
    let other = letters.tenant("other");
    letters.while_importing(|| {
        let (store, id) = (&letters.store, letters.id());
        let read = store.dead_letters(id, "events", at(0, 0), 1);
        importing("a list", letters.run(read)?)?;
        let letter = letters.letter("events", at(1, 0));
        let put = store.put_dead_letter(id, &letter);
        importing("a letter", letters.run(put)?)?;
        let removal = store.remove_dead_letter(id, "events", at(1, 0));
        importing("a removal", letters.run(removal)?)?;
        other.put(&letter)?;
        ensure_eq!(other.all("events")?, [letter], "letters of another tenant");
        Ok(())
    })
}
