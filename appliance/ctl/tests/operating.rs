//! Owns: that the commands of docs/operating.md do what the page says, in its order, on small images, SoftHSM and the facility's own update server.
//! Never: a command that is not on the page.
//! Called by: cargo test. Needs the packages of a test machine (scripts/lib.sh) and e2fsprogs.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use parloir_facility::ddi::orders::Order;
use parloir_facility::ddi::{Server, Settings};
use parloir_updater::store::{Before, Failed, Floor, From, Of, Phase, Queue, Report, Store};
use serde_json::Value;

/// A block of the page: its first line without the fence, its text, and where it stands.
struct Block {
    kind: String,
    text: String,
    line: usize,
}

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operating.md")).unwrap()
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(page.lines()) {
        match line.strip_prefix("```") {
            Some(kind) if !open => {
                blocks.push(Block { kind: kind.to_owned(), text: String::new(), line: number });
                open = true;
            }
            Some(_) => open = false,
            None if open => blocks.last_mut().unwrap().text.push_str(&format!("{line}\n")),
            None => {}
        }
    }
    blocks
}

struct World {
    dir: PathBuf,
    server: Option<Server>,
    runtime: tokio::runtime::Runtime,
    written: Arc<Mutex<fs::File>>,
}

impl Drop for World {
    fn drop(&mut self) {
        let guard = self.runtime.enter();
        drop(self.server.take());
        drop(guard);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl World {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("parloir-operating-{}", parloir_seal::random::id().unwrap()));
        for name in ["", "secrets", "tokens", "data"] {
            fs::DirBuilder::new().mode(0o700).create(dir.join(name)).unwrap();
        }
        let secret = |name: &str, text: &str| {
            let open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join("secrets").join(name));
            open.unwrap().write_all(text.as_bytes()).unwrap();
        };
        secret("updates.passphrase", "half of one\nand of the other\n");
        secret("spare.passphrase", "two more\npeople\n");
        secret("pin", "471147\n");
        fs::write(dir.join("softhsm.conf"), format!("directories.tokendir = {}\n", dir.join("tokens").display())).unwrap();
        fs::write(dir.join("esp.img"), noise(16)).unwrap();
        fs::write(dir.join("root.img"), noise(200)).unwrap();
        let written = Arc::new(Mutex::new(fs::File::create(dir.join("updates.jsonl")).unwrap()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { dir, server: None, runtime, written }
    }

    /// The facility's update server, which writes down what it tells.
    fn serve(&mut self) {
        let site = self.dir.join("site");
        let made = Command::new(env!("CARGO_BIN_EXE_parloirctl")).arg("init").arg("--dir").arg(&site).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let word = |name: &str| fs::read_to_string(site.join("box").join(name)).unwrap().trim().to_owned();
        let settings = Settings {
            tenant: word("site.id"),
            controller: word("device.id"),
            cert: site.join("tls/https.pem"),
            key: site.join("tls/https.key"),
            clients: site.join("tls/updates-ca.pem"),
            client: site.join("updater/box.pem"),
            sleep: "00:05:00".to_owned(),
            state: None,
        };
        let written = Arc::clone(&self.written);
        let print = move |event: &Value| writeln!(written.lock().unwrap(), "{event}").unwrap();
        let guard = self.runtime.enter();
        let server = Server::start(TcpListener::bind("127.0.0.1:0").unwrap(), settings, print);
        drop(guard);
        self.server = Some(server.unwrap_or_else(|e| panic!("the update server: {e}")));
    }

    fn order(&self, block: &Block) {
        let mut value: Value = serde_json::from_str(&block.text).unwrap();
        if let Some(name) = value["bundle"].as_str() {
            // The page's reader is in that directory; the test's process is not.
            value["bundle"] = self.dir.join(name).to_str().unwrap().into();
        }
        let order = Order::read(&value.to_string()).expect("an order for the update server").unwrap();
        self.runtime.block_on(self.server.as_ref().unwrap().order(order));
    }

    /// What the box of the last part had written down: it was in the trial of a version that did not draw.
    fn dead_box(&self) {
        let updater = self.dir.join("data/updater");
        fs::create_dir_all(&updater).unwrap();
        let store = Store::new(&updater);
        store.set_floor(&Floor { version: "1.3.2".to_owned(), ..Floor::default() }).unwrap();
        let from = From { slot: "system-a".to_owned(), version: "1.3.2".to_owned() };
        let before = Before {
            action: "7".to_owned(),
            version: "1.4.0".to_owned(),
            phase: Phase::Trial,
            tries: 1,
            from,
            ..Before::default()
        };
        store.set_before(Some(&before)).unwrap();
        let code = "UpdateDamaged".to_owned();
        store.add_failed(Failed { version: "1.3.9".to_owned(), action: "5".to_owned(), code, sha256: "00".to_owned() }).unwrap();
        let report = Report {
            report: 9,
            action: "7".to_owned(),
            of: Of::Deployment,
            execution: "proceeding".to_owned(),
            finished: "none".to_owned(),
            ..Report::default()
        };
        store.set_queue(&Queue { next: 10, entries: vec![report], ..Queue::default() }).unwrap();
        let mut make = Command::new("mke2fs");
        let made =
            make.args(["-q", "-t", "ext4", "-d"]).arg(self.dir.join("data")).arg(self.dir.join("data.img")).arg("8M").output();
        assert!(made.expect("mke2fs of e2fsprogs").status.success());
    }

    /// Exit status, stdout, stderr.
    fn shell(&self, text: &str) -> (i32, String, String) {
        let bin = Path::new(env!("CARGO_BIN_EXE_parloirctl")).parent().unwrap();
        let path = format!("{}:{}:/usr/sbin:/sbin", bin.display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.current_dir(&self.dir).args(["-euo", "pipefail", "-c", text]).env("PATH", path);
        bash.env("SECRETS", self.dir.join("secrets")).env("MODULE", "/usr/lib/softhsm/libsofthsm2.so");
        bash.env("SOFTHSM2_CONF", self.dir.join("softhsm.conf")).env("SO_PIN", "081508").env("PIN", "471147");
        let out = bash.env("DATA", self.dir.join("data.img")).env_remove("RAUC_PKCS11_PIN").output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
    }
}

fn noise(blocks: usize) -> Vec<u8> {
    let mut seed = 7_u64;
    let next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()
    };
    std::iter::repeat_with(next).take(blocks * 512).flatten().collect()
}

#[test]
fn the_operators_commands_do_what_the_page_says() {
    let mut world = World::new();
    world.serve();
    world.dead_box();
    let (mut ran, mut refused, mut ordered) = (0, 0, 0);
    let mut said = String::new();
    for block in blocks(&page()) {
        let place = format!("docs/operating.md:{}", block.line);
        if block.kind == "json" {
            world.order(&block);
            ordered += 1;
            continue;
        }
        let (status, stdout, stderr) = world.shell(&block.text);
        match block.kind.split_once(' ') {
            None if block.kind == "sh" => {
                assert_eq!(status, 0, "{place}: {stderr}");
                ran += 1;
            }
            Some(("sh", rest)) => {
                let code = rest.strip_prefix("refused ").unwrap_or_else(|| panic!("{place}: what is {rest}?"));
                assert_eq!((status, stdout.as_str()), (1, ""), "{place}: {stderr}");
                assert!(stderr.ends_with(&format!("[org.parloir.Error.{code}]\n")), "{place}: {stderr}");
                refused += 1;
            }
            _ => panic!("{place}: a block of kind {:?} is run by nobody", block.kind),
        }
        said += &stdout;
    }
    assert!(ran >= 8 && refused >= 4 && ordered >= 2, "{ran} commands, {refused} refusals, {ordered} orders");
    for words in [
        "bundles-1.pem: OK",
        "verified  signature and every block",
        "has not yet read the offer",
        "1 box: 0 done, 0 failed, 0 under way, 0 stopped, 1 quiet",
        "kept      1.3.2",
        "tried the new version, which had not yet been found healthy",
        "failed    1.3.9 (action 5), UpdateDamaged: The bundle is cut short or changed",
        "unsent    report 9 of action 7: proceeding none",
    ] {
        assert!(said.contains(words), "{words:?} was not printed: {said}");
    }
    let events = fs::read_to_string(world.dir.join("updates.jsonl")).unwrap();
    assert!(events.contains("ddi-offered") && !events.contains("\"error\":\""), "{events}");
}
