//! Response bodies, honest and otherwise, and the last touch every answer gets.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use hyper::body::{Frame, SizeHint};
use hyper::header::{DATE, USER_AGENT};
use tokio::time::{Sleep, sleep};

use crate::answer::Rendered;
use crate::faults::Lost;
use crate::request::Request;
use crate::server::Shared;

/// How much of a huge body is handed over at a time.
const CHUNK: usize = 64 * 1024;

/// Puts an answer on its way: the `Date` of the emulator's clock, and one more in the counts.
pub(crate) fn response(shared: &Shared, request: &Request, answer: Rendered, body: Body) -> Response<Body> {
    let date = shared.with(|state| {
        state.counters.answered(answer.status.as_u16(), request.route, request.header(USER_AGENT));
        state.date_header()
    });
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    // A fault may have given it another one.
    response.headers_mut().entry(DATE).or_insert(date);
    response
}

/// A body as one of several characters.
pub(crate) enum Body {
    Whole(Bytes),
    /// One byte per interval.
    Drip {
        rest: Bytes,
        interval: Duration,
        pause: Pin<Box<Sleep>>,
    },
    /// A JSON string that does not seem to end, made as it is sent.
    Huge {
        length: u64,
        sent: u64,
    },
    /// The connection breaks when this much has been sent.
    Broken(Bytes),
}

impl Body {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }

    pub(crate) fn drip(rest: Bytes, interval: Duration) -> Self {
        Self::Drip { rest, interval, pause: Box::pin(sleep(interval)) }
    }

    pub(crate) fn huge(length: u64) -> Self {
        Self::Huge { length: length.max(2), sent: 0 }
    }

    pub(crate) fn broken(bytes: Bytes) -> Self {
        Self::Broken(bytes)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        let chunk = match self.get_mut() {
            Self::Whole(bytes) => std::mem::take(bytes),
            Self::Broken(bytes) if bytes.is_empty() => return Poll::Ready(Some(Err(Lost))),
            Self::Broken(bytes) => std::mem::take(bytes),
            Self::Huge { length, sent } => next_of_huge(*length, sent),
            Self::Drip { rest, .. } if rest.is_empty() => Bytes::new(),
            Self::Drip { rest, interval, pause } => {
                std::task::ready!(pause.as_mut().poll(context));
                pause.set(sleep(*interval));
                rest.split_to(1)
            }
        };
        Poll::Ready((!chunk.is_empty()).then(|| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Drip { rest, .. } => rest.is_empty(),
            Self::Huge { length, sent } => sent >= length,
            Self::Broken(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(length(bytes)),
            Self::Drip { rest, .. } => SizeHint::with_exact(length(rest)),
            Self::Huge { length, sent } => SizeHint::with_exact(length - sent),
            Self::Broken(_) => SizeHint::default(),
        }
    }
}

fn next_of_huge(length: u64, sent: &mut u64) -> Bytes {
    static FILLER: [u8; CHUNK] = [b'x'; CHUNK];
    let left = length - *sent;
    let chunk = match left {
        0 => Bytes::new(),
        _ if *sent == 0 || left == 1 => Bytes::from_static(b"\""),
        _ => {
            let size = usize::try_from(left - 1).unwrap_or(CHUNK).min(CHUNK);
            Bytes::from_static(&FILLER[..size])
        }
    };
    *sent += self::length(&chunk);
    chunk
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
