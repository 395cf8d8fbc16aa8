//! A run as it happens: the events of its journal as server-sent events. The id of each
//! is its offset in the journal, so that a browser that comes back with the last one
//! misses nothing. The run knows nothing of its followers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::HeaderMap;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;

use super::extract::{InPath, InQuery};
use super::opened::{blocking, opened};
use super::problem::Problem;
use super::visitor::Reader;
use crate::base::json;
use crate::diag::Exit;
use crate::plan;
use crate::runs::{LiveRun, News};
use crate::serve::shared::Shared;

/// How often it is looked for more.
const LOOK: Duration = Duration::from_millis(250);

/// How often a stream on which nothing happens says that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// When a browser tries again.
const RETRY: Duration = Duration::from_secs(2);

/// Behind which event.
#[derive(Debug, Deserialize)]
pub(super) struct Behind {
    from: Option<u64>,
}

/// `/runs/ID/events`
pub(super) async fn events(
    reader: Reader,
    InPath(id): InPath<String>,
    InQuery(behind): InQuery<Behind>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // What the browser saw last counts more than where its page began.
    let from = last_seen(&headers)?.or(behind.from);
    let room = reader.shared.sessions.stream();
    let room = room.ok_or_else(Problem::busy)?;
    let run = opened(&reader.shared, move |opened| {
        let path = opened.run(&id)?.file;
        LiveRun::open(&path, from).map_err(|failure| {
            if failure.exit == Exit::Usage {
                Problem::bad_form("No event of the run ends at this offset.")
            } else {
                opened.problem(&failure)
            }
        })
    })
    .await?;
    let following = Following {
        stopping: reader.shared.stopping.clone(),
        session: reader.login.token,
        shared: reader.shared,
        run: Some(run),
        ready: VecDeque::from([Event::default().retry(RETRY).comment("follows")]),
        over: false,
        _room: room,
    };
    let events = stream::unfold(following, |mut following| async move {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(events).keep_alive(keep_alive).into_response())
}

/// The id of the last event that the browser has.
fn last_seen(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(last) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let last = last.to_str().ok().map(str::trim).unwrap_or_default();
    let wrong = || Problem::bad_form("`Last-Event-ID` is the id of an event of the run.");
    last.parse().map(Some).map_err(|_| wrong())
}

/// Somebody who follows a run.
struct Following {
    shared: Arc<Shared>,
    session: String,
    stopping: watch::Receiver<bool>,
    /// Away while it is read.
    run: Option<LiveRun>,
    ready: VecDeque<Event>,
    over: bool,
    _room: OwnedSemaphorePermit,
}

impl Following {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            self.look().await;
        }
    }

    /// Looks once for more, and waits a little where there is none.
    async fn look(&mut self) {
        if *self.stopping.borrow() || self.shared.sessions.may(&self.session).is_none() {
            self.over = true;
            return;
        }
        let Some(mut run) = self.run.take() else {
            self.over = true;
            return;
        };
        let read = blocking(move || {
            let news = run
                .look()
                .map_err(|_| Problem::not_found("The run is gone."))?;
            Ok((run, news))
        });
        let Ok((run, News { events, over })) = read.await else {
            self.over = true;
            return;
        };
        self.run = Some(run);
        let idle = events.is_empty();
        let events = events.iter();
        self.ready
            .extend(events.filter_map(|(offset, event)| told(*offset, event)));
        if over.is_some() {
            self.ready
                .push_back(Event::default().event("over").data("over"));
            self.over = true;
        } else if idle {
            let stopping = &mut self.stopping;
            let gone = tokio::select! {
                () = sleep(LOOK) => false,
                changed = stopping.changed() => changed.is_err(),
            };
            self.over = gone;
        }
    }
}

fn told(offset: u64, event: &plan::Event) -> Option<Event> {
    let text = json::line(event).ok()?;
    Some(
        Event::default()
            .id(offset.to_string())
            .data(text.trim_end()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_last_event_is_a_number() {
        let seen = |value: Option<&'static str>| {
            let value = value.map(HeaderValue::from_static);
            let headers = value.map(|value| {
                let name = http::HeaderName::from_static("last-event-id");
                (name, value)
            });
            last_seen(&headers.into_iter().collect()).map_err(|_| ())
        };
        assert_eq!(seen(None), Ok(None));
        assert_eq!(seen(Some("1234")), Ok(Some(1234)));
        assert_eq!(seen(Some("-1")), Err(()));
        assert_eq!(seen(Some("")), Err(()));
    }
}
