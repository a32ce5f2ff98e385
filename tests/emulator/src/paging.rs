//! Pages of a listing (contract 2.1 and 3.2): clamps, the count, the links that stop early, and the search window
//! whose end is a 500.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, LINK};

use crate::answer::Answer;
use crate::request::Request;

/// Elasticsearch's `max_result_window`: `from + size` beyond it fails.
const WINDOW: u64 = 10_000;

/// Links promise no page that would end at or beyond this many items.
const LINKED: u64 = 1000;

const DEFAULT_LIMIT: u64 = 10;

const RESULT_COUNT: HeaderName = HeaderName::from_static("x-result-count");

#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    number: u64,
    limit: u64,
}

impl Page {
    /// Reads `page` and `limit`. Too large a limit is cut to `most`; anything but an integer is a 400.
    pub(crate) fn of(request: &Request, most: u64) -> Result<Self, Answer> {
        let number = parameter(request, "page")?.filter(|page| *page > 0).unwrap_or(1);
        let limit =
            parameter(request, "limit")?.filter(|limit| *limit > 0).unwrap_or(DEFAULT_LIMIT).min(most);
        let page = Self { number, limit };
        // The server asks for one item more than the page to learn whether there is a next one.
        if page.start() + page.limit + 1 > WINDOW {
            return Err(Answer::bare_problem(StatusCode::INTERNAL_SERVER_ERROR));
        }
        Ok(page)
    }

    fn start(self) -> u64 {
        (self.number - 1) * self.limit
    }

    pub(crate) fn slice<T>(self, items: &[Arc<T>]) -> Vec<Arc<T>> {
        let start = usize::try_from(self.start()).unwrap_or(usize::MAX).min(items.len());
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let end = start.saturating_add(limit).min(items.len());
        items[start..end].to_vec()
    }

    /// Adds `X-Result-Count` and one `Link` line per neighbour.
    pub(crate) fn describe(self, answer: Answer, total: usize, request: &Request) -> Answer {
        let total = u64::try_from(total).unwrap_or(u64::MAX);
        let mut answer = answer.with(RESULT_COUNT, HeaderValue::from(total));
        if self.number > 1 {
            answer = answer.with_text(LINK, &link(request, self.number - 1, "previous"));
        }
        if self.start() + self.limit < total && (self.number + 1) * self.limit < LINKED {
            answer = answer.with_text(LINK, &link(request, self.number + 1, "next"));
        }
        answer
    }
}

fn parameter(request: &Request, name: &str) -> Result<Option<u64>, Answer> {
    let Some(text) = request.parameter(name) else {
        return Ok(None);
    };
    match text.trim().parse::<i32>() {
        Ok(number) => Ok(Some(u64::try_from(number).unwrap_or(0))),
        Err(_) => Err(Answer::bare_problem(StatusCode::BAD_REQUEST)),
    }
}

/// The caller's own query with another page, `access_token` included if it was there (contract 2.1).
fn link(request: &Request, page: u64, relation: &str) -> String {
    let page = page.to_string();
    let mut query = form_urlencoded::Serializer::new(String::new());
    let mut replaced = false;
    for (key, value) in form_urlencoded::parse(request.query.as_bytes()) {
        let is_page = key.eq_ignore_ascii_case("page");
        replaced |= is_page;
        query.append_pair(&key, if is_page { &page } else { &value });
    }
    if !replaced {
        query.append_pair("page", &page);
    }
    format!("<{}{}?{}>; rel=\"{relation}\"", request.origin(), request.path, query.finish())
}
