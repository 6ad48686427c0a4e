//! What the API says of itself.

use serde_json::Value;

use super::World;

/// One operation of the served description.
pub struct Operation {
    pub method: String,
    /// With `{id}` where an id goes.
    pub template: String,
    pub description: Value,
}

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The served description.
pub async fn description(world: &World) -> Value {
    let answer = world.call("GET", "/openapi.json").anonymous().send().await;
    answer.good()
}

/// All operations, by path.
pub async fn operations(world: &World) -> Vec<Operation> {
    let description = description(world).await;
    let mut operations = Vec::new();
    for (template, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{template} has {method}, which is no method");
            let (method, template) = (method.to_uppercase(), template.clone());
            operations.push(Operation { method, template, description: operation.clone() });
        }
    }
    assert!(operations.len() > 30, "{} operations are described", operations.len());
    operations
}

impl Operation {
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    /// The path, of a thing that there is not.
    pub fn path(&self) -> String {
        let path = self.template.replace("{id}", "0198c0de-0000-7000-8000-000000000000");
        assert!(!path.contains('{'), "{path} has parameters that the tests do not know");
        path
    }

    /// Whether it is for those who have not come in yet.
    pub fn is_open(&self) -> bool {
        self.description["security"].as_array().is_some_and(|ways| ways.iter().all(|way| way == &serde_json::json!({})))
    }
}
