//! Owns: that a bundle which parloirctl makes holds, and that each way of breaking one is refused with the code that a box reports.
//! Never: the network, a key that was made before; the token is SoftHSM's.
//! Called by: cargo test. Needs the packages of a test machine (scripts/lib.sh): rauc, squashfs-tools, openssl, softhsm2, opensc.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// Exit status, stdout, stderr.
type Told = (i32, String, String);

const BOARD: &str = "parloir-test";
const CODE_SIGNING: &str =
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,codeSigning\n";
const OTHER_PURPOSE: &str =
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,clientAuth\n";

/// A directory with two authorities, some signers and two images.
struct Bench(PathBuf);

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Bench {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("parloir-update-{}", parloir_seal::random::id().unwrap()));
        fs::create_dir(&dir).unwrap();
        let bench = Self(dir);
        for authority in ["ca", "foreign"] {
            bench.authority(authority);
        }
        bench.signer("signer", "ca", CODE_SIGNING);
        bench.signer("stranger", "foreign", CODE_SIGNING);
        bench.signer("client", "ca", OTHER_PURPOSE);
        bench.image("efi.img", 40, 1);
        bench.image("root.img", 300, 2);
        bench
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }

    /// Blocks that do not compress, the same each time.
    fn image(&self, name: &str, blocks: usize, mut seed: u64) {
        let mut bytes = Vec::with_capacity(blocks * 4096);
        while bytes.len() < blocks * 4096 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.extend_from_slice(&seed.to_be_bytes());
        }
        self.write(name, bytes);
    }

    /// A program in the directory, which must do its work.
    fn run(&self, program: &str, args: &[&str]) -> String {
        let mut command = Command::new(program);
        command.current_dir(&self.0).env("SOFTHSM2_CONF", self.0.join("softhsm.conf")).args(args);
        let done = command.output().unwrap_or_else(|e| panic!("{program}: {e}: a test machine needs it"));
        assert!(done.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    fn authority(&self, name: &str) {
        let (key, pem, subject) = (format!("{name}.key"), format!("{name}.pem"), format!("/CN={name}"));
        self.run("openssl", &["ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", &key]);
        let extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"];
        self.run(
            "openssl",
            &[&["req", "-x509", "-new", "-key", &key, "-days", "30", "-subj", &subject, "-out", &pem], &extensions[..]].concat(),
        );
    }

    fn signer(&self, name: &str, authority: &str, extensions: &str) {
        self.run("openssl", &["ecparam", "-genkey", "-noout", "-name", "prime256v1", "-out", &format!("{name}.key")]);
        self.certificate(name, authority, extensions, &["-key", &format!("{name}.key")]);
    }

    fn certificate(&self, name: &str, authority: &str, extensions: &str, key: &[&str]) {
        let (request, subject) = (format!("{name}.csr"), format!("/CN={name}"));
        self.write("extensions", extensions);
        self.run("openssl", &[&["req", "-new", "-subj", &subject, "-out", &request], key].concat());
        let (ca, ca_key, pem) = (format!("{authority}.pem"), format!("{authority}.key"), format!("{name}.pem"));
        let with = ["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-extfile", "extensions", "-days", "10", "-out", &pem];
        self.run("openssl", &[&["x509", "-req", "-in", &request], &with[..]].concat());
    }

    /// `parloirctl update ...` in the directory.
    fn update(&self, args: &[&str]) -> Told {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parloirctl"));
        command.current_dir(&self.0).env("SOFTHSM2_CONF", self.0.join("softhsm.conf")).env_remove("RAUC_PKCS11_PIN");
        let out = command.arg("update").args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
    }

    /// `bundle` with what it needs, and `more`.
    fn bundle(&self, out: &str, version: &str, signer: &str, keyring: &str, more: &[&str]) -> Told {
        let (cert, key) = (format!("{signer}.pem"), format!("{signer}.key"));
        self.bundle_by(out, version, &["--cert", &cert, "--key", &key, "--keyring", keyring], more)
    }

    fn bundle_by(&self, out: &str, version: &str, keys: &[&str], more: &[&str]) -> Told {
        let what =
            ["bundle", "--image", "efi=efi.img", "--image", "rootfs=root.img", "--compatible", BOARD, "--version", version];
        self.update(&[&what[..], keys, &["--out", out], more].concat())
    }

    fn verify(&self, file: &str, more: &[&str]) -> Told {
        self.update(&[&["verify", file, "--keyring", "ca.pem", "--compatible", BOARD], more].concat())
    }

    /// Files that begin with a dot: what was left lying about.
    fn left(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with('.')).collect()
    }
}

