//! What is refused: a request for every rule that says no.

use serde_json::{Value, json};

use crate::support::{hls, rtmp, srt};

/// What stands for the event in the path of a row.
pub const EVENT: &str = "{id}";
/// An id that nothing has.
const NOBODY: &str = "0198c0de-0000-7000-8000-000000000000";
/// An hour after the beginning of the test.
pub const SOON: &str = "2027-01-15T09:00:00Z";

/// How things stand before the request of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Given {
    Nothing,
    Draft,
    External,
    Activated,
    Placed,
    Paid,
    Scheduled,
    ScheduledFar,
    Ready,
    Preview,
    Lost,
    Live,
    LiveExternal,
    Ended,
    NoLiveIngest,
    NoEncodingLeft,
    EncodingInTheRed,
    NoEgressLeft,
    NothingAtAll,
    DeafToRtmp,
    DeafToSrt,
    ManyWebhooks,
}

/// A request that is refused.
pub struct Row {
    pub rule: &'static str,
    pub given: Given,
    /// With [`EVENT`] for the id of the event that is given.
    pub request: &'static str,
    pub body: Value,
    pub if_match: Option<&'static str>,
}

/// All rows.
pub fn rows() -> Vec<Row> {
    [sources(), gates(), running(), others()].into_iter().flatten().collect()
}

fn row(rule: &'static str, given: Given, request: &'static str, body: Value) -> Row {
    Row { rule, given, request, body, if_match: None }
}

pub fn schedule(starts_at: &str, duration_s: u64) -> Value {
    json!({ "starts_at": starts_at, "duration_s": duration_s })
}

fn titled(title: &str) -> Value {
    json!({ "title": title, "source": rtmp() })
}

/// Sources, and what encoders send.
fn sources() -> Vec<Row> {
    use Given::{Draft, External, Nothing, Paid, Ready, Scheduled};
    let to_hls = || json!({ "source": hls() });
    let url = |url: &str| json!({ "title": "A talk", "source": { "kind": "hls", "url": url } });
    let endless = format!("https://cdn.example/{}", "a".repeat(2048));
    let none = Value::Null;
    vec![
        row("an external stream cannot be scheduled", External, "PUT /events/{id}/schedule", schedule(SOON, 3600)),
        row("what is scheduled cannot become external", Scheduled, "PATCH /events/{id}", to_hls()),
        row("an external stream cannot be paid", External, "PUT /events/{id}/offer", json!({ "offer": "paid" })),
        row("what is paid cannot become external", Paid, "PATCH /events/{id}", to_hls()),
        row("an external stream has no credentials", External, "GET /events/{id}/credentials", none.clone()),
        row("an external stream has no key to rotate", External, "POST /events/{id}/rotate-key", none.clone()),
        row("an external stream needs no preview token", External, "POST /events/{id}/preview-tokens", json!({})),
        row(
            "an external stream needs no playback token",
            External,
            "POST /events/{id}/playback-tokens",
            json!({ "viewer": "v", "expires_in_s": 60 }),
        ),
        row("only external streams are checked", Draft, "POST /events/{id}/check", none.clone()),
        row("an external stream has a URL of the web", Nothing, "POST /events", url("rtmp://cdn.example/live")),
        row("the URL of an external stream is not endless", Nothing, "POST /events", url(&endless)),
        row(
            "a source cannot be changed to something without a URL",
            Draft,
            "PATCH /events/{id}",
            json!({ "source": { "kind": "hls", "url": "" } }),
        ),
        row(
            "there are two declared inputs",
            Nothing,
            "POST /events",
            json!({ "title": "A talk", "source": { "kind": "rtmp", "input": "480p" } }),
        ),
        row(
            "an external stream declares no input",
            Nothing,
            "POST /events",
            json!({ "title": "A talk", "source": { "kind": "hls", "url": "https://cdn.example/", "input": "720p" } }),
        ),
        row(
            "there are three kinds of sources",
            Nothing,
            "POST /events",
            json!({ "title": "A talk", "source": { "kind": "whip" } }),
        ),
        row("source and input are fixed by the start", Ready, "PATCH /events/{id}", json!({ "source": srt() })),
        row("loopback cannot be looked at", Nothing, "POST /checks", json!({ "url": "http://127.0.0.1/live.m3u8" })),
        row(
            "loopback in its other dress neither",
            Nothing,
            "POST /checks",
            json!({ "url": "http://[::ffff:127.0.0.1]/" }),
        ),
        row(
            "private addresses cannot be looked at",
            Nothing,
            "POST /checks",
            json!({ "url": "https://192.168.1.1/live.m3u8" }),
        ),
        row("link-local addresses cannot be looked at", Nothing, "POST /checks", json!({ "url": "http://[fe80::1]/" })),
        row(
            "metadata cannot be looked at",
            Nothing,
            "POST /checks",
            json!({ "url": "http://169.254.169.254/latest/meta-data" }),
        ),
        row("files cannot be looked at", Nothing, "POST /checks", json!({ "url": "file:///etc/passwd" })),
        row(
            "passwords do not belong into URLs",
            Nothing,
            "POST /checks",
            json!({ "url": "https://me:secret@cdn.example/" }),
        ),
        row("what is no URL cannot be looked at", Nothing, "POST /checks", json!({ "url": "live.m3u8" })),
    ]
}

