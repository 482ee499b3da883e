//! The server as a host meets it.

mod actix;
