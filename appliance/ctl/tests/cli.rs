//! Owns: what parloirctl prints and how it ends, on the real binary and a site that it made itself.
//! Never: a fixed directory, the network.
//! Called by: cargo test.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use parloir_issuer::{Site, example::Example, files, sign, ticket};
use parloir_pass::{Parcel, Typ};
use parloir_seal::{BoxKey, random, sealed, ticket as check};
use parloir_wire::ticket::{Kind, Ticket};
use serde_json::Value;

struct Bench {
    dir: PathBuf,
    site: Site,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Exit status, stdout, stderr.
type Told = (i32, String, String);

fn ctl(args: &[&str]) -> Told {
    let out = Command::new(env!("CARGO_BIN_EXE_parloirctl")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
}

fn refused(told: &Told, code: &str) {
    let (status, stdout, stderr) = told;
    assert_eq!((*status, stdout.as_str()), (1, ""), "{stderr}");
    assert!(stderr.ends_with(&format!("[org.parloir.Error.{code}]\n")) && stderr.lines().count() == 1, "{stderr}");
}

fn said(told: &Told) -> Value {
    assert_eq!(told.0, 0, "{}", told.2);
    serde_json::from_str(&told.1).unwrap()
}

impl Bench {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("parloir-ctl-{}", random::id().unwrap()));
        let (status, stdout, stderr) = ctl(&["init", "--dir", dir.to_str().unwrap()]);
        assert_eq!(status, 0, "{stderr}");
        let site = Site::load(&dir).unwrap();
        assert!(stdout.contains(&format!("site {}\ndevice {}\n", site.site, site.device)), "{stdout}");
        Self { dir, site }
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.dir.join(name), bytes).unwrap();
        self.path(name)
    }

    fn inspect(&self, file: &str, more: &[&str]) -> Told {
        let (roots, authority) = (self.path("roots.bin"), self.path("site/authority.json"));
        ctl(&[&["inspect", file, "--roots", &roots, "--authority", &authority], more].concat())
    }

    /// The example's documents, moved to this site.
    fn visit(&self) -> (parloir_pass::Grant, parloir_pass::Receipt, BoxKey) {
        let (example, site) = (Example::default(), &self.site);
        let mut grant = example.grant();
        (grant.site, grant.device) = (site.site, site.device);
        let (media, device) = (check::mask(grant.media), site.device.0);
        let (nonce, lease) = (example.ask().gate_nonce.0, grant.call.0);
        let body = Ticket { kind: Kind::Nonce, media, device, nonce, lease, longest_run_s: grant.lease_s };
        grant.ticket = ticket(&body, &site.door);
        let mut receipt = example.receipt().unwrap();
        (receipt.site, receipt.device) = (site.site, site.device);
        (grant, receipt, BoxKey::new(&files::read_32(&self.dir.join("box/ask.key")).unwrap()))
    }
}

#[test]
fn inspect_prints_what_verifies_and_nothing_else() {
    let bench = Bench::new();
    let (grant, receipt, key) = bench.visit();
    let site = &bench.site;
    let payload = |told: &Told, document: &str| {
        let value = said(told);
        assert_eq!(value["document"], document);
        value["payload"].clone()
    };
    assert_eq!(payload(&bench.inspect(&bench.path("site/policy.jws"), &[]), "policy")["sign_in"], false);
    assert_eq!(payload(&bench.inspect(&bench.path("site/authority.json"), &[]), "authority")["revision"], 1);
    assert_eq!(said(&bench.inspect(&bench.path("site/door-record.bin"), &[]))["document"], "door-record");
    let file = bench.write("ticket", grant.ticket.0);
    assert_eq!(said(&bench.inspect(&file, &[]))["longest_run_s"], grant.lease_s);

    let compact = sign(&grant, &site.grant).unwrap();
    let file = bench.write("grant.jws", format!("{compact}\n"));
    assert_eq!(payload(&bench.inspect(&file, &[]), "grant")["slot_s"], 1800);
    let body = sealed::seal(Typ::Grant, &site.device, &site.box_seal, compact.as_bytes()).unwrap();
    let file = bench.write("grant.sealed", body);
    let (unseal, device) = (bench.path("box/unseal.key"), site.device.to_string());
    let open = |kind: &str| bench.inspect(&file, &["--unseal-key", &unseal, "--kind", kind, "--device", &device]);
    assert_eq!(payload(&open("grant"), "grant")["slot_s"], 1800);
    refused(&open("entitlement"), "CannotUnseal");
    refused(&bench.inspect(&file, &[]), "MalformedDocument");

    let file = bench.write("receipt.jws", key.sign_receipt(&receipt).unwrap());
    refused(&bench.inspect(&file, &[]), "UnknownKey");
    assert_eq!(payload(&bench.inspect(&file, &["--box-key", &bench.path("box/ask.pub")]), "receipt")["reason"], "PersonEnded");

    refused(&ctl(&["inspect", &bench.path("site/policy.jws")]), "UnknownKey");
    let file = bench.write("forged.jws", sign(&grant, &site.policy).unwrap());
    refused(&bench.inspect(&file, &[]), "WrongRole");
    refused(&bench.inspect(&bench.path("site/policy.jws"), &["--now", "4000000000"]), "KeyExpired");
    refused(&bench.inspect(&bench.path("nothing"), &[]), "File");
    assert_eq!(ctl(&["inspect"]).0, 2);
}