/// Up to the start: titles, plans, gates, and what is demanded of the account.
fn gates() -> Vec<Row> {
    use Given::{
        Activated, DeafToRtmp, DeafToSrt, Draft, EncodingInTheRed, NoEgressLeft, NoEncodingLeft, NoLiveIngest, Nothing,
        NothingAtAll, Placed, Scheduled, ScheduledFar,
    };
    let (plan, start, none) = ("PUT /events/{id}/schedule", "POST /events/{id}/start", Value::Null);
    vec![
        row("a title is not empty", Nothing, "POST /events", titled("  ")),
        row("a title is not endless", Nothing, "POST /events", titled(&"x".repeat(201))),
        row("a title is one line", Draft, "PATCH /events/{id}", json!({ "title": "two\nlines" })),
        row(
            "an event belongs to an account",
            Nothing,
            "POST /events",
            json!({ "title": "A talk", "source": rtmp(), "account": NOBODY }),
        ),
        row("nobody plans for yesterday", Draft, plan, schedule("2027-01-15T08:00:00Z", 3600)),
        row("nobody plans for the next decade", Draft, plan, schedule("2037-01-15T08:00:00Z", 3600)),
        row("a plan is a minute at least", Draft, plan, schedule(SOON, 59)),
        row("a plan is three hours at most", Draft, plan, schedule(SOON, 3 * 3600 + 1)),
        row("a planned start has a zone", Draft, plan, schedule("2027-01-15T09:00:00", 3600)),
        row("a planned start is a time", Draft, plan, schedule("tomorrow", 3600)),
        row("an offer is free or paid", Draft, "PUT /events/{id}/offer", json!({ "offer": "gratis" })),
        row("a start needs activation and an offer", Draft, start, none.clone()),
        row("a start needs an offer", Activated, start, none.clone()),
        row("a start needs live ingest in the plan", NoLiveIngest, start, none.clone()),
        row("a start needs minutes of encoding", NoEncodingLeft, start, none.clone()),
        row("a start in the red is refused", EncodingInTheRed, start, none.clone()),
        row("a start needs egress", NoEgressLeft, start, none.clone()),
        row("all that is missing is said at once", NothingAtAll, start, none.clone()),
        row("a start too long before the plan is refused", ScheduledFar, start, none.clone()),
        row("a start needs a listener for RTMP", DeafToRtmp, start, none.clone()),
        row("a start needs a listener for SRT", DeafToSrt, start, none.clone()),
        row("a draft has no credentials yet", Draft, "GET /events/{id}/credentials", none.clone()),
        row("a planned event has no credentials yet", Scheduled, "GET /events/{id}/credentials", none.clone()),
        row("nothing goes on air before its start", Placed, "POST /events/{id}/air", none.clone()),
        row("there is no health before the start", Scheduled, "GET /events/{id}/health", none),
    ]
}

