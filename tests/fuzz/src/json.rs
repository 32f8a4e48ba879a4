//! Owns: bending a JSON document that was good: the fuzzer's bytes choose where and how.
//! Never: keeps it good, or makes it bad for certain.
//! Called by: the targets of documents and of the desk.

use crate::bytes::Bytes;
use serde_json::{Map, Value, json};

/// Most changes of one document.
const CHANGES: usize = 6;
/// A text that is longer than this is not repeated: what is too long is refused by its length alone.
const LONG: usize = 2000;

/// Bends it and writes it; the last change may be in the text itself.
#[must_use]
pub fn bent(mut value: Value, bytes: &mut Bytes<'_>) -> Vec<u8> {
    for _ in 0..usize::from(bytes.u8()) % (CHANGES + 1) {
        change(&mut value, bytes);
    }
    let mut text = serde_json::to_vec(&value).expect("a value can be written");
    if bytes.u8() & 1 == 1 {
        let at = usize::from(bytes.u16()) % (text.len() + 1);
        let with = bytes.some(64);
        let until = (at + usize::from(bytes.u8()) % 8).min(text.len());
        text.splice(at..until, with.iter().copied());
    }
    text
}

fn change(value: &mut Value, bytes: &mut Bytes<'_>) {
    let deeper = bytes.u8();
    match value {
        Value::Object(members) if deeper & 3 != 0 && !members.is_empty() => {
            let at = usize::from(bytes.u8()) % members.len();
            match bytes.u8() % 8 {
                0 => {
                    let name = members.keys().nth(at).cloned().unwrap_or_default();
                    members.remove(&name);
                }
                1 => {
                    members.insert(bytes.text(24), interesting(bytes));
                }
                _ => {
                    if let Some(inner) = members.values_mut().nth(at) {
                        change(inner, bytes);
                    }
                }
            }
        }
        Value::Array(items) if deeper & 3 != 0 && !items.is_empty() => {
            let at = usize::from(bytes.u8()) % items.len();
            match bytes.u8() % 8 {
                0 => drop(items.remove(at)),
                1 => items.insert(at, interesting(bytes)),
                2 if items.len() < 100 => {
                    let copies = usize::from(bytes.u8()) % 70;
                    let copy = items[at].clone();
                    items.extend(std::iter::repeat_n(copy, copies));
                }
                _ => change(&mut items[at], bytes),
            }
        }
        Value::String(text) if deeper & 3 != 0 => bend_text(text, bytes),
        other => *other = interesting(bytes),
    }
}

fn bend_text(text: &mut String, bytes: &mut Bytes<'_>) {
    let mut at = usize::from(bytes.u8()) % (text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    match bytes.u8() % 6 {
        0 => text.truncate(at),
        1 => text.insert_str(at, &bytes.text(40)),
        2 => text.insert(at, char::from_u32(bytes.u32() % 0x11_0000).unwrap_or('\u{202e}')),
        3 if text.len() < LONG => *text = text.repeat(1 + usize::from(bytes.u8()) % 40),
        4 => *text = bytes.text(300),
        _ => {
            if let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
                let other = char::from(bytes.u8() & 0x7f);
                text.replace_range(at..at + c.len_utf8(), other.encode_utf8(&mut [0; 4]));
            }
        }
    }
}

fn interesting(bytes: &mut Bytes<'_>) -> Value {
    match bytes.u8() % 16 {
        0 => Value::Null,
        1 => true.into(),
        2 => false.into(),
        3 => 0.into(),
        4 => (-1).into(),
        5 => u64::MAX.into(),
        6 => i64::MIN.into(),
        7 => u32::MAX.into(),
        8 => bytes.u64().into(),
        9 => bytes.u16().into(),
        10 => json!(1.5),
        11 => bytes.text(200).into(),
        12 => Value::Array(Vec::new()),
        13 => Value::Object(Map::new()),
        14 => "00".repeat(usize::from(bytes.u8()) % 40).into(),
        _ => (0..bytes.u8() % 12).fold(Value::Null, |inner, _| json!([inner])),
    }
}
