//! The error texts, in one style.

use scimkit_core::message::PatchOperationKind;
use scimkit_registry::{Attr, RequestError, RequestErrorKind};

pub(crate) fn invalid(detail: impl Into<String>) -> RequestError {
    RequestError::new(RequestErrorKind::Value, detail)
}

pub(crate) fn no_value(op: PatchOperationKind) -> RequestError {
    invalid(format!("`{}` needs a `value`", op.as_str()))
}

pub(crate) fn read_only(attr: &Attr) -> RequestError {
    RequestError::new(
        RequestErrorKind::Mutability,
        format!("`{}` is read-only", attr.path()),
    )
}

pub(crate) fn required(attr: &Attr) -> RequestError {
    let detail = format!("`{}` is required and can't be removed", attr.path());
    RequestError::new(RequestErrorKind::Mutability, detail)
}

pub(crate) fn unassigned(attr: &Attr) -> RequestError {
    invalid(format!(
        "`{}` is required and can't be null or empty",
        attr.path()
    ))
}

pub(crate) fn immutable(attr: &Attr) -> RequestError {
    let detail = format!("`{}` is immutable and has another value", attr.path());
    RequestError::new(RequestErrorKind::Mutability, detail)
}
