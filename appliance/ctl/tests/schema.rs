//! Owns: that docs/schema is what the code says, and that each example keeps its schema, parses, and verifies once it is signed.
//! Never: a second source of the schemas. `UPDATE=1 cargo test -p parloir-ctl --test schema` writes them anew.
//! Called by: cargo test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use parloir_issuer::example::{DEVICE, Example, NOW, SITE};
use parloir_issuer::{authority, sign};
use parloir_pass::{
    Ask, Authority, Beat, Deny, Document, Entitlement, Grant, Parcel, Receipt, Ring, SitePolicy, Statement, Time, Typ,
};
use parloir_seal::{Clock, Keyring, PublicKey, jws, random};
use serde_json::{Map, Value};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut out: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.path().is_file())
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    out.sort();
    out
}

#[test]
fn the_tree_holds_what_the_code_says() {
    let fresh = if std::env::var_os("UPDATE").is_some() {
        docs()
    } else {
        std::env::temp_dir().join(format!("parloir-schema-{}", random::id().unwrap()))
    };
    let done = Command::new(env!("CARGO_BIN_EXE_parloirctl")).arg("schema").arg("--out").arg(&fresh).status().unwrap();
    assert!(done.success());
    for sub in ["", "examples"] {
        let (ours, theirs) = (docs().join(sub), fresh.join(sub));
        assert_eq!(names(&ours), names(&theirs), "UPDATE=1 writes them anew");
        for name in names(&ours) {
            let same = fs::read(ours.join(&name)).unwrap() == fs::read(theirs.join(&name)).unwrap();
            assert!(same, "docs/schema/{sub}/{name} is not what the code says; UPDATE=1 writes it anew");
        }
    }
    if fresh != docs() {
        fs::remove_dir_all(&fresh).unwrap();
    }
}

#[test]
fn every_kind_is_published() {
    let published = names(&docs());
    for typ in Typ::ALL {
        assert!(published.contains(&format!("{typ}.json")), "{typ}");
    }
    assert_eq!(published, names(&docs().join("examples")));
}

#[test]
fn each_example_keeps_its_schema_and_a_changed_one_does_not() {
    for name in names(&docs()) {
        let (schema, example) = (read(&docs().join(&name)), read(&docs().join("examples").join(&name)));
        valid(&schema, &schema, &example).unwrap_or_else(|e| panic!("{name}: {e}"));
        let members = example.as_object().unwrap();
        for member in members.keys() {
            let mut less = members.clone();
            less.remove(member);
            assert!(valid(&schema, &schema, &Value::Object(less)).is_err(), "{name} without {member}");
        }
        let mut more = members.clone();
        more.insert("more".into(), Value::Bool(true));
        assert!(valid(&schema, &schema, &Value::Object(more)).is_err(), "{name} with a member more");
        if members.contains_key("v") {
            let mut newer = members.clone();
            newer.insert("v".into(), Value::from(2));
            assert!(valid(&schema, &schema, &Value::Object(newer)).is_err(), "{name} of version 2");
        }
    }
}

#[test]
fn each_example_verifies_once_it_is_signed() {
    let site = Example::default();
    let ring = Keyring::open(site.authority_json().unwrap().as_bytes(), &site.roots().unwrap(), &SITE, 0).unwrap();
    let clock = Clock::Unix(NOW);
    fn example<D: Document>() -> D {
        jws::payload(&fs::read(docs().join(format!("examples/{}.json", D::TYP))).unwrap()).unwrap()
    }
    let compact = sign(&example::<SitePolicy>(), &site.policy).unwrap();
    assert_eq!(ring.policy(compact.as_bytes(), clock, 0).unwrap(), site.policy());
    let compact = sign(&example::<Entitlement>(), &site.entitlement).unwrap();
    assert_eq!(ring.entitlement(compact.as_bytes(), &DEVICE, clock, 0).unwrap(), site.person());
    let grant = ring.grant(sign(&example::<Grant>(), &site.grant).unwrap().as_bytes(), &DEVICE, clock).unwrap();
    parloir_seal::ticket::check(&grant, &example::<Ask>()).unwrap();
    let (entitlement, policy) = (site.person(), site.policy());
    let bounds = parloir_pass::rules::Bounds {
        ask: &example::<Ask>(),
        entitlement: &entitlement,
        policy: &policy,
        authority: ring.authority(),
        bench_direct: false,
    };
    parloir_pass::rules::grant_within(&grant, &bounds).unwrap();
    ring.ring(sign(&example::<Ring>(), &site.grant).unwrap().as_bytes(), &DEVICE, clock).unwrap();
    ring.beat(sign(&example::<Beat>(), &site.grant).unwrap().as_bytes(), &grant, clock).unwrap();
    ring.deny(sign(&example::<Deny>(), &site.deny).unwrap().as_bytes(), clock).unwrap();
    ring.time(sign(&example::<Time>(), &site.grant).unwrap().as_bytes(), &DEVICE, &site.time().nonce).unwrap();
    let roots = [&site.roots[1], &site.roots[2]];
    let json = authority(&example::<Authority>(), &roots).unwrap();
    site.roots().unwrap().verify(json.as_bytes()).unwrap();

    let parcel: Parcel = serde_json::from_value(read(&docs().join("examples/parcel.json"))).unwrap();
    let box_key = PublicKey::new(&site.box_key().public()).unwrap();
    let receipt: Receipt = jws::verify(parcel.receipt.as_bytes(), &box_key).unwrap();
    assert_eq!(receipt, example::<Receipt>());
    let party = &grant.parties[0];
    let statement = jws::statement(parcel.visitor.unwrap().as_bytes(), &party.statement_key, &grant.call).unwrap();
    assert_eq!(statement, example::<Statement>());
    parloir_pass::rules::receipt_holds(&receipt, &[statement]).unwrap();
}