#[test]
fn receipts_hold_both_sides_or_say_that_they_do_not() {
    let bench = Bench::new();
    let (grant, receipt, key) = bench.visit();
    let (roots, authority) = (bench.path("roots.bin"), bench.path("site/authority.json"));
    let grant_file = bench.write("grant.jws", sign(&grant, &bench.site.grant).unwrap());
    let box_key = bench.path("box/ask.pub");
    let verify = |file: &str, with_grant: bool| {
        let mut args = vec!["receipt", "verify", file, "--box-key", &box_key, "--roots", &roots, "--authority", &authority];
        if with_grant {
            args.extend(["--grant", &grant_file]);
        }
        ctl(&args)
    };
    let parcel = |receipt: &parloir_pass::Receipt, visitor: Option<String>| {
        serde_json::to_string(&Parcel { receipt: key.sign_receipt(receipt).unwrap(), visitor, earlier: Vec::new() }).unwrap()
    };
    let file = bench.write("parcel.json", parcel(&receipt, receipt.visitor_statement.clone()));
    let told = said(&verify(&file, true));
    assert_eq!((&told["verified"], &told["both_sides"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(told["visitor"]["frames"], 851);
    let told = said(&verify(&file, false));
    assert_eq!((&told["both_sides"], &told["visitor_not_checked"]), (&Value::Bool(false), &Value::Bool(true)));
    let file = bench.write("receipt.jws", key.sign_receipt(&receipt).unwrap());
    assert_eq!(said(&verify(&file, true))["both_sides"], true);

    let file = bench.write("parcel.json", parcel(&receipt, None));
    refused(&verify(&file, true), "ReceiptDoesNotHold");
    let mut greedy = receipt.clone();
    greedy.seconds_counted = 600;
    let file = bench.write("receipt.jws", key.sign_receipt(&greedy).unwrap());
    refused(&verify(&file, true), "ReceiptDoesNotHold");
    let mut other = receipt.clone();
    other.visitor_statement = Some(sign(&Example::default().statement(), &bench.site.grant).unwrap());
    let file = bench.write("receipt.jws", key.sign_receipt(&other).unwrap());
    refused(&verify(&file, true), "UnknownKey");
    let file = bench.write("receipt.jws", sign(&receipt, &bench.site.grant).unwrap());
    refused(&verify(&file, false), "UnknownKey");
}

#[test]
fn a_receipt_with_two_grants_needs_both_and_is_judged_by_the_sum() {
    let bench = Bench::new();
    let (first, receipt, key) = bench.visit();
    let (roots, authority, box_key) = (bench.path("roots.bin"), bench.path("site/authority.json"), bench.path("box/ask.pub"));
    let other = parloir_issuer::Secret::new(&[77; 32]);
    let mut second = first.clone();
    second.grant = parloir_pass::Id([0x62; 16]);
    second.parties[0].statement_key = other.public();
    let file = |name: &str, grant: &parloir_pass::Grant| bench.write(name, sign(grant, &bench.site.grant).unwrap());
    let (one, two) = (file("one.jws", &first), file("two.jws", &second));
    let verify = |receipt: &parloir_pass::Receipt, grants: &[&String]| {
        let file = bench.write("receipt.jws", key.sign_receipt(receipt).unwrap());
        let mut args = vec!["receipt", "verify", &file, "--box-key", &box_key, "--roots", &roots, "--authority", &authority];
        grants.iter().for_each(|grant| args.extend(["--grant", grant.as_str()]));
        ctl(&args)
    };
    let mut both = receipt.clone();
    both.regrants = vec![second.grant];
    both.earlier_statements = receipt.visitor_statement.iter().cloned().collect();
    both.visitor_statement = Some(sign(&Example::default().statement(), &other).unwrap());
    // More than either statement alone allows.
    (both.ended_ms, both.seconds_counted) = (80_000, 50);
    let told = said(&verify(&both, &[&two, &one]));
    assert_eq!((&told["both_sides"], told["statements"].as_array().map(Vec::len)), (&Value::Bool(true), Some(2)));
    refused(&verify(&both, &[&one]), "UnknownKey");
    assert_eq!(said(&verify(&both, &[]))["visitor_not_checked"], true);
    let greedy = parloir_pass::Receipt { seconds_counted: 70, ..both.clone() };
    refused(&verify(&greedy, &[&one, &two]), "ReceiptDoesNotHold");
    let crossed = parloir_pass::Receipt {
        earlier_statements: both.visitor_statement.iter().cloned().collect(),
        visitor_statement: both.earlier_statements.first().cloned(),
        ..both
    };
    refused(&verify(&crossed, &[&one, &two]), "UnknownKey");
}

#[test]
fn lint_says_what_to_correct() {
    let bench = Bench::new();
    let (status, stdout, _) = ctl(&["lint-policy", &bench.path("site/policy.json")]);
    assert_eq!((status, stdout.ends_with("can be signed\n")), (0, true));
    let mut policy = Example::default().policy();
    policy.classes[0].recording = true;
    let file = bench.write("policy.json", serde_json::to_string(&policy).unwrap());
    let (status, stdout, stderr) = ctl(&["lint-policy", &file]);
    assert_eq!(status, 1);
    assert!(stdout.contains("error: classes[family].recording") && stderr.contains("PolicyRefused"), "{stdout}{stderr}");
    refused(&ctl(&["lint-policy", &bench.path("roots.bin")]), "MalformedDocument");
}

#[test]
fn init_writes_the_figures_of_the_policy_that_it_is_given() {
    let bench = Bench::new();
    let dir = bench.path("quick");
    let figures = ["--beat-every", "2", "--beat-grace", "4", "--longest", "120"];
    let (status, _, stderr) = ctl(&[["init", "--dir", &dir].as_slice(), &figures].concat());
    assert_eq!(status, 0, "{stderr}");
    let policy: Value = serde_json::from_slice(&fs::read(bench.path("quick/site/policy.json")).unwrap()).unwrap();
    let family = &policy["classes"][0];
    let told = ["beat_every_s", "beat_grace_s", "longest_s", "make_good_s"].map(|name| family[name].as_u64().unwrap());
    assert_eq!(told, [2, 4, 120, 120]);
    let person = Site::load(&bench.dir.join("quick")).unwrap().person;
    assert!(person.contacts.iter().any(|c| c.incoming), "somebody may ring the cell");
    assert_eq!(ctl(&["init", "--dir", &bench.path("none"), "--longest", "0"]).0, 2);
}

/// An image is built once, and boxes of many sites are made for it: each site is signed by the roots that the image holds.
#[test]
fn a_second_site_may_have_the_roots_of_the_first_and_does_not_get_their_secrets() {
    let bench = Bench::new();
    let (second, roots) = (bench.path("second"), bench.path("roots"));
    let (status, _, stderr) = ctl(&["init", "--dir", &second, "--roots", &roots]);
    assert_eq!(status, 0, "{stderr}");
    assert_eq!(fs::read(bench.path("roots.bin")).unwrap(), fs::read(bench.path("second/roots.bin")).unwrap());
    assert_eq!(fs::read_dir(bench.path("second/roots")).unwrap().count(), 0);
    assert_ne!(Site::load(&bench.dir.join("second")).unwrap().site, Site::load(&bench.dir).unwrap().site);
    refused(&ctl(&["init", "--dir", &bench.path("third"), "--roots", &bench.path("second/roots")]), "File");
}

#[test]
fn init_refuses_to_overwrite() {
    let bench = Bench::new();
    refused(&ctl(&["init", "--dir", bench.dir.to_str().unwrap()]), "File");
}

#[test]
fn a_script_reads_json_from_every_command_and_from_every_refusal() {
    let bench = Bench::new();
    let said = |args: &[&str]| -> Value {
        let (status, stdout, stderr) = ctl(args);
        assert_eq!(status, 0, "{args:?}: {stderr}");
        serde_json::from_str(&stdout).unwrap_or_else(|why| panic!("{args:?}: {why}: {stdout}"))
    };
    let dir = bench.path("json");
    let made = said(&["init", "--json", "--dir", &dir]);
    assert_eq!(made["dir"], dir.as_str());
    assert_eq!(made["site"], Site::load(&bench.dir.join("json")).unwrap().site.to_string());
    let written = said(&["schema", "--json", "--out", &bench.path("schema")]);
    assert!(written["written"].as_array().unwrap().iter().all(|path| fs::exists(path.as_str().unwrap()).unwrap()), "{written}");
    let board = concat!(env!("CARGO_MANIFEST_DIR"), "/../../systemd/boards/qemu/board.toml");
    assert_eq!(said(&["board", "check", "--json", board])["camera"]["fps"], 10);
    let words = said(&["board", "render", "--json", board]);
    let (_, env, _) = ctl(&["board", "render", board]);
    for (name, words) in words.as_object().unwrap() {
        assert!(env.contains(&format!("{name}={words}\n")), "{name}: {env}");
    }
    // A refusal, too: the code by itself, and the line that a person reads without --json.
    let (status, stdout, stderr) = ctl(&["init", "--json", "--dir", &dir]);
    assert_eq!((status, stdout.as_str()), (1, ""));
    let told: Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!(told["error"], "org.parloir.Error.File");
    assert_eq!(format!("parloirctl: {}\n", told["message"].as_str().unwrap()), ctl(&["init", "--dir", &dir]).2);
}

#[test]
fn help_comes_first() {
    for args in [vec!["--help"], vec!["init", "--help"], vec!["inspect", "--help"], vec!["receipt", "verify", "--help"]] {
        let (status, stdout, _) = ctl(&args);
        assert_eq!(status, 0);
        assert!(stdout.contains("Usage: parloirctl"), "{stdout}");
    }
}
