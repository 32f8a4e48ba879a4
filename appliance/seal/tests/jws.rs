//! Owns: what a compact JWS may look like: exactly one form, and everything else is refused with its reason.
//! Never: a network, a file.
//! Called by: cargo test.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use parloir_issuer::{Secret, example::Example, sign};
use parloir_pass::{Ask, Beat, Deny, Document, Statement, Typ};
use parloir_seal::{Code, PublicKey, Refused, jws, keys::thumbprint};

fn key() -> Secret {
    Secret::new(&[42; 32])
}

fn public() -> PublicKey {
    PublicKey::new(&key().public()).unwrap()
}

fn verify<D: Document>(compact: &str) -> Result<D, Refused> {
    jws::verify(compact.as_bytes(), &public())
}

/// Signs any header and payload text: what an attacker with the key could send.
fn forge(header: &str, payload: &str) -> String {
    let input = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(payload));
    let signature = key().sign(input.as_bytes());
    jws::join(&input, &signature)
}

fn beat() -> Beat {
    Example::default().beat()
}

fn beat_json() -> String {
    serde_json::to_string(&beat()).unwrap()
}

fn header() -> String {
    jws::header(Typ::Beat, &key().public())
}

fn code_of(compact: &str) -> Code {
    verify::<Beat>(compact).expect_err("must be refused").code
}

#[test]
fn round_trip() {
    let compact = sign(&beat(), &key()).unwrap();
    assert_eq!(verify::<Beat>(&compact).unwrap(), beat());
    assert_eq!(compact, forge(&header(), &beat_json()), "the forger of these tests writes the same form");
    let claim = jws::claim(compact.as_bytes()).unwrap();
    assert_eq!((claim.typ, claim.kid), (Typ::Beat, thumbprint(&key().public())));
}

/// Every single bit of the text, the last unused bits of base64url included.
#[test]
fn one_bit_changed_anywhere_is_refused() {
    let compact = sign(&beat(), &key()).unwrap().into_bytes();
    for at in 0..compact.len() * 8 {
        let mut changed = compact.clone();
        changed[at / 8] ^= 1 << (at % 8);
        assert!(jws::verify::<Beat>(&changed, &public()).is_err(), "bit {at} of {:?}", changed[at / 8] as char);
    }
}

