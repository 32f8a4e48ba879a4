//! Owns: that the running service is what appliance/bus/dbus says, and that systemd/cells.toml and the bus policy agree.
//! Never: prose.
//! Called by: cargo test.

use crate::house::{ARBITER, House, inside};
use std::collections::BTreeSet;
use zbus::fdo::IntrospectableProxy;

/// Interface, member, argument name, type and direction of our interfaces, one line each, from introspection XML.
fn lines(xml: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let (mut interface, mut member) = (String::new(), String::new());
    let mut position = 0;
    let mut rest = strip_comments(xml);
    while let Some(start) = rest.find('<') {
        let end = rest[start..].find('>').expect("a tag ends") + start;
        let tag = rest[start + 1..end].to_owned();
        rest = rest[end + 1..].to_owned();
        let name = attribute(&tag, "name").unwrap_or_default();
        match tag.split_whitespace().next().unwrap_or_default().trim_end_matches('/') {
            "interface" => interface = name,
            kind @ ("method" | "signal" | "property") => {
                (member, position) = (format!("{interface} {kind} {name}"), 0);
                if interface.starts_with("org.parloir.") {
                    out.insert(member.clone());
                }
            }
            "arg" => {
                let default = if member.contains(" signal ") { "out" } else { "in" };
                let direction = attribute(&tag, "direction").unwrap_or_else(|| default.to_owned());
                if interface.starts_with("org.parloir.") {
                    out.insert(format!("{member} #{position} {direction} {} {name}", attribute(&tag, "type").unwrap()));
                }
                position += 1;
            }
            _ => {}
        }
    }
    out
}

fn strip_comments(xml: &str) -> String {
    let mut out = String::new();
    let mut rest = xml;
    while let Some(start) = rest.find("<!--") {
        out += &rest[..start];
        rest = &rest[start..];
        rest = &rest[rest.find("-->").expect("a comment ends") + 3..];
    }
    out + rest
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    Some(tag[start..start + tag[start..].find('"')?].to_owned())
}

#[test]
fn the_live_introspection_equals_the_xml() {
    inside("contract::the_live_introspection_equals_the_xml", |mut house| async move {
        house.start_arbiter().await;
        let bus = house.connect(ARBITER).await;
        let proxy =
            IntrospectableProxy::builder(&bus).destination(parloir_bus::NAME).path(parloir_bus::PATH).build().await.unwrap();
        let live = lines(&proxy.introspect().await.unwrap());
        let mut written = BTreeSet::new();
        for file in std::fs::read_dir(House::tree().join("appliance/bus/dbus")).unwrap() {
            written.extend(lines(&std::fs::read_to_string(file.unwrap().path()).unwrap()));
        }
        assert!(written.len() > 30, "{written:#?}");
        let (missing, extra): (Vec<_>, Vec<_>) = (written.difference(&live).collect(), live.difference(&written).collect());
        assert!(missing.is_empty() && extra.is_empty(), "not served: {missing:#?}\nnot in the XML: {extra:#?}");
    });
}

#[test]
fn a_changed_type_or_name_would_be_seen() {
    let xml = std::fs::read_to_string(House::tree().join("appliance/bus/dbus/Calls1.xml")).unwrap();
    let other = xml.replacen("type=\"t\" name=\"serial\"", "type=\"u\" name=\"serial\"", 1);
    assert_ne!(lines(&xml), lines(&other));
    assert_ne!(lines(&xml), lines(&xml.replacen("<method name=\"End\"/>", "", 1)));
}

/// The interfaces that a user may call, by the policy file.
fn allowed(policy: &str, user: &str) -> BTreeSet<String> {
    let policy = strip_comments(policy);
    let start = policy.find(&format!("<policy user=\"{user}\">")).expect("a policy for the user");
    let section = &policy[start..start + policy[start..].find("</policy>").unwrap()];
    let tags = section.split('<').filter(|t| t.starts_with("allow") && t.contains("send_destination=\"org.parloir.Arbiter\""));
    tags.map(|t| attribute(t, "send_interface").expect("each allow names one interface")).collect()
}

#[test]
fn cells_toml_and_the_bus_policy_say_the_same() {
    let read = |path: &str| std::fs::read_to_string(House::tree().join(path)).unwrap();
    let policy = read("systemd/dbus/org.parloir.Arbiter.conf");
    let cells: toml::Table = read("systemd/cells.toml").parse().unwrap();
    let mut users = BTreeSet::new();
    for cell in cells["cell"].as_array().unwrap() {
        let list = |key: &str| -> BTreeSet<String> {
            cell["bus"][key].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
        };
        let user = cell["user"].as_str().unwrap();
        if !list("calls").is_empty() {
            assert_eq!(allowed(&policy, user), list("calls"), "{user}");
            users.insert(user.to_owned());
        }
        let owns = policy.contains(&format!("<policy user=\"{user}\">\n    <allow own=\"org.parloir.Arbiter\"/>"));
        assert_eq!(owns, list("owns").contains("org.parloir.Arbiter"), "{user}");
    }
    assert_eq!(users.len(), 3, "{users:?}");
    let named = policy.matches("<policy user=").count();
    assert_eq!(named, users.len() + 1, "a policy for a user that cells.toml does not know");
}