fn refused(told: &Told, code: &str) {
    let (status, stdout, stderr) = told;
    assert_eq!((*status, stdout.as_str()), (1, ""), "{code} was wanted: {stderr}");
    assert!(
        stderr.ends_with(&format!("[org.parloir.Error.{code}]\n")) && stderr.lines().count() == 1,
        "{code} was wanted: {stderr}"
    );
}

fn said(told: &Told) -> Value {
    assert_eq!((told.0, told.2.as_str()), (0, ""));
    serde_json::from_str(&told.1).unwrap()
}

#[test]
fn a_bundle_holds_and_says_what_it_is() {
    let bench = Bench::new();
    let made = said(&bench.bundle("good.raucb", "1.2.3", "signer", "ca.pem", &["--description", "a test", "--json"]));
    for (name, want) in [("compatible", BOARD), ("version", "1.2.3"), ("format", "verity"), ("description", "a test")] {
        assert_eq!(made[name], want, "{made}");
    }
    assert_eq!(made["signed_by"]["subject"], "CN=signer");
    assert_eq!(made["size"], bench.read("good.raucb").len());
    let sum = bench.run("sha256sum", &["good.raucb"]);
    assert_eq!(made["sha256"].as_str().unwrap(), &sum[..64]);
    let images: Vec<_> = made["images"].as_array().unwrap().iter().map(|i| (i["class"].clone(), i["size"].clone())).collect();
    assert_eq!(images, [("efi".into(), (40 * 4096).into()), ("rootfs".into(), (300 * 4096).into())]);
    assert_eq!(bench.left(), Vec::<String>::new());

    assert_eq!(said(&bench.verify("good.raucb", &["--floor", "1.2.3", "--json"])), made);
    let words = bench.verify("good.raucb", &[]);
    assert!(words.1.contains("\nversion   1.2.3\n") && words.1.contains("verified  signature and every block"), "{}", words.1);
    let looked = said(&bench.update(&["inspect", "good.raucb", "--json"]));
    assert_eq!(
        (&looked["verified"], &looked["sha256"], &looked["version"]),
        (&Value::Bool(false), &Value::Null, &made["version"])
    );
    assert!(bench.update(&["inspect", "good.raucb"]).1.contains("not verified"));

    // The same images, the same payload: only salt, hash tree and signature are new.
    assert_eq!(bench.bundle("again.raucb", "1.2.3", "signer", "ca.pem", &["--description", "a test"]).0, 0);
    let (one, two) = (bench.read("good.raucb"), bench.read("again.raucb"));
    let payload = one.len() - 32 * 1024;
    assert!(one[..payload] == two[..payload]);
}

