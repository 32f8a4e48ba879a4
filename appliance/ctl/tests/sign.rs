//! Owns: sign, verify and lint for every kind of document, completions and man pages, on the real binary.
//! Never: a key that is not of a site made here.
//! Called by: cargo test.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use parloir_issuer::{Site, example::Example};
use parloir_pass::{Document, Typ};
use parloir_seal::random;
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

impl Bench {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("parloir-sign-{}", random::id().unwrap()));
        assert_eq!(ctl(&["init", "--dir", dir.to_str().unwrap()]).0, 0);
        let site = Site::load(&dir).unwrap();
        Self { dir, site }
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    fn write<D: Document>(&self, document: &D) -> String {
        let name = format!("plain-{}.json", D::TYP);
        fs::write(self.dir.join(&name), serde_json::to_string(document).unwrap()).unwrap();
        self.path(&name)
    }

    /// Signed by the key of the site in that file, and verified by its Authority.
    fn sign(&self, file: &str, kind: Typ, key: &str) -> Told {
        let (roots, authority, key) = (self.path("roots.bin"), self.path("site/authority.json"), self.path(key));
        ctl(&["sign", file, "--kind", kind.name(), "--key", &key, "--roots", &roots, "--authority", &authority])
    }
}

#[test]
fn what_a_role_may_sign_is_signed_and_verified_and_nothing_else() {
    let bench = Bench::new();
    let (example, site) = (Example::default(), &bench.site);
    let deny = parloir_pass::Deny { site: site.site, ..example.deny() };
    let policy = bench.path("site/policy.json");
    let signed = [
        (policy.clone(), Typ::Policy, "site/policy.key"),
        (bench.write(&site.person), Typ::Entitlement, "site/entitlement.key"),
        (bench.write(&deny), Typ::Deny, "site/deny.key"),
        (bench.write(&example.time()), Typ::Time, "site/grant.key"),
        (bench.write(&example.beat()), Typ::Beat, "site/grant.key"),
    ];
    for (file, kind, key) in &signed {
        let (status, compact, stderr) = bench.sign(file, *kind, key);
        assert_eq!(status, 0, "{kind}: {stderr}");
        let out = bench.path("signed.jws");
        fs::write(&out, &compact).unwrap();
        let (roots, authority) = (bench.path("roots.bin"), bench.path("site/authority.json"));
        let verify = ctl(&["verify", &out, "--roots", &roots, "--authority", &authority, "--json"]);
        let told: Value = serde_json::from_str(&verify.1).unwrap();
        assert_eq!((&told["verified"], &told["document"]), (&Value::Bool(true), &Value::from(kind.name())));
        assert!(told.get("payload").is_none(), "{told}");
    }
    let (status, _, stderr) = bench.sign(&policy, Typ::Policy, "site/deny.key");
    assert!(status == 1 && stderr.contains("WrongRole"), "{stderr}");
    let (status, _, stderr) = bench.sign(&policy, Typ::Grant, "site/grant.key");
    assert!(status == 1 && stderr.contains("MalformedDocument"), "{stderr}");
    let (status, _, stderr) = bench.sign(&bench.write(&example.ask()), Typ::Ask, "site/grant.key");
    assert!(status == 1 && stderr.contains("WrongRole"), "{stderr}");
}

#[test]
fn a_policy_that_cannot_be_kept_is_not_signed() {
    let bench = Bench::new();
    let mut policy = Example::default().policy();
    policy.classes[0].recording = true;
    let (status, stdout, stderr) = bench.sign(&bench.write(&policy), Typ::Policy, "site/policy.key");
    assert!(status == 1 && stdout.is_empty() && stderr.contains("PolicyRefused"), "{stdout}{stderr}");
}

#[test]
fn an_authority_is_signed_by_as_many_roots_as_are_given() {
    let bench = Bench::new();
    let roots: Vec<String> =
        fs::read_dir(bench.dir.join("roots")).unwrap().map(|f| f.unwrap().path().display().to_string()).collect();
    let told = ctl(&["inspect", &bench.path("site/authority.json"), "--roots", &bench.path("roots.bin")]);
    let said: Value = serde_json::from_str(&told.1).unwrap();
    let file = bench.path("plain-authority.json");
    fs::write(&file, said["payload"].to_string()).unwrap();
    let sign = |keys: &[String], out: &str| {
        let mut args = vec!["sign", &file, "--kind", "authority", "--out", out];
        keys.iter().for_each(|key| args.extend(["--key", key.as_str()]));
        ctl(&args)
    };
    let out = bench.path("authority.json");
    assert_eq!(sign(&roots[..2], &out).0, 0);
    assert_eq!(ctl(&["verify", &out, "--roots", &bench.path("roots.bin")]).0, 0);
    assert_eq!(sign(&roots[..1], &out).0, 0);
    assert_eq!(ctl(&["verify", &out, "--roots", &bench.path("roots.bin")]).0, 1, "one root of three is not enough");
}

#[test]
fn every_kind_can_be_linted() {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/examples");
    for typ in Typ::ALL {
        let file = examples.join(format!("{typ}.json"));
        let (status, stdout, stderr) = ctl(&["lint", file.to_str().unwrap(), "--kind", typ.name(), "--json"]);
        assert_eq!(status, 0, "{typ}: {stderr}");
        assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["can_be_signed"], true, "{typ}");
    }
    let receipt = examples.join("receipt.json");
    assert_eq!(ctl(&["lint", receipt.to_str().unwrap(), "--kind", "grant"]).0, 1);
}

/// From one place: whatever the command line has, the completions and the man pages have.
#[test]
fn completions_and_man_pages_know_every_command() {
    let help = ctl(&["--help"]).1;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let named = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let commands: Vec<&str> = named.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(commands.contains(&"explain") && commands.len() > 12, "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let (status, text, _) = ctl(&["completions", shell]);
        assert!(status == 0 && commands.iter().all(|name| text.contains(name)), "{shell}");
    }
    let dir = std::env::temp_dir().join(format!("parloir-man-{}", random::id().unwrap()));
    fs::create_dir(&dir).unwrap();
    assert_eq!(ctl(&["man", "--out", dir.to_str().unwrap()]).0, 0);
    for name in commands {
        let page = fs::read_to_string(dir.join(format!("parloirctl-{name}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains("SYNOPSIS"), "{name}");
    }
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(ctl(&["man", "--out", "/nonexistent"]).0, 1);
}
