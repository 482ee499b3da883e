//! The consumers of a journal and their leases.

use std::time::Duration;

use scimkit_store::{JournalPosition, JournalQuery, JournalRead, LeaseAnswer, StoreError};

use super::{
    JournalCheck,
    log::{Log, told},
};
use crate::contract::fixture::{ensure, ensure_eq, second};

pub(super) const CHECKS: &[JournalCheck] = &[
    JournalCheck {
        name: "only_one_holder_has_the_lease",
        run: holders,
    },
    JournalCheck {
        name: "cursor_advances_only_with_the_last_fence",
        run: fences,
    },
    JournalCheck {
        name: "consumers_behind_a_trim_must_resynchronise",
        run: trimmed,
    },
    JournalCheck {
        name: "trim_removes_only_older_entries",
        run: older,
    },
    JournalCheck {
        name: "tenants_with_unconfirmed_changes_are_pending",
        run: pending,
    },
];

fn holders(log: &Log<'_>) -> Result<(), String> {
    log.user(1, "u1")?;
    let one = log.granted("one", 0)?;
    ensure_eq!((one.cursor, one.until), (0, second(60)), "a new lease");
    let until = second(60);
    ensure_eq!(log.lease("two", 59)?, LeaseAnswer::Held { until }, "held");
    let extended = log.granted("one", 30)?;
    ensure_eq!(extended.fence, one.fence, "the fence of an extended lease");
    let until = second(90);
    ensure_eq!(log.lease("two", 89)?, LeaseAnswer::Held { until }, "held");
    // It lapses by the clock of the request.
    let two = log.granted("two", 90)?;
    ensure!(two.fence > one.fence, "the fence of another holder");
    let mut over = log.request("two", 91);
    over.duration = Duration::ZERO;
    let given_up = log.run(log.store.lease(log.id(), &over))?;
    ensure!(given_up.is_ok(), "a lease that is given up: {given_up:?}");
    let three = log.granted("three", 91)?;
    ensure!(
        three.fence > two.fence,
        "the fence after a lease was given up"
    );
    // Another consumer has a lease of its own.
    let other = scimkit_store::LeaseRequest::new("sync", "four", second(92), Duration::MAX);
    let other = log.run(log.store.lease(log.id(), &other))?;
    ensure!(
        matches!(other, Ok(LeaseAnswer::Granted(_))),
        "another consumer: {other:?}"
    );
    Ok(())
}

fn fences(log: &Log<'_>) -> Result<(), String> {
    for n in 0..4 {
        log.user(1, &format!("u{n}"))?;
    }
    let one = log.granted("one", 0)?;
    log.advanced(&one, 2)?;
    log.advanced(&one, 1)?;
    let beyond = log.advance(&one, 5)?;
    ensure!(
        matches!(beyond, Err(StoreError::Invalid { .. })),
        "a number that does not exist yet: {beyond:?}"
    );
    // No other holder has leased it, so the lapsed lease is still valid.
    let two = log.granted("two", 60)?;
    ensure_eq!(two.cursor, 2, "where the next holder begins");
    let late = log.advance(&one, 4)?;
    ensure!(
        matches!(late, Err(StoreError::LeaseLost)),
        "a former holder: {late:?}"
    );
    log.advanced(&two, 3)?;
    ensure_eq!(log.granted("two", 61)?.cursor, 3, "the cursor");
    let nobody = log.tenant("other").advance(&two, 0)?;
    ensure!(
        matches!(nobody, Err(StoreError::LeaseLost)),
        "another tenant: {nobody:?}"
    );
    Ok(())
}

fn trimmed(log: &Log<'_>) -> Result<(), String> {
    for n in 1..=4 {
        log.user(n, &format!("u{n}"))?;
    }
    let one = log.granted("one", 10)?;
    log.advanced(&one, 1)?;
    ensure_eq!(log.trim(second(3))?, 2, "parts removed");
    let read = log.read(&JournalQuery::after(JournalPosition::end_of(1)))?;
    ensure_eq!(read, JournalRead::Resync { to: 4 }, "a read before a trim");
    ensure_eq!(
        told(&log.after(2)?),
        ["3.0 created u3", "4.0 created u4"],
        "left"
    );
    log.user(5, "u5")?;
    let (lease, to) = match log.lease("one", 20)? {
        LeaseAnswer::Resync { lease, to } => (lease, to),
        other => return Err(format!("a consumer that was left behind: {other:?}")),
    };
    ensure_eq!((lease.cursor, to), (1, 5), "the cursor and the end");
    // Until the consumer has resynchronised.
    let again = log.lease("one", 21)?;
    ensure!(matches!(again, LeaseAnswer::Resync { .. }), "{again:?}");
    log.advanced(&lease, to)?;
    ensure_eq!(log.granted("one", 22)?.cursor, 5, "the cursor afterwards");
    ensure_eq!(log.trim(second(9))?, 3, "parts removed");
    let still = log.granted("one", 23)?;
    ensure_eq!(still.cursor, 5, "a consumer that had everything");
    let fresh = scimkit_store::LeaseRequest::new("new", "x", second(24), Duration::MAX);
    let fresh = log.run(log.store.lease(log.id(), &fresh))?;
    ensure!(
        matches!(fresh, Ok(LeaseAnswer::Resync { .. })),
        "a new consumer: {fresh:?}"
    );
    Ok(())
}

fn older(log: &Log<'_>) -> Result<(), String> {
    // The clock goes back in between.
    for (n, at) in [(1, 5), (2, 9), (3, 4), (4, 12)] {
        log.user(at, &format!("u{n}"))?;
    }
    ensure_eq!(log.trim(second(5))?, 0, "parts removed before the first");
    ensure_eq!(log.after(0)?.len(), 4, "entries");
    ensure_eq!(log.trim(second(9))?, 1, "parts removed");
    let (entries, _) = log.verified()?;
    let expected = ["2.0 created u2", "3.0 created u3", "4.0 created u4"];
    ensure_eq!(told(&entries), expected, "the remaining entries");
    ensure_eq!(log.trim(second(99))?, 3, "parts removed");
    ensure_eq!(log.trim(second(99))?, 0, "parts removed again");
    log.user(100, "u9")?;
    ensure_eq!(told(&log.verified()?.0), ["5.0 created u9"], "a new entry");
    ensure_eq!(log.tenant("nobody").trim(second(99))?, 0, "of nobody");
    Ok(())
}

fn pending(log: &Log<'_>) -> Result<(), String> {
    let other = log.tenant("other");
    ensure_eq!(log.pending()?.len(), 0, "tenants before any change");
    log.user(1, "u1")?;
    other.user(1, "u1")?;
    let both = [log.id().clone(), other.id().clone()];
    ensure_eq!(log.pending()?, both, "tenants with changes");
    let lease = log.granted("one", 0)?;
    log.advanced(&lease, 1)?;
    ensure_eq!(log.pending()?, [other.id().clone()], "once confirmed");
    log.user(1, "u2")?;
    ensure_eq!(log.pending()?, both, "after another change");
    Ok(())
}