#[test]
fn what_a_box_refuses_is_refused_with_the_same_code() {
    let bench = Bench::new();
    assert_eq!(bench.bundle("good.raucb", "1.2.3", "signer", "ca.pem", &[]).0, 0);
    assert_eq!(bench.bundle("foreign.raucb", "1.2.3", "stranger", "foreign.pem", &[]).0, 0);
    refused(&bench.verify("foreign.raucb", &[]), "UpdateSignature");
    refused(&bench.update(&["verify", "good.raucb", "--keyring", "ca.pem", "--compatible", "other"]), "UpdateCompatible");
    for floor in ["1.2.4", "1.3.0-rc.1", "2.0.0"] {
        refused(&bench.verify("good.raucb", &["--floor", floor]), "UpdateOlder");
    }
    for floor in ["1.2.3", "1.2.3-rc.1", "0.9.0"] {
        assert_eq!(bench.verify("good.raucb", &["--floor", floor]).0, 0, "{floor}");
    }
    refused(&bench.verify("good.raucb", &["--floor", "soon"]), "UpdateVersion");
    refused(&bench.verify("nothing.raucb", &[]), "File");

    // RAUC itself makes a plain one from the same images.
    fs::create_dir(bench.0.join("plain")).unwrap();
    for image in ["efi.img", "root.img"] {
        fs::copy(bench.0.join(image), bench.0.join("plain").join(image)).unwrap();
    }
    bench.write(
        "plain/manifest.raucm",
        format!(
            "[update]\ncompatible={BOARD}\nversion=1.2.3\n[image.efi]\nfilename=efi.img\n[image.rootfs]\nfilename=root.img\n"
        ),
    );
    bench.run("rauc", &["bundle", "--cert", "signer.pem", "--key", "signer.key", "plain", "plain.raucb"]);
    refused(&bench.verify("plain.raucb", &[]), "UpdatePlain");
    refused(&bench.update(&["inspect", "plain.raucb"]), "UpdatePlain");
}

/// What RAUC itself complains of, the updater gives a code to; it is the one that verify gave.
#[test]
fn raucs_own_words_are_the_same_code_on_a_box() {
    let bench = Bench::new();
    assert_eq!(bench.bundle("good.raucb", "1.2.3", "signer", "ca.pem", &[]).0, 0);
    assert_eq!(bench.bundle("foreign.raucb", "1.2.3", "stranger", "foreign.pem", &[]).0, 0);
    let good = bench.read("good.raucb");
    bench.write("cut.raucb", &good[..good.len() / 2]);
    let mut bent = good.clone();
    let at = good.len() - 60; // in the signature's own bytes
    bent[at] ^= 1;
    bench.write("bent.raucb", bent);
    let conf = "[system]\ncompatible=parloir-test\nbootloader=noop\nbundle-formats=-plain\n[keyring]\npath=ca.pem\ncheck-purpose=codesign\nuse-bundle-signing-time=true\n";
    bench.write("box.conf", conf);
    for (file, code) in [("foreign.raucb", "UpdateSignature"), ("cut.raucb", "UpdateDamaged"), ("bent.raucb", "UpdateSignature")]
    {
        refused(&bench.verify(file, &[]), code);
        let mut rauc = Command::new("rauc");
        let said = rauc.current_dir(&bench.0).args(["--conf", "box.conf", "info", file]).output().unwrap();
        let words = String::from_utf8_lossy(&said.stderr).into_owned();
        let last = words.lines().rfind(|line| !line.is_empty()).unwrap_or_default();
        assert_eq!(parloir_updater::code::of_rauc(last).name(), code, "{file}: {last}");
    }
}

#[test]
fn a_byte_anywhere_is_noticed() {
    let bench = Bench::new();
    assert_eq!(bench.bundle("good.raucb", "1.2.3", "signer", "ca.pem", &[]).0, 0);
    let good = bench.read("good.raucb");
    let size = good.len();
    // Begin, payload, hash tree, signature and its length: what lies in the last 16 KiB is tree and signature.
    let places =
        [0, 100, 4096, size / 3, size / 2, size - 16 * 1024, size - 9000, size - 1200, size - 700, size - 60, size - 9, size - 1];
    for at in places {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        bench.write("bad.raucb", bad);
        let told = bench.verify("bad.raucb", &[]);
        assert!(told.2.contains("UpdateDamaged]") || told.2.contains("UpdateSignature]"), "byte {at} of {size}: {told:?}");
        assert_eq!((told.0, told.1.as_str()), (1, ""), "byte {at} of {size}");
    }
    for cut in [0, 3, 11, 4096, size / 2, size - 1300, size - 8, size - 1] {
        bench.write("bad.raucb", &good[..cut]);
        refused(&bench.verify("bad.raucb", &[]), "UpdateDamaged");
    }
    for more in [1, 8, 4096] {
        bench.write("bad.raucb", [&good[..], &vec![0; more]].concat());
        refused(&bench.verify("bad.raucb", &[]), "UpdateDamaged");
    }
    // A block more between tree and signature: its signature holds, its length does not.
    let signature = 8 + usize::try_from(u64::from_be_bytes(good[size - 8..].try_into().unwrap())).unwrap();
    let longer = [&good[..size - signature], &[0; 4096], &good[size - signature..]].concat();
    bench.write("bad.raucb", longer);
    refused(&bench.verify("bad.raucb", &[]), "UpdateDamaged");
}

