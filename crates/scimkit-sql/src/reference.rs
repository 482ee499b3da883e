//! The statements of the reference layout: the tables of resources, lookup keys, memberships and tenants that scimkit's
//! own stores use.
//!
//! Each function returns one statement with its parameters, or several if there are more rows than fit into one
//! statement. Rows are divided into pieces of a few fixed lengths, so a driver that caches prepared statements prepares
//! each of them only once.

mod archive;
mod counters;
mod dead_letters;
mod definitions;
mod edges;
mod facts;
mod imports;
mod journal;
mod key_values;
mod layout;
mod migrations;
mod operations;
mod pages;
mod records;
mod rekeying;
mod remnants;
mod statement;
mod tenants;

pub use archive::{
    IdRange, TenantTable, any_row, blank_rows, deleted_before, exported_deleted_rows,
    exported_edges, exported_rows, has_rows, last_id, last_key, raise_version, remove_up_to,
    resource_exists, row_exists,
};
pub use counters::{
    Counter, count, count_anew, put_counters, remove_counter, remove_counters, selected_documents,
    total, version_and_counters,
};
pub use dead_letters::{DeadLetterRow, dead_letters, put_dead_letter, remove_dead_letter};
pub use definitions::{
    has_other_key_definitions, import_and_other_key_definitions, insert_key_definition,
    insert_older_key_definition, insert_text_definition, key_definition, key_definition_use,
    older_key_definition, other_key_definition_uses, record_key_definition_use, text_definition,
    used_key_definitions,
};
pub use edges::{
    EdgeRange, documents_of, labels_of, members_of, owners_in_range, owners_of, owners_of_ids,
    owners_of_page,
};
pub use facts::{
    Holder, KeyDefinitions, Selection, State, ancestors, candidates, documents, heads, holders,
    members, members_among, owners, rows, version,
};
pub use imports::{
    begin_import, end_import, import, import_attempt, import_has_entry, set_import_has_entry,
    supersede_import,
};
pub use journal::{
    BLANKED, ConsumerRow, EntryFilter, EntryRange, EntryRow, blank_entries, blank_entries_of,
    consumer, count_entries, deleted_subjects, entries, entry_at, first_entry_since,
    insert_entries, journal_end, pending_tenants, put_consumer, remove_entries, set_journal_after,
    skip_journal,
};
pub use key_values::{key_value, key_values, put_key_value, remove_key_value};
pub use layout::ReferenceLayout;
pub use migrations::{SQLITE_MIGRATIONS, SQLITE_OBJECT_COUNT, SQLITE_OBJECTS};
pub use operations::{
    Counters, DeletedRow, EdgeRow, JournalEnd, KeyRow, LiveRow, bump_rows, insert_deleted_rows,
    insert_edges, insert_keys, insert_new_edges, insert_rows, remove_all_keys, remove_ends,
    remove_key, remove_members, remove_rows, replace_key, set_version, update_row,
};
pub use pages::{
    OwnerCondition, PageOrder, PageSelection, RowPosition, Section, page_rows, page_sections,
    resource, resource_and_import,
};
pub use records::micros;
pub use rekeying::{documents_after, other_holder, set_derived, set_key_definition};
pub use remnants::{
    COLUMN_NAMES, FIRST_REMOVED, FORGET_ALL_REMOVED, FORGET_REMOVED, HAS_REMOVED, LAST_REMOVED,
    Side, StorageOrder, remember_removed,
};
pub use statement::{Parameter, Statement};
pub use tenants::{
    ConnectionRow, TenantRow, TokenRow, connection, connection_count, connection_with_tenant,
    connections, owned_by, put_connection, put_tenant, put_token, record_token_use,
    release_connection, remove_connection, tenant, tenant_count, tenants, token, token_by_digest,
    token_count, token_exists, token_unused_since, tokens,
};
