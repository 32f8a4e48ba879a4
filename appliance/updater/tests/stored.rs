//! Owns: what lies on the disk has a purpose: the file that explains it names the members that are written, no more and no less.
//! Never: a member without a purpose.
//! Called by: cargo test.

use parloir_updater::store::{Before, Failed, FailedList, Floor, Queue, Report};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// Members of an object and of the objects in it, by their path; a list stands for what is in it.
fn members(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                members(inner, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, found);
            }
        }
        Value::Array(list) if list.first().is_some_and(Value::is_object) => members(&list[0], path, found),
        _ => drop(found.insert(path.to_owned())),
    }
}

fn written(value: &impl Serialize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    members(&serde_json::to_value(value).unwrap(), "", &mut found);
    found
}

#[test]
fn every_member_has_a_purpose_and_a_retention() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/stored-data.toml");
    let file: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let queue = Queue { entries: vec![Report::default()], ..Queue::default() };
    let failed = FailedList { failed: vec![Failed::default()], ..FailedList::default() };
    for (store, wanted) in [
        ("before.json", written(&Before::default())),
        ("queue.json", written(&queue)),
        ("floor", written(&Floor::default())),
        ("failed.json", written(&failed)),
    ] {
        let mut explained = BTreeSet::new();
        for field in file["field"].as_array().unwrap().iter().filter(|f| f["store"].as_str() == Some(&format!("updater/{store}")))
        {
            assert!(
                ["purpose", "retention"].iter().all(|key| field[*key].as_str().is_some_and(|text| text.len() > 2)),
                "{field}"
            );
            assert!(explained.insert(field["name"].as_str().unwrap().to_owned()), "twice: {field}");
        }
        assert_eq!(explained, wanted, "{store}");
    }
}