#[test]
fn no_bytes_make_it_fall() {
    let bench = Bench::new();
    assert_eq!(bench.bundle("good.raucb", "1.2.3", "signer", "ca.pem", &[]).0, 0);
    let good = bench.read("good.raucb");
    let signature = 8 + usize::try_from(u64::from_be_bytes(good[good.len() - 8..].try_into().unwrap())).unwrap();
    let mut seed = 20_261_122_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let mut kinds = [0; 2];
    for round in 0..300 {
        // The signature alone, as a file: what is parsed lies there.
        let mut bytes = good[good.len() - signature..].to_vec();
        for _ in 0..=next(4) {
            let at = next(bytes.len() - 8);
            bytes[at] = u8::try_from(next(256)).unwrap();
        }
        bench.write("bent.raucb", &bytes);
        let (status, stdout, stderr) = bench.update(&["inspect", "bent.raucb"]);
        assert!(matches!(status, 0 | 1), "round {round}: {status} {stdout} {stderr}");
        kinds[usize::try_from(status).unwrap()] += 1;
    }
    assert!(kinds[0] > 10 && kinds[1] > 10, "{kinds:?}: either nothing was bent or nothing was read");
}

#[test]
fn nothing_is_made_that_a_box_would_refuse() {
    let bench = Bench::new();
    let make = |version: &str, signer: &str, keyring: &str| bench.bundle("out.raucb", version, signer, keyring, &[]);
    for version in ["", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-rc-1"] {
        refused(&make(version, "signer", "ca.pem"), "UpdateVersion");
    }
    // A key that is not the certificate's, one for another purpose, one of another authority.
    refused(
        &bench.bundle_by("out.raucb", "1.0.0", &["--cert", "signer.pem", "--key", "client.key", "--keyring", "ca.pem"], &[]),
        "CannotSign",
    );
    refused(&make("1.0.0", "client", "ca.pem"), "CannotSign");
    refused(&make("1.0.0", "signer", "foreign.pem"), "CannotSign");
    refused(&make("1.0.0", "signer", "none.pem"), "File");
    fs::set_permissions(bench.0.join("stranger.key"), fs::Permissions::from_mode(0o640)).unwrap();
    refused(&make("1.0.0", "stranger", "foreign.pem"), "OpenKey");
    refused(&bench.bundle("out.raucb", "1.0.0", "signer", "ca.pem", &["--image", "efi=root.img"]), "BadImage");
    bench.write("odd.img", [0; 5000]);
    refused(&bench.bundle("out.raucb", "1.0.0", "signer", "ca.pem", &["--image", "data=odd.img"]), "BadImage");
    refused(&bench.bundle("out.raucb", "1.0.0", "signer", "ca.pem", &["--description", "two\nlines"]), "BadText");
    refused(&bench.bundle("out.raucb", "1.0.0", "signer", "ca.pem", &["--rauc", "no-such-rauc"]), "NoRauc");
    bench.write("there.raucb", "");
    refused(&bench.bundle("there.raucb", "1.0.0", "signer", "ca.pem", &[]), "Exists");
    assert_eq!(bench.read("there.raucb"), b"");
    assert!(!bench.0.join("out.raucb").exists());
    assert_eq!(bench.left(), Vec::<String>::new());
    assert_eq!(bench.update(&["bundle"]).0, 2);
}

