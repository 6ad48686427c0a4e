//! Commands about events.

use std::io::{self, Write};

use hyper::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Out;
use super::args::{EventCommand, OfferKind, SourceKind};
use super::http::{ApiClient, ClientError};
use super::table::{fields, table, text};

/// Carries out a command and shows what came of it.
pub async fn event(api: &ApiClient, json: bool, command: EventCommand, out: Out<'_>) -> Result<(), ClientError> {
    match command {
        EventCommand::Create { title, source, input, url, offer } => {
            let event = create(api, &title, source, &input, url, offer).await?;
            show(out, json, &event, event_fields)
        }
        EventCommand::List { state, limit } => {
            let state = state.map(|state| format!("&state={state}")).unwrap_or_default();
            let page = api.get(&format!("/events?limit={limit}{state}")).await?;
            show(out, json, &page, events)
        }
        EventCommand::Show { id } => show_event(api, json, id, out).await,
        EventCommand::Schedule { id, at, lasts } => {
            let body = json!({ "starts_at": at, "duration_s": seconds(&lasts)? });
            let event = api.send(Method::PUT, &format!("/events/{id}/schedule"), Some(body)).await?;
            show(out, json, &event, event_fields)
        }
        EventCommand::Activate { id } => command_event(api, json, id, "activate", out).await,
        EventCommand::Offer { id, offer } => {
            let event = place(api, &id.to_string(), offer).await?;
            show(out, json, &event, event_fields)
        }
        EventCommand::Start { id } => start(api, json, id, out).await,
        EventCommand::Credentials { id } => {
            let answer = api.get(&format!("/events/{id}/credentials")).await?;
            show(out, json, &answer, credentials)
        }
        EventCommand::Preview { id } => {
            let answer = api.send(Method::POST, &format!("/events/{id}/preview-tokens"), Some(json!({}))).await?;
            show(out, json, &answer, preview)
        }
        EventCommand::Air { id } => command_event(api, json, id, "air", out).await,
        EventCommand::Stop { id } => command_event(api, json, id, "stop", out).await,
        EventCommand::Check { what } => {
            let report = match what.parse::<Uuid>() {
                Ok(id) => api.send(Method::POST, &format!("/events/{id}/check"), None).await?,
                Err(_) => api.send(Method::POST, "/checks", Some(json!({ "url": what }))).await?,
            };
            show(out, json, &report, check)
        }
        EventCommand::Watch { id } => watch(api, json, id, out).await,
    }
}

/// Puts a new stream key in the place of an event's old one.
pub async fn rotate_key(api: &ApiClient, json: bool, id: Uuid, out: Out<'_>) -> Result<(), ClientError> {
    let answer = api.send(Method::POST, &format!("/events/{id}/rotate-key"), None).await?;
    show(out, json, &answer, credentials)
}

async fn create(
    api: &ApiClient,
    title: &str,
    source: SourceKind,
    input: &str,
    url: Option<String>,
    offer: Option<OfferKind>,
) -> Result<Value, ClientError> {
    let source = match source {
        SourceKind::Rtmp => json!({ "kind": "rtmp", "input": input }),
        SourceKind::Srt => json!({ "kind": "srt", "input": input }),
        SourceKind::Hls => json!({ "kind": "hls", "url": url }),
    };
    let event = api.send(Method::POST, "/events", Some(json!({ "title": title, "source": source }))).await?;
    let Some(offer) = offer else { return Ok(event) };
    let id = text(&event, "id");
    api.send(Method::POST, &format!("/events/{id}/activate"), None).await?;
    place(api, id, offer).await
}

async fn place(api: &ApiClient, id: &str, offer: OfferKind) -> Result<Value, ClientError> {
    api.send(Method::PUT, &format!("/events/{id}/offer"), Some(json!({ "offer": offer.name() }))).await
}

async fn command_event(api: &ApiClient, json: bool, id: Uuid, command: &str, out: Out<'_>) -> Result<(), ClientError> {
    let event = api.send(Method::POST, &format!("/events/{id}/{command}"), None).await?;
    show(out, json, &event, event_fields)
}

async fn start(api: &ApiClient, json: bool, id: Uuid, out: Out<'_>) -> Result<(), ClientError> {
    let event = api.send(Method::POST, &format!("/events/{id}/start"), None).await?;
    show(out, json, &event, event_fields)?;
    if json || event["source"]["kind"] == "hls" {
        return Ok(());
    }
    let answer = api.get(&format!("/events/{id}/credentials")).await?;
    writeln!(out)?;
    Ok(credentials(out, &answer)?)
}

async fn show_event(api: &ApiClient, json: bool, id: Uuid, out: Out<'_>) -> Result<(), ClientError> {
    let event = api.get(&format!("/events/{id}")).await?;
    show(out, json, &event, event_fields)?;
    let is_running = matches!(text(&event, "state"), "ready" | "preview" | "live");
    if json || !is_running || event["source"]["kind"] == "hls" {
        return Ok(());
    }
    let answer = api.get(&format!("/events/{id}/health")).await?;
    writeln!(out)?;
    Ok(health(out, &answer)?)
}

