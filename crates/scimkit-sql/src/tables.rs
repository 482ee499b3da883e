//! The statements of an application's own tables and of the side tables next to them.
//!
//! Statements and their results are owned and consist of plain scalars, so that any database library can run them: see
//! `scimkit_tables::Driver`.
//!
//! - [`RowTable`]: the rows of a table, with their side rows
//! - [`JoinTable`]: memberships in a table
//! - [`ValueTable`]: values of a multi-valued attribute in a table
//! - [`migrations`]: the side tables, all of which begin with `scim_`
//! - [`shared`]: statements of the reference layout on side tables

mod catalog;
mod edges;
mod join_table;
mod names;
mod row_page;
mod row_table;
mod side;
mod statement;
mod times;
mod value_table;

pub use catalog::{
    IndexKind, add_column_sql, change_collation_sql, change_type_sql, collation_of, columns_of,
    create_index_sql, drop_not_null_sql, indexes_of, remove_repeated_pairs_sql, repeated_pairs,
    type_name,
};
pub use edges::{
    SideList, insert_side_edge, remove_side_edges, remove_side_ends, side_edges_among,
    side_edges_of, side_edges_to,
};
pub use join_table::{JoinNames, JoinTable, JoinTenants};
pub use names::TableTenant;
pub use row_page::{RowOrder, RowStart};
pub use row_table::{RowOwner, RowTable, SIDE_COLUMNS};
pub use side::{
    RetiredRow, SideRow, insert_entries, insert_retired, journal_end, last_migration, lock,
    lock_tenants, migration_count, migration_table, migrations, put_side_row, remove_retired,
    remove_side_row, retired_after, retired_by_ids, set_hash, set_version, shared,
};
pub use statement::{SqlStatement, SqlValue};
pub use value_table::{ValueRow, ValueTable};