/// From the start on.
fn running() -> Vec<Row> {
    use Given::{Ended, Live, LiveExternal, Lost, Preview, Ready};
    let none = Value::Null;
    let mut rows = vec![
        row("an event starts once", Ready, "POST /events/{id}/start", none.clone()),
        row("an event on air does not start again", Live, "POST /events/{id}/start", none.clone()),
        row("nothing goes on air without a picture", Ready, "POST /events/{id}/air", none.clone()),
        row("nothing goes on air while its encoder is away", Lost, "POST /events/{id}/air", none.clone()),
        row("an event goes on air once", Live, "POST /events/{id}/air", none.clone()),
        row("an external stream is on air from its start", LiveExternal, "POST /events/{id}/air", none.clone()),
        row("the end is fixed by the start", Preview, "PUT /events/{id}/schedule", schedule(SOON, 3600)),
        row("the end of what is on air is fixed", Live, "PUT /events/{id}/schedule", schedule(SOON, 3600)),
        row("the offer is fixed by the start", Ready, "PUT /events/{id}/offer", json!({ "offer": "paid" })),
        row("the source of what is on air is fixed", Live, "PATCH /events/{id}", json!({ "source": hls() })),
        row("what is over has no credentials", Ended, "GET /events/{id}/credentials", none.clone()),
        row("what is over has no health", Ended, "GET /events/{id}/health", none.clone()),
        row("what is over is not watched in private", Ended, "POST /events/{id}/preview-tokens", json!({})),
        row(
            "what is over is not sold",
            Ended,
            "POST /events/{id}/playback-tokens",
            json!({ "viewer": "v", "expires_in_s": 60 }),
        ),
        row("what is over is not changed", Ended, "PATCH /events/{id}", json!({ "title": "Another" })),
        row("what is over is not planned", Ended, "PUT /events/{id}/schedule", schedule(SOON, 3600)),
        row("what is over is in no other offer", Ended, "PUT /events/{id}/offer", json!({ "offer": "paid" })),
    ];
    rows.extend([
        row("an end is final: no activation", Ended, "POST /events/{id}/activate", none.clone()),
        row("an end is final: no start", Ended, "POST /events/{id}/start", none.clone()),
        row("an end is final: not on air", Ended, "POST /events/{id}/air", none.clone()),
        row("an end is final: no second end", Ended, "POST /events/{id}/stop", none.clone()),
        row("an end is final: no new key", Ended, "POST /events/{id}/rotate-key", none),
    ]);
    rows
}

/// What is no rule of events.
fn others() -> Vec<Row> {
    use Given::{Draft, ManyWebhooks, Nothing, Placed};
    let none = Value::Null;
    let versioned = |if_match, row| Row { if_match: Some(if_match), ..row };
    let preview = |seconds: i64| json!({ "expires_in_s": seconds });
    let viewer = |viewer: &str| json!({ "viewer": viewer, "expires_in_s": 60 });
    vec![
        versioned("\"99\"", row("an old version is not changed", Placed, "POST /events/{id}/start", none.clone())),
        versioned("seven", row("a version is a number", Placed, "POST /events/{id}/start", none.clone())),
        row("an unknown event is not found", Nothing, "GET /events/0198c0de-0000-7000-8000-000000000000", none.clone()),
        row(
            "an unknown event is not started",
            Nothing,
            "POST /events/0198c0de-0000-7000-8000-000000000000/start",
            none.clone(),
        ),
        row("what is no id names nothing", Nothing, "GET /events/seven", none.clone()),
        row("a preview token is good for a second at least", Draft, "POST /events/{id}/preview-tokens", preview(0)),
        row("a preview token is good for a day at most", Draft, "POST /events/{id}/preview-tokens", preview(86_401)),
        row("a viewer has an id", Draft, "POST /events/{id}/playback-tokens", viewer("")),
        row("a viewer's id is not endless", Draft, "POST /events/{id}/playback-tokens", viewer(&"v".repeat(129))),
        row("a token has a name", Nothing, "POST /tokens", json!({ "name": " ", "role": "viewer" })),
        row("a token has a role that there is", Nothing, "POST /tokens", json!({ "name": "a", "role": "root" })),
        row(
            "an unknown token is not revoked",
            Nothing,
            "DELETE /tokens/0198c0de-0000-7000-8000-000000000000",
            none.clone(),
        ),
        row("a password is long", Nothing, "PUT /password", json!({ "password": "123456789" })),
        row("a password is not endless", Nothing, "PUT /password", json!({ "password": "x".repeat(1025) })),
        row(
            "an account has a name",
            Nothing,
            "PUT /accounts/0198c0de-0000-7000-8000-000000000000",
            json!({ "name": "", "live_ingest": true }),
        ),
        row("a webhook has a URL of the web", Nothing, "POST /webhooks", json!({ "url": "ftp://platform.example/" })),
        row(
            "an unknown webhook is not switched",
            Nothing,
            "PATCH /webhooks/0198c0de-0000-7000-8000-000000000000",
            json!({ "active": true }),
        ),
        row(
            "an unknown webhook is not removed",
            Nothing,
            "DELETE /webhooks/0198c0de-0000-7000-8000-000000000000",
            none.clone(),
        ),
        row(
            "an unknown webhook has no deliveries",
            Nothing,
            "GET /webhooks/0198c0de-0000-7000-8000-000000000000/deliveries",
            none,
        ),
        row(
            "there are twenty webhooks at most",
            ManyWebhooks,
            "POST /webhooks",
            json!({ "url": "https://platform.example/" }),
        ),
    ]
}
