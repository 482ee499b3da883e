//! The sentences of errors, in one voice.

use scimkit_core::message::PatchOperationKind;
use scimkit_registry::{Attr, Error, ErrorKind};

pub(crate) fn invalid(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Value, detail)
}

pub(crate) fn no_value(op: PatchOperationKind) -> Error {
    invalid(format!("`{}` needs a `value`", op.as_str()))
}

pub(crate) fn read_only(attr: &Attr) -> Error {
    Error::new(
        ErrorKind::Mutability,
        format!("`{}` is read-only", attr.path()),
    )
}

pub(crate) fn required(attr: &Attr) -> Error {
    let detail = format!("`{}` is required and can't be removed", attr.path());
    Error::new(ErrorKind::Mutability, detail)
}

pub(crate) fn unassigned(attr: &Attr) -> Error {
    invalid(format!(
        "`{}` is required and can't be null or empty",
        attr.path()
    ))
}

pub(crate) fn immutable(attr: &Attr) -> Error {
    let detail = format!("`{}` is immutable and has another value", attr.path());
    Error::new(ErrorKind::Mutability, detail)
}
