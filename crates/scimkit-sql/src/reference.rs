//! The statements of the reference layout: the facts that a write needs, and the row operations that
//! carry it out.
//!
//! Each function gives the text of one statement with its parameters, or several where there are more
//! rows than one statement takes. Rows come in arrays, in pieces of few different lengths, so that a
//! driver that keeps prepared statements prepares each only once.

mod facts;
mod operations;
mod statement;

pub use facts::{
    Holder, KeyDefinitions, Selection, State, ancestors, candidates, documents, heads, holders,
    members, members_among, owners, rows, version,
};
pub use operations::{
    DeletedRow, EdgeRow, KeyRow, LiveRow, bump_rows, insert_deleted_rows, insert_edges,
    insert_keys, insert_rows, remove_all_keys, remove_ends, remove_key, remove_members,
    remove_rows, set_version, update_row,
};
pub use statement::{Parameter, Statement};
