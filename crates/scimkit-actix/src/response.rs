//! Responses for actix-web, which has HTTP types of its own.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BodyStream, BoxBody, MessageBody, SizedStream},
    http::{
        ConnectionType, StatusCode,
        header::{HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use http::{Response, header::CONNECTION};
use http_body::Body;
use http_body_util::BodyDataStream;

use crate::request::{SharedPayload, content_length};

/// Converts a response, whose body actix-web polls as fast as the client reads.
pub(crate) fn convert<B>(
    response: Response<B>,
    is_head: bool,
    payload: SharedPayload,
) -> Result<HttpResponse, Box<dyn Error>>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error>>> + 'static,
{
    let (head, body) = response.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16())?;
    let length = if is_head {
        // Of the body that the response to a GET would have.
        content_length(&head.headers)
    } else {
        body.size_hint().exact()
    };
    let body = sized(body, length);
    let closes = head
        .headers
        .get(CONNECTION)
        .is_some_and(|value| value == "close");
    let mut converted = if closes {
        // actix-web does not send the header, but the state of the connection.
        let body = Closing {
            body,
            _payload: payload,
        }
        .boxed();
        let mut response = HttpResponse::with_body(status, body);
        let head = response.head_mut();
        head.set_connection_type(ConnectionType::Close);
        response
    } else {
        HttpResponse::with_body(status, body)
    };
    for (name, value) in &head.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes())?;
        let value = HeaderValue::from_bytes(value.as_bytes())?;
        converted.headers_mut().append(name, value);
    }
    Ok(converted)
}

/// Converts a body with this length.
fn sized<B>(body: B, length: Option<u64>) -> BoxBody
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error>>> + 'static,
{
    let stream = BodyDataStream::new(body);
    match length {
        Some(0) => BoxBody::new(()),
        Some(length) => SizedStream::new(length, stream).boxed(),
        None => BodyStream::new(stream).boxed(),
    }
}

/// The body of the last response on a connection. With a payload that was not dropped, actix-web closes it soon.
struct Closing {
    body: BoxBody,
    _payload: SharedPayload,
}

impl MessageBody for Closing {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Box<dyn Error>>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
