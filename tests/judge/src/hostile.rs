//! Owns: what a hostile caller would say: a call of the contract, and what is wrong with it.
//! Never: sends; knows what should come back.
//! Called by: the fuzzer.

use crate::contract::Method;
use crate::dice::Dice;
use crate::marshal::{CALL, ERROR, Message, NO_REPLY, RETURN, SIGNAL, Writer, alignment, types};
use std::collections::BTreeMap;

/// The arbiter's object.
pub const PATH: &str = "/org/parloir/arbiter";
/// The arbiter's name.
pub const NAME: &str = "org.parloir.Arbiter";
/// Types that stand where another is due.
const OTHERS: [&str; 16] = ["y", "b", "n", "u", "x", "t", "d", "s", "o", "g", "ay", "as", "a{sv}", "(st)", "v", "aa(s(tv))"];
/// Interfaces that every object has, or that a library might serve unasked.
const COMMON: [(&str, &str, &str); 5] = [
    ("org.freedesktop.DBus.Properties", "Get", "ss"),
    ("org.freedesktop.DBus.Properties", "Set", "ssv"),
    ("org.freedesktop.DBus.Introspectable", "Introspect", ""),
    ("org.freedesktop.DBus.Peer", "Ping", ""),
    ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ""),
];
/// Deepest nesting; the bus allows 32 of arrays and 32 of structures.
const DEPTH: u32 = 12;

/// Words, numbers and bodies that mean something here, beside those that mean nothing anywhere.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    /// Ids, kinds, media, versions, by the name of the argument that takes them.
    pub words: BTreeMap<String, Vec<String>>,
    /// Serials, the latest last.
    pub numbers: Vec<u64>,
    /// Documents, genuine ones among them.
    pub bodies: Vec<Vec<u8>>,
}

/// One thing to say.
#[derive(Clone, Debug)]
pub struct Case {
    /// The message.
    pub message: Message,
    /// Bytes to turn over, counted from its first: then it is no message any more.
    pub broken: Vec<usize>,
    /// It is a well-formed call of a method of the contract: whoever may call that interface may succeed.
    pub formed: bool,
}

/// The next thing to say, most often on the caller's own interfaces.
pub fn case(dice: &mut Dice, methods: &[Method], own: &[String], words: &Dictionary) -> Case {
    let mine: Vec<&Method> = methods.iter().filter(|method| own.contains(&method.interface)).collect();
    let method = if mine.is_empty() || dice.once_in(4) { dice.one(methods) } else { *dice.one(&mine) };
    let mut message = Message::call(NAME, PATH, &method.interface, &method.name);
    let mut signature = method.signature();
    let mut formed = true;
    // Half of all are well formed, so that deep places are reached; the others have one thing wrong.
    if dice.once_in(2) {
        formed = false;
        match dice.below(9) {
            0 => message.interface = None,
            1 => message.interface = Some(dice.one(methods).interface.clone()),
            2 => dice.word(&["/", "/org/parloir", "/org/parloir/arbiter/x", "/a"]).clone_into(&mut message.path),
            3 => dice.word(&["Changed", "Send", "Attached", "place", "X", "Hello"]).clone_into(&mut message.member),
            4 => {
                let (interface, member, takes) = *dice.one(&COMMON);
                (message.interface, message.member, signature) =
                    (Some(interface.to_owned()), member.to_owned(), takes.to_owned());
            }
            5 => message.kind = *dice.one(&[SIGNAL, RETURN, ERROR]),
            _ => signature = misshapen(dice, &signature),
        }
        formed |= message.kind == CALL
            && message.path == PATH
            && methods.iter().any(|m| {
                message.interface.as_ref() == Some(&m.interface) && message.member == m.name && m.signature() == signature
            });
    }
    if message.kind == RETURN || message.kind == ERROR {
        message.answers = Some(dice.below(9) as u32);
        (message.path, message.member, message.interface) = (String::new(), String::new(), None);
    }
    if message.kind == CALL {
        message.flags = if dice.once_in(8) { NO_REPLY } else { dice.below(4) as u8 * 2 };
    }
    let mut body = Writer::default();
    for (at, kind) in types(&signature).into_iter().enumerate() {
        let argument = method.takes.get(at).map_or("", |(name, _)| name);
        value(&mut body, kind, argument, dice, words, DEPTH);
    }
    (message.body, message.signature) = (body.bytes, signature);
    message.fds = u32::from(message.signature.contains('h') || dice.once_in(40));
    let broken = if dice.once_in(12) { (0..=dice.below(4)).map(|_| dice.below(200)).collect() } else { Vec::new() };
    Case { formed: formed && broken.is_empty(), message, broken }
}

/// Another signature: one more, one less, one other, or something else.
fn misshapen(dice: &mut Dice, signature: &str) -> String {
    let mut all: Vec<&str> = types(signature);
    match dice.below(4) {
        0 => all.push(dice.word(&OTHERS)),
        1 => drop(all.pop()),
        2 if !all.is_empty() => {
            let at = dice.below(all.len());
            all[at] = dice.word(&OTHERS);
        }
        _ => all = (0..=dice.below(5)).map(|_| if dice.once_in(10) { "h" } else { dice.word(&OTHERS) }).collect(),
    }
    all.concat()
}