async fn watch(api: &ApiClient, json: bool, id: Option<Uuid>, out: Out<'_>) -> Result<(), ClientError> {
    let path = id.map_or("/stream".to_owned(), |id| format!("/events/{id}/stream"));
    let mut kind = String::new();
    // A stream ends now and then, so that the server can ask again who listens.
    loop {
        api.stream(&path, |line| {
            if let Some(name) = line.strip_prefix("event:") {
                name.trim().clone_into(&mut kind);
            }
            let Some(data) = line.strip_prefix("data:") else { return Ok(()) };
            let event: Value = serde_json::from_str(data.trim()).unwrap_or(Value::Null);
            if json {
                writeln!(out, "{}", json!({ "type": kind, "event": event }))?;
            } else {
                let why = event["end_reason"].as_str().map(|why| format!(" ({why})")).unwrap_or_default();
                let (id, state, title) = (text(&event, "id"), text(&event, "state"), text(&event, "title"));
                writeln!(out, "{kind:24} {id}  {state}{why}  {title}")?;
            }
            Ok(out.flush()?)
        })
        .await?;
    }
}

fn show(
    out: Out<'_>,
    json: bool,
    answer: &Value,
    human: fn(&mut dyn Write, &Value) -> io::Result<()>,
) -> Result<(), ClientError> {
    if json {
        writeln!(out, "{answer}")?;
    } else {
        human(out, answer)?;
    }
    Ok(())
}

fn event_fields(out: &mut dyn Write, event: &Value) -> io::Result<()> {
    let names = [
        ("event", "id"),
        ("title", "title"),
        ("state", "state"),
        ("starts", "starts_at"),
        ("lasts (s)", "duration_s"),
        ("activated", "activated"),
        ("offer", "offer"),
        ("not started for want of", "start_refused"),
        ("started", "started_at"),
        ("ends", "ends_at"),
        ("on air since", "aired_at"),
        ("ended", "ended_at"),
        ("because", "end_reason"),
        ("", "end_detail"),
        ("playlist", "playback_url"),
        ("page", "watch_url"),
    ];
    fields(out, &names.map(|(name, field)| (name, &event[field])))
}

fn events(out: &mut dyn Write, page: &Value) -> io::Result<()> {
    let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |event: &Value| {
        let when = ["aired_at", "started_at", "starts_at", "created_at"].iter().find_map(|at| event[*at].as_str());
        let cells = [text(event, "id"), text(event, "state"), when.unwrap_or("-"), text(event, "title")];
        cells.map(str::to_owned).to_vec()
    };
    table(out, &["ID", "STATE", "TIME", "TITLE"], &items.iter().map(row).collect::<Vec<_>>())
}

fn credentials(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let names = [
        ("server", "rtmp_url"),
        ("or, with TLS", "rtmps_url"),
        ("server", "srt_url"),
        ("stream key", "stream_key"),
        ("passphrase", "srt_passphrase"),
    ];
    fields(out, &names.map(|(name, field)| (name, &answer[field])))
}

fn preview(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let names = [("page", "watch_url"), ("playlist", "playback_url"), ("until", "expires_at")];
    fields(out, &names.map(|(name, field)| (name, &answer[field])))
}

fn health(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let (encoder, input) = (&answer["encoder"], &answer["input"]);
    if encoder.is_null() {
        writeln!(out, "no encoder is connected")?;
    }
    let shown = [
        ("encoder", &encoder["address"]),
        ("over", &encoder["protocol"]),
        ("calls itself", &encoder["name"]),
        ("width", &input["width"]),
        ("height", &input["height"]),
        ("frames a second", &input["frame_rate"]),
        ("sound", &input["audio"]),
        ("renditions", &input["renditions"]),
    ];
    fields(out, &shown)?;
    let findings = answer["findings"].as_array().map_or(&[][..], Vec::as_slice);
    findings.iter().try_for_each(|finding| writeln!(out, "! {}", text(finding, "sentence")))
}

fn check(out: &mut dyn Write, report: &Value) -> io::Result<()> {
    let shown = [
        ("playable", &report["playable"]),
        ("playlist", &report["kind"]),
        ("timing", &report["timing"]),
        ("container", &report["container"]),
        ("low latency", &report["low_latency"]),
        ("encrypted", &report["encrypted"]),
    ];
    fields(out, &shown)?;
    let findings = report["findings"].as_array().map_or(&[][..], Vec::as_slice);
    findings.iter().try_for_each(|finding| writeln!(out, "! {}", text(finding, "sentence")))
}

fn seconds(text: &str) -> Result<i64, ClientError> {
    let duration: Result<SignedDuration, _> = text.parse();
    let seconds = duration.map(|duration| duration.as_secs()).ok().filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| ClientError::Invalid(format!("\"{text}\" is no length of time: 90m, 1h30m")))
}
