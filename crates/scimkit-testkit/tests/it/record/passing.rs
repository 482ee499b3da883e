//! A recorder passes on everything unchanged, whatever happens to it.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use scimkit_store::BoxFuture;
use scimkit_testkit::record::{RecordedBody, Recorder};
use tower_layer::Layer;
use tower_service::Service;

/// A body of these frames and errors.
#[derive(Debug, Clone, Default)]
struct Frames(VecDeque<Result<&'static str, &'static str>>);

impl Frames {
    fn of(frames: &[Result<&'static str, &'static str>]) -> Self {
        Frames(frames.iter().copied().collect())
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let next = self.0.pop_front();
        Poll::Ready(next.map(|frame| match frame {
            Ok("trailers") => Ok(Frame::trailers(HeaderMap::new())),
            Ok(text) => Ok(Frame::data(Bytes::from(text))),
            Err(error) => Err(error),
        }))
    }
}

/// The behaviour of a service.
#[derive(Clone)]
enum Does {
    /// It reads this many frames, and responds with these.
    Answers(usize, Frames),
    /// It fails.
    Fails,
    /// It never answers.
    Waits,
}

impl Service<Request<RecordedBody<Frames>>> for Does {
    type Response = Response<Frames>;
    type Error = &'static str;
    type Future = BoxFuture<'static, Result<Response<Frames>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecordedBody<Frames>>) -> Self::Future {
        let does = self.clone();
        Box::pin(async move {
            let mut body = request.into_body();
            let Does::Answers(reads, answer) = does else {
                return match does {
                    Does::Fails => Err("broken"),
                    _ => std::future::pending().await,
                };
            };
            for _ in 0..reads {
                assert!(body.frame().await.is_some());
            }
            if reads > 0 {
                assert!(body.frame().await.is_none());
            }
            Ok(Response::builder().status(400).body(answer).unwrap())
        })
    }
}

/// Returns what is recorded of one exchange: the request body, if there is a step, and what was left out.
async fn passed(sent: Frames, does: Does) -> (Option<Option<String>>, BTreeMap<&'static str, u64>) {
    let recorder = Recorder::new("a", "b");
    let mut service = recorder.layer(does.clone());
    let request = Request::post("/Users").body(sent).unwrap();
    let mut call = Box::pin(service.call(request));
    if let Does::Waits = does {
        let waiting = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context)));
        assert!(waiting.await.is_pending());
        drop(call);
    } else if let Does::Answers(_, Frames(expected)) = does {
        let mut body = call.await.unwrap().into_body();
        for frame in expected {
            let got = body.frame().await.unwrap().map(|frame| frame.into_data());
            match frame {
                Ok("trailers") => assert!(got.unwrap().is_err()),
                Ok(text) => assert_eq!(got.unwrap().unwrap(), text),
                Err(error) => assert_eq!(got.unwrap_err(), error),
            }
        }
        drop(body);
    } else {
        assert_eq!(call.await.unwrap_err(), "broken");
    }
    let scenario = recorder.scenario();
    let raw = scenario
        .steps
        .first()
        .map(|step| step.request.raw_body.clone());
    (raw, recorder.left_out())
}

#[tokio::test]
async fn everything_passes_and_is_recorded_if_possible() {
    let sent = Frames::of(&[Ok("{{"), Ok("name"), Ok("trailers")]);
    let answer = Frames::of(&[Ok("{}"), Ok(" "), Ok("trailers")]);
    let broken = Frames::of(&[Ok("{}"), Err("cut")]);
    let redacted = Some(Some("{(anon1-{{run}}".to_owned()));
    let left_out = |why| BTreeMap::from([(why, 1)]);
    let table = [
        (
            sent.clone(),
            Does::Answers(3, answer.clone()),
            redacted.clone(),
            BTreeMap::new(),
        ),
        // A response that was cut off still had a status.
        (
            sent.clone(),
            Does::Answers(3, broken.clone()),
            redacted,
            BTreeMap::new(),
        ),
        // The body was never polled.
        (
            sent.clone(),
            Does::Answers(0, answer.clone()),
            Some(None),
            BTreeMap::new(),
        ),
        (
            broken,
            Does::Answers(2, answer),
            None,
            left_out("with an incomplete body"),
        ),
        (
            sent.clone(),
            Does::Fails,
            None,
            left_out("without an answer"),
        ),
        (sent, Does::Waits, None, left_out("without an answer")),
    ];
    for (at, (sent, does, step, left_out)) in table.into_iter().enumerate() {
        assert_eq!(passed(sent, does).await, (step, left_out), "{at}");
    }
}