/// Writes a hostile value of a type.
fn value(out: &mut Writer, kind: &str, argument: &str, dice: &mut Dice, words: &Dictionary, depth: u32) {
    let letter = kind.as_bytes()[0];
    match letter {
        b'b' => out.number(dice.throw() & 1, 4),
        b'h' => out.number(dice.below(2) as u64, 4),
        b'y' | b'n' | b'q' | b'i' | b'u' | b'x' | b't' | b'd' => {
            let size = if letter == b'y' {
                1
            } else if b"iu".contains(&letter) {
                4
            } else {
                alignment(letter)
            };
            let number = number(dice, words);
            out.number(number, size);
        }
        b's' => out.text(&text(argument, dice, words)),
        b'o' => out.text(dice.word(&["/", PATH, "/a/b/c"])),
        b'g' => out.signature(dice.word(&["", "s", "a{sv}"])),
        b'v' => {
            let inner = if depth == 0 { "y" } else { dice.word(&OTHERS) };
            out.signature(inner);
            value(out, inner, argument, dice, words, depth.saturating_sub(1));
        }
        b'a' if kind == "ay" => {
            let body = body(dice, words);
            out.array(1, |out| out.bytes.extend(body));
        }
        b'a' => {
            let inner = &kind[1..];
            let count = if depth == 0 { 0 } else { dice.below(4) };
            out.array(alignment(inner.as_bytes()[0]), |out| {
                (0..count).for_each(|_| value(out, inner, argument, dice, words, depth - 1))
            });
        }
        _ => {
            out.align(8);
            types(&kind[1..kind.len() - 1]).into_iter().for_each(|inner| value(out, inner, argument, dice, words, depth));
        }
    }
}

fn number(dice: &mut Dice, words: &Dictionary) -> u64 {
    match dice.below(4) {
        0 | 1 if !words.numbers.is_empty() => words.numbers[words.numbers.len() - 1 - dice.below(words.numbers.len().min(3))],
        2 => *dice.one(&[0, 1, 2, 0x7fff_ffff, 1 << 31, 1 << 32, i64::MAX as u64, 1 << 63, u64::MAX]),
        _ => dice.throw() >> dice.below(64),
    }
}

/// Most often what this argument may be, sometimes what another may be.
fn text(argument: &str, dice: &mut Dice, words: &Dictionary) -> String {
    let any: Vec<&String> = words.words.values().flatten().collect();
    let good = words.words.get(argument).filter(|words| !words.is_empty());
    let known = |dice: &mut Dice| match good {
        Some(good) if !dice.once_in(8) => dice.one(good).clone(),
        _ if any.is_empty() => String::new(),
        _ => (*dice.one(&any)).clone(),
    };
    match dice.below(12) {
        0..9 => known(dice),
        9 => known(dice).to_uppercase() + dice.word(&["", "0", " ", "\n", "/"]),
        10 => dice
            .word(&["", "x", "..", "../../etc/passwd", "\u{202e}ana", "\u{1}", "%s%n", "\u{10ffff}", "'; drop table ledger; --"])
            .to_owned(),
        _ if dice.once_in(2) => "a".repeat(*dice.one(&[31, 32, 33, 64, 65, 300, 70_000])),
        _ => format!("{:016x}{:016x}", dice.throw(), dice.throw()),
    }
}

/// A document: a genuine one again, a bent one, or none.
fn body(dice: &mut Dice, words: &Dictionary) -> Vec<u8> {
    let mut body = if words.bodies.is_empty() { Vec::new() } else { dice.one(&words.bodies).clone() };
    match dice.below(6) {
        0 | 1 => {}
        2 if !body.is_empty() => {
            let at = dice.below(body.len());
            body[at] ^= 1 << dice.below(8);
        }
        3 => body.truncate(dice.below(body.len() + 1)),
        4 => body = vec![dice.throw() as u8; *dice.one(&[0, 1, 128, 256, 4096, 64 * 1024, 64 * 1024 + 1])],
        _ => body = (0..dice.below(600)).map(|_| dice.throw() as u8).collect(),
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_says_the_same_and_half_of_it_is_well_formed() {
        let methods = [Method {
            interface: "a.B".into(),
            name: "M".into(),
            takes: vec![("kind".into(), "s".into()), ("body".into(), "ay".into())],
        }];
        let say = |seed| {
            let mut dice = Dice::new(seed);
            (0..500).map(|n| case(&mut dice, &methods, &[], &Dictionary::default()).message.encode(n + 1)).collect::<Vec<_>>()
        };
        assert_eq!(say(1), say(1));
        assert_ne!(say(1), say(2));
        let mut dice = Dice::new(3);
        let formed = (0..500).filter(|_| case(&mut dice, &methods, &[], &Dictionary::default()).formed).count();
        assert!((150..350).contains(&formed), "{formed} of 500");
    }
}