#[test]
fn only_one_header_is_known() {
    let kid = thumbprint(&key().public());
    let (alg, kid, typ) = (r#""alg":"EdDSA""#, format!(r#""kid":"{kid}""#), r#""typ":"parloir-beat+jws""#);
    assert!(verify::<Beat>(&forge(&format!("{{{alg},{kid},{typ}}}"), &beat_json())).is_ok());
    let other = thumbprint(&Secret::new(&[43; 32]).public());
    let cases = [
        (format!(r#"{{"alg":"none",{kid},{typ}}}"#), Code::BadHeader),
        (format!(r#"{{"alg":"HS256",{kid},{typ}}}"#), Code::BadHeader),
        (format!(r#"{{"alg":"eddsa",{kid},{typ}}}"#), Code::BadHeader),
        (format!("{{{kid},{alg},{typ}}}"), Code::BadHeader),
        (format!("{{{alg},{typ},{kid}}}"), Code::BadHeader),
        (format!("{{{alg},{kid},{typ},\"crit\":[\"b64\"]}}"), Code::BadHeader),
        (format!("{{{alg},{kid},{typ},\"jwk\":{{}}}}"), Code::BadHeader),
        (format!("{{{alg},{kid},{typ},{typ}}}"), Code::BadHeader),
        (format!("{{{alg}, {kid},{typ}}}"), Code::BadHeader),
        (format!("{{{alg},{kid},{typ}}}\n"), Code::BadHeader),
        (format!("{{{alg},{kid}}}"), Code::BadHeader),
        (format!("{{{alg},{typ}}}"), Code::BadHeader),
        (format!(r#"{{{alg},{kid},"typ":"parloir-grant+jws"}}"#), Code::WrongTyp),
        (format!(r#"{{{alg},{kid},"typ":"parloir-ring+jws"}}"#), Code::WrongTyp),
        (format!(r#"{{{alg},{kid},"typ":"JWT"}}"#), Code::BadHeader),
        (format!(r#"{{{alg},{kid},"typ":"parloir-\u0062eat+jws"}}"#), Code::BadHeader),
        (format!(r#"{{{alg},"kid":"{other}",{typ}}}"#), Code::UnknownKey),
        (format!(r#"{{{alg},"kid":"",{typ}}}"#), Code::BadHeader),
        (String::new(), Code::BadHeader),
        ("[]".to_owned(), Code::BadHeader),
    ];
    for (header, code) in cases {
        assert_eq!(code_of(&forge(&header, &beat_json())), code, "{header}");
    }
}

#[test]
fn payloads_that_are_signed_but_not_ours() {
    let device = beat().device;
    let grant = beat().grant;
    let cases = [
        (format!(r#"{{"v":2,"device":"{device}","grant":"{grant}","count":4}}"#), Code::UnknownVersion),
        (r#"{"v":2,"something":"new"}"#.to_owned(), Code::UnknownVersion),
        (format!(r#"{{"v":1.0,"device":"{device}","grant":"{grant}","count":4}}"#), Code::MalformedDocument),
        (format!(r#"{{"device":"{device}","grant":"{grant}","count":4}}"#), Code::MalformedDocument),
        (format!(r#"{{"v":1,"device":"{device}","grant":"{grant}"}}"#), Code::MalformedDocument),
        (format!(r#"{{"v":1,"device":"{device}","grant":"{grant}","count":4,"more":0}}"#), Code::MalformedDocument),
        (format!(r#"{{"v":1,"device":"{device}","grant":"{grant}","count":4,"count":5}}"#), Code::MalformedDocument),
        (format!(r#"{{"v":1,"v":1,"device":"{device}","grant":"{grant}","count":4}}"#), Code::MalformedDocument),
        (format!(r#"{{"v":1,"device":"{device}","grant":"{grant}","count":-4}}"#), Code::MalformedDocument),
        (
            format!(r#"{{"v":1,"device":"{}","grant":"{grant}","count":4}}"#, device.to_string().to_uppercase()),
            Code::MalformedDocument,
        ),
        (format!(r#"{{"v":1,"device":"{device}00","grant":"{grant}","count":4}}"#), Code::MalformedDocument),
        (format!("{}x", beat_json()), Code::MalformedDocument),
        ("[]".to_owned(), Code::MalformedDocument),
        ("null".to_owned(), Code::MalformedDocument),
        (String::new(), Code::MalformedDocument),
        (format!("{{\"v\":1,\"x\":{}{}}}", "[".repeat(5000), "]".repeat(5000)), Code::MalformedDocument),
    ];
    for (payload, code) in cases {
        assert_eq!(code_of(&forge(&header(), &payload)), code, "{}", &payload[..payload.len().min(120)]);
    }
    let deep = verify::<Beat>(&forge(&header(), &format!("{{\"v\":1,\"x\":{}{}}}", "[".repeat(9), "]".repeat(9)))).unwrap_err();
    assert_eq!(deep.cause, "nested deeper than 8 levels");
}

/// A sequence is no object, although serde alone would fill the struct from it.
#[test]
fn a_payload_is_an_object() {
    let (device, grant) = (beat().device, beat().grant);
    assert_eq!(code_of(&forge(&header(), &format!(r#"[1,"{device}","{grant}",4]"#))), Code::MalformedDocument);
    let key = PublicKey::new(&key().public()).unwrap();
    let deny = Example::default().deny();
    let listed = format!(r#"{{"v":1,"site":"{}","target":["ask","{grant}"],"words":"","code":"No"}}"#, deny.site);
    let compact = forge(&jws::header(Typ::Deny, &key.bytes()), &listed);
    assert_eq!(jws::verify::<Deny>(compact.as_bytes(), &key).unwrap_err().code, Code::MalformedDocument);
}

#[test]
fn size_is_judged_first() {
    let long = "x".repeat(jws::MAX + 1);
    assert_eq!(code_of(&long), Code::TooLarge);
    let most = "x".repeat(jws::MAX);
    assert_eq!(code_of(&most), Code::MalformedDocument);
    let mut deny = Example::default().deny();
    deny.words = "a".repeat(401);
    assert_eq!(sign(&deny, &key()).unwrap_err().code, Code::MalformedDocument, "not even signed");
}

#[test]
fn forms_that_are_no_compact_jws() {
    let compact = sign(&beat(), &key()).unwrap();
    let parts: Vec<_> = compact.split('.').collect();
    let general =
        format!(r#"{{"payload":"{}","signatures":[{{"protected":"{}","signature":"{}"}}]}}"#, parts[1], parts[0], parts[2]);
    let cases = [
        (format!("{}.{}", parts[0], parts[1]), Code::MalformedDocument),
        (format!("{compact}."), Code::MalformedDocument),
        (format!("{}.{}.", parts[0], parts[1]), Code::BadSignature),
        (format!("{}..{}", parts[0], parts[2]), Code::BadSignature),
        (format!("{compact}="), Code::MalformedDocument),
        (format!("{compact}\n"), Code::MalformedDocument),
        (format!(" {compact}"), Code::MalformedDocument),
        (format!("{compact}AAAA"), Code::BadSignature),
        (general, Code::MalformedDocument),
        (String::new(), Code::MalformedDocument),
    ];
    for (text, code) in cases {
        assert_eq!(code_of(&text), code, "{text}");
    }
    assert_eq!(jws::verify::<Beat>(&[0xff; 64], &public()).unwrap_err().code, Code::MalformedDocument);
}

#[test]
fn a_signature_over_one_kind_is_none_for_another() {
    let site = Example::default();
    let ask = site.box_key().sign_ask(&site.ask()).unwrap();
    let key = PublicKey::new(&site.box_key().public()).unwrap();
    assert_eq!(jws::verify::<Ask>(ask.as_bytes(), &key).unwrap(), site.ask());
    assert_eq!(jws::verify::<Beat>(ask.as_bytes(), &key).unwrap_err().code, Code::WrongTyp);
}

#[test]
fn a_statement_is_bound_to_its_key_and_call() {
    let site = Example::default();
    let compact = sign(&site.statement(), &site.visitor).unwrap();
    let read = |key: &Secret, call| jws::statement(compact.as_bytes(), &key.public(), &call);
    assert_eq!(read(&site.visitor, site.statement().call), Ok(site.statement()));
    assert_eq!(read(&site.grant, site.statement().call).unwrap_err().code, Code::UnknownKey);
    assert_eq!(read(&site.visitor, parloir_issuer::example::id(1)).unwrap_err().code, Code::NotForThisCall);
    let long = "x".repeat(2049);
    assert_eq!(jws::statement(long.as_bytes(), &site.visitor.public(), &site.statement().call).unwrap_err().code, Code::TooLarge);
    let typ = Typ::Statement;
    assert_eq!(Statement::TYP, typ);
}

/// What a refusal prints: thing, place, cause, next step, code, and no value of the document.
#[test]
fn refusals_tell_names_but_no_values() {
    let refused = verify::<Beat>(&forge(&header(), r#"{"v":1,"device":"Ana Silva"}"#)).unwrap_err();
    let line = refused.to_string();
    assert!(!line.contains("Ana"), "{line}");
    assert!(line.starts_with("beat: payload, column ") && line.ends_with("[org.parloir.Error.MalformedDocument]"), "{line}");
    let refused = verify::<Beat>(&forge(&header(), "{\"v\":1,\"bogus\\u001b[2J\":1}")).unwrap_err();
    assert!(refused.cause.contains("bogus") && !refused.cause.contains('\u{1b}'), "{}", refused.cause);
}

#[test]
fn members_have_one_form() {
    let person = Example::default().person();
    let json = serde_json::to_string(&person).unwrap();
    let read = |json: &str| {
        let header = jws::header(Typ::Entitlement, &key().public());
        verify::<parloir_pass::Entitlement>(&forge(&header, json))
    };
    assert_eq!(read(&json).unwrap(), person);
    let window = person.contacts[0].windows[0];
    let object = format!(r#"{{"from":{},"to":{}}}"#, window.from, window.to);
    assert!(json.contains(&object));
    let listed = json.replacen(&object, &format!("[{},{}]", window.from, window.to), 1);
    assert_eq!(read(&listed).unwrap_err().code, Code::MalformedDocument);

    let mut receipt = Example::default().receipt().unwrap();
    receipt.visitor_statement = None;
    let json = serde_json::to_string(&receipt).unwrap();
    let header = jws::header(Typ::Receipt, &key().public());
    assert!(verify::<parloir_pass::Receipt>(&forge(&header, &json)).is_ok());
    let absent = json.replace(r#","visitor_statement":null"#, "");
    assert_ne!(json, absent);
    assert_eq!(verify::<parloir_pass::Receipt>(&forge(&header, &absent)).unwrap_err().code, Code::MalformedDocument);
}
