//! What the API says of itself: complete, consistent, and held.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{World, description, operations};

#[tokio::test]
async fn every_operation_is_described_and_held() {
    let world = World::new().await;
    let (mut golden, mut ids) = (String::new(), BTreeSet::new());
    for operation in operations(&world).await {
        let text = |field: &str| operation.description[field].as_str().unwrap_or_default().to_owned();
        let tags = operation.description["tags"].as_array().unwrap();
        let [tag] = &tags[..] else { panic!("{} has {} tags", operation.name(), tags.len()) };
        let (id, summary) = (text("operationId"), text("summary"));
        assert!(!id.is_empty() && !summary.is_empty(), "{}: {id:?} {summary:?}", operation.name());
        assert!(ids.insert(id.clone()), "two operations have the id {id}");
        let responses = operation.description["responses"].as_object().unwrap();
        let statuses: Vec<&str> = responses.keys().map(String::as_str).collect();
        for (status, response) in responses {
            let kind = if status.starts_with('2') { None } else { Some("application/problem+json") };
            let content = response["content"].as_object();
            let found = content.and_then(|content| content.keys().next()).map(String::as_str);
            assert!(kind.is_none() || found == kind, "{} {status}: {found:?}", operation.name());
            assert!(!response["description"].as_str().unwrap().is_empty(), "{} {status}", operation.name());
        }
        // Writing to a String cannot fail.
        let _ = writeln!(golden, "{} ({id}, {}): {summary}", operation.name(), tag.as_str().unwrap());
        let _ = writeln!(golden, "  {}", statuses.join(" "));
    }
    assert_snapshot!(golden);
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let world = World::new().await;
    let description = description(&world).await;
    let mut references = BTreeSet::new();
    collect(&description, &mut references);
    for reference in &references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(reference) if name == "$ref" => drop(references.insert(reference.clone())),
                    field => collect(field, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_names_the_ways_in() {
    let world = World::new().await;
    let description = description(&world).await;
    assert_eq!(description["info"]["title"], "weir");
    let schemes = &description["components"]["securitySchemes"];
    assert_eq!((&schemes["token"]["type"], &schemes["token"]["scheme"]), (&"http".into(), &"bearer".into()));
    assert_eq!((&schemes["session"]["in"], &schemes["session"]["name"]), (&"cookie".into(), &"weir_session".into()));
}