#[test]
fn a_key_in_a_token_signs() {
    let bench = Bench::new();
    fs::create_dir(bench.0.join("tokens")).unwrap();
    bench.write("softhsm.conf", format!("directories.tokendir = {}\n", bench.path("tokens")));
    let token = ["--label", "updates", "--pin", "4711", "--so-pin", "0815"];
    bench.run("softhsm2-util", &[&["--init-token", "--free"], &token[..]].concat());
    let module = "/usr/lib/softhsm/libsofthsm2.so";
    let pair = ["--keypairgen", "--key-type", "EC:prime256v1", "--label", "bundles", "--id", "01"];
    bench
        .run("pkcs11-tool", &[&["--module", module, "--token-label", "updates", "--login", "--pin", "4711"], &pair[..]].concat());
    let key = "pkcs11:token=updates;object=bundles;type=private;pin-value=4711";
    bench.certificate("token", "ca", CODE_SIGNING, &["-engine", "pkcs11", "-keyform", "engine", "-key", key]);

    let uri = "pkcs11:token=updates;object=bundles";
    let keys = ["--cert", "token.pem", "--key", uri, "--keyring", "ca.pem", "--module", module];
    let with_pin = |pin: &str| {
        bench.write("pin", pin);
        fs::set_permissions(bench.0.join("pin"), fs::Permissions::from_mode(0o600)).unwrap();
    };
    with_pin("4711\n");
    let made = said(&bench.bundle_by("token.raucb", "1.0.0", &keys, &["--pin-file", "pin", "--json"]));
    assert_eq!(made["signed_by"]["subject"], "CN=token");
    assert_eq!(bench.verify("token.raucb", &[]).0, 0);
    with_pin("0000\n");
    refused(&bench.bundle_by("out.raucb", "1.0.0", &keys, &["--pin-file", "pin"]), "CannotSign");
    with_pin("4711\n");
    let elsewhere =
        ["--cert", "token.pem", "--key", "pkcs11:token=other;object=bundles", "--keyring", "ca.pem", "--pin-file", "pin"];
    refused(&bench.bundle_by("out.raucb", "1.0.0", &elsewhere, &[]), "CannotSign");
    fs::set_permissions(bench.0.join("pin"), fs::Permissions::from_mode(0o644)).unwrap();
    refused(&bench.bundle_by("out.raucb", "1.0.0", &keys, &["--pin-file", "pin"]), "OpenKey");
    // A PIN among the arguments is neither used nor repeated.
    let told = bench.bundle_by("out.raucb", "1.0.0", &["--cert", "token.pem", "--key", key, "--keyring", "ca.pem"], &[]);
    refused(&told, "OpenKey");
    assert!(!told.2.contains("4711"));
}

#[test]
fn a_bundle_outlives_its_signers_certificate() {
    let bench = Bench::new();
    assert_eq!(bench.bundle("good.raucb", "1.2.3", "signer", "ca.pem", &[]).0, 0);
    // A year from now: certificates here are for ten and thirty days.
    let later = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parloirctl"));
        command
            .current_dir(&bench.0)
            .env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
            .env("FAKETIME", "+365d");
        let out = command.arg("update").args(args).output().unwrap();
        (
            out.status.code().unwrap(),
            String::from_utf8_lossy(&out.stdout).into_owned(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        )
    };
    let told = later(&["verify", "good.raucb", "--keyring", "ca.pem"]);
    assert_eq!(told.0, 0, "{}", told.2);
    let image = ["bundle", "--image", "efi=efi.img", "--compatible", BOARD, "--version", "1.2.3", "--out", "late.raucb"];
    let told = later(&[&image[..], &["--cert", "signer.pem", "--key", "signer.key", "--keyring", "ca.pem"]].concat());
    assert!(told.2.contains("expired"), "the clock was not moved, or nobody looked: {told:?}");
    refused(&told, "CannotSign");
}

