//! The store against the contract, and what only a file can do wrong.

// mod consistent;
mod contract;
// mod crash;
// mod files;
// mod property;
// mod schema;
mod support;