/// As much of JSON Schema 2020-12 as our schemas use; a keyword that it does not know fails the test.
fn valid(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = match schema {
        Value::Bool(true) => return Ok(()),
        other => other.as_object().ok_or("a schema is an object")?,
    };
    for (keyword, rule) in schema {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "required" | "format" => continue,
            "pattern" => matches(rule.as_str().unwrap_or_default(), value.as_str().ok_or("no text")?)?,
            "$ref" => {
                let pointer = rule.as_str().and_then(|r| r.strip_prefix('#')).ok_or("a reference outside")?;
                valid(root, root.pointer(pointer).ok_or("a dead reference")?, value)?;
                true
            }
            "type" => rule.as_array().map_or_else(|| is(rule, value), |any| any.iter().any(|one| is(one, value))),
            "const" => rule == value,
            "enum" => rule.as_array().is_some_and(|list| list.contains(value)),
            "minimum" => value.as_i64().is_none_or(|v| v >= rule.as_i64().unwrap_or(i64::MAX)),
            "maximum" => value.as_i64().is_none_or(|v| v <= rule.as_i64().unwrap_or(i64::MIN)),
            "minItems" => value.as_array().is_none_or(|a| a.len() as u64 >= rule.as_u64().unwrap_or(u64::MAX)),
            "maxItems" => value.as_array().is_none_or(|a| a.len() as u64 <= rule.as_u64().unwrap_or(0)),
            "maxLength" => value.as_str().is_none_or(|s| s.chars().count() as u64 <= rule.as_u64().unwrap_or(0)),
            "items" => value.as_array().into_iter().flatten().try_for_each(|one| valid(root, rule, one)).map(|()| true)?,
            "oneOf" => rule.as_array().is_some_and(|list| list.iter().filter(|one| valid(root, one, value).is_ok()).count() == 1),
            "anyOf" => rule.as_array().is_some_and(|list| list.iter().any(|one| valid(root, one, value).is_ok())),
            "properties" => properties(root, schema, value)?,
            "additionalProperties" => rule == &Value::Bool(false),
            unknown => return Err(format!("keyword {unknown} is unknown to this test")),
        };
        if !holds {
            return Err(format!("{keyword} {rule} against {value}"));
        }
    }
    Ok(())
}

fn properties(root: &Value, schema: &Map<String, Value>, value: &Value) -> Result<bool, String> {
    let Some(members) = value.as_object() else { return Ok(false) };
    let known = schema["properties"].as_object().ok_or("no properties")?;
    let all = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in all {
        members.get(name).ok_or_else(|| format!("{name} is missing"))?;
    }
    for (name, one) in members {
        valid(root, known.get(name).ok_or_else(|| format!("{name} is unknown"))?, one).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(true)
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("integer") => value.is_i64() || value.is_u64(),
        _ => false,
    }
}

/// Patterns of the form `^[set]{n}[set]$`, which is all that ours use.
fn matches(pattern: &str, text: &str) -> Result<bool, String> {
    let mut rest = pattern.strip_prefix('^').and_then(|p| p.strip_suffix('$')).ok_or("a pattern without anchors")?;
    let mut chars = text.chars();
    while !rest.is_empty() {
        let (set, after) = rest.strip_prefix('[').and_then(|r| r.split_once(']')).ok_or("a pattern that is no set")?;
        let (count, after) = match after.strip_prefix('{').and_then(|r| r.split_once('}')) {
            Some((n, after)) => (n.parse::<usize>().map_err(|e| e.to_string())?, after),
            None => (1, after),
        };
        let ranges = set.as_bytes();
        let within = |c: char| {
            let ranged = ranges.windows(3).any(|w| w[1] == b'-' && (w[0]..=w[2]).contains(&(c as u8)));
            ranged || set.contains(c)
        };
        if !(0..count).all(|_| chars.next().is_some_and(within)) {
            return Ok(false);
        }
        rest = after;
    }
    Ok(chars.next().is_none())
}