#[test]
fn an_encrypted_bundle_is_for_its_recipients() {
    let bench = Bench::new();
    bench.run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-noenc",
            "-subj",
            "/CN=fleet",
            "-days",
            "9",
            "-keyout",
            "fleet.key",
            "-out",
            "fleet.pem",
        ],
    );
    bench.run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-noenc",
            "-subj",
            "/CN=other",
            "-days",
            "9",
            "-keyout",
            "other.key",
            "-out",
            "other.pem",
        ],
    );
    let fleet = ["--recipient-key", "fleet.key", "--recipient-cert", "fleet.pem"];
    let made = said(&bench.bundle(
        "crypt.raucb",
        "1.2.3",
        "signer",
        "ca.pem",
        &[&["--encrypt-to", "fleet.pem", "--json"], &fleet[..]].concat(),
    ));
    assert_eq!(made["format"], "crypt");
    assert_eq!(said(&bench.verify("crypt.raucb", &[&fleet[..], &["--json"]].concat())), made);
    refused(&bench.verify("crypt.raucb", &[]), "UnknownKey");
    refused(&bench.verify("crypt.raucb", &["--recipient-key", "other.key", "--recipient-cert", "other.pem"]), "CannotUnseal");
    let mut bad = bench.read("crypt.raucb");
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    bench.write("bad.raucb", bad);
    refused(&bench.verify("bad.raucb", &fleet), "UpdateDamaged");
}

#[test]
fn new_blocks_are_counted() {
    let bench = Bench::new();
    assert_eq!(bench.bundle("old.raucb", "1.0.0", "signer", "ca.pem", &[]).0, 0);
    let mut root = bench.read("root.img");
    for block in [7, 8, 250] {
        root[block * 4096] ^= 1;
    }
    bench.write("root.img", root);
    assert_eq!(bench.bundle("new.raucb", "1.0.1", "signer", "ca.pem", &[]).0, 0);
    let told = said(&bench.update(&["inspect", "new.raucb", "--against", "old.raucb", "--json"]));
    let counts: Vec<_> =
        told["images"].as_array().unwrap().iter().map(|i| (i["blocks"].clone(), i["new_blocks"].clone())).collect();
    assert_eq!(counts, [(40.into(), 0.into()), (300.into(), 3.into())]);
    let words = bench.update(&["inspect", "new.raucb", "--against", "old.raucb"]).1;
    assert!(words.contains("rootfs   3 of 300 blocks are new: 1 %"), "{words}");
}

#[test]
fn bars_are_for_a_terminal_and_for_nobody_else() {
    let bench = Bench::new();
    assert_eq!(bench.bundle("good.raucb", "1.2.3", "signer", "ca.pem", &[]).2, "");
    let command = format!("{} update verify good.raucb --keyring ca.pem --json", env!("CARGO_BIN_EXE_parloirctl"));
    let mut script = Command::new("script");
    let terminal = script.current_dir(&bench.0).env("TERM", "xterm").args(["-qefc", &command, "/dev/null"]).output().unwrap();
    let screen = String::from_utf8_lossy(&terminal.stdout).into_owned();
    assert!(terminal.status.success() && screen.contains("checking every block"), "{screen}");
    // Without one, nothing but the answer.
    assert_eq!(said(&bench.verify("good.raucb", &["--json"]))["verified"], true);
}

const DEVICES: [&str; 5] = ["a1", "b2", "c3", "d4", "e5"];

/// Lines of the update server for five boxes: one done, one fell back, one waits for a visit, one was stopped, one heard of nothing.
fn lines() -> String {
    let [done, back, waits, stopped, quiet] = DEVICES;
    let line = |event: &str, unix: u32, device: &str, rest: &str| {
        format!(
            "{{\"event\":\"{event}\",\"unix\":{unix},\"controller\":\"{device}\",\"action\":1,\"version\":\"1.4.0\"{rest}}}\n"
        )
    };
    let said = |unix: u32, device: &str, of: &str, execution: &str, finished: &str, status: u16, detail: &str| {
        let rest = format!(
            ",\"of\":\"{of}\",\"execution\":\"{execution}\",\"finished\":\"{finished}\",\"status\":{status},\"details\":[\"{detail}\"]"
        );
        line("ddi-feedback", unix, device, &rest)
    };
    [
        "{\"event\":\"ring\",\"device\":\"a1\"}\n\n".to_owned(),
        DEVICES.iter().map(|device| line("ddi-offered", 100, device, "")).collect(),
        line("ddi-deployment", 110, done, ""),
        said(120, done, "deployment", "closed", "success", 200, "1.4.0: runs and is kept"),
        said(120, back, "deployment", "proceeding", "none", 200, "1.4.0: written"),
        said(130, back, "deployment", "closed", "failure", 200, "org.parloir.Error.UpdateNotHealthy: what it lacked"),
        said(9000, waits, "deployment", "scheduled", "none", 200, "1.4.0: waits: InVisit"),
        // The server did not take it: nothing is known from it.
        said(9001, waits, "deployment", "closed", "success", 503, "1.4.0: runs"),
        said(140, stopped, "cancel", "closed", "success", 200, "stopped"),
        line("ddi-refused", 9000, quiet, ""),
    ]
    .concat()
}

#[test]
fn a_rollout_is_what_its_boxes_reported() {
    let bench = Bench::new();
    bench.write("updates.jsonl", lines());
    let status = |more: &[&str]| bench.update(&[&["status", "--reports", "updates.jsonl", "--now", "9600"], more].concat());
    let told = said(&status(&["--json"]));
    let kinds: Vec<_> =
        told["boxes"].as_array().unwrap().iter().map(|b| (b["device"].as_str().unwrap(), b["kind"].as_str().unwrap())).collect();
    let want = ["done", "failed", "under-way", "stopped", "quiet"];
    assert_eq!(kinds, DEVICES.into_iter().zip(want).collect::<Vec<_>>());
    assert_eq!(told["boxes"][1]["code"], "UpdateNotHealthy");
    assert!(told["boxes"][1]["next"].as_str().unwrap().starts_with("halt the wave. The new version lacked something"));
    assert_eq!(told["sums"], serde_json::json!({"done": 1, "under_way": 1, "stopped": 1, "failed": 1, "quiet": 1, "silent": 4}));
    let words = status(&[]).1;
    assert!(words.contains("e5  1.4.0  has not yet read the offer\n") && words.contains("silent: was never heard"), "{words}");
    assert!(words.ends_with("5 boxes: 1 done, 1 failed, 1 under way, 1 stopped, 1 quiet; 4 silent\n"), "{words}");

    // Between two waves of a script: the answer is printed, and the status says whether to go on.
    let told = status(&["--halt-above", "2"]);
    assert!(
        told.0 == 1
            && told.2.contains("1 of 2 boxes with a result have failed")
            && told.2.ends_with("[org.parloir.Error.Halt]\n"),
        "{told:?}"
    );
    assert_eq!(status(&["--halt-above", "50"]).0, 0);

    bench.write("updates.jsonl", "no JSON\n");
    refused(&status(&[]), "MalformedDocument");
    refused(&bench.update(&["status", "--state", "nowhere"]), "File");
    assert_eq!(bench.update(&["status"]).0, 2);
    fs::create_dir(bench.0.join("updater")).unwrap();
    assert_eq!(bench.update(&["status", "--state", "updater"]).1, "kept      the version that it came with\nunder way nothing\n");
    bench.write("updater/queue.json", "{");
    refused(&bench.update(&["status", "--state", "updater"]), "MalformedDocument");
}
