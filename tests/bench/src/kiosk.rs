//! Owns: the other way to build the box, to compare with: a kiosk browser that opens its camera at OK, with the same clips, codec and relay.
//! Never: better or worse than such a kiosk would be: default echo cancellation, no recording, nothing else on the page.
//! Called by: `parloir-bench kiosk`, for `scripts/bench visit`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::{Stage, Wanted};
use crate::supervisor::Part;
use crate::usage::Meter;
use crate::walls::RUN;

/// How long a page's question waits for an answer.
const LONG_POLL: Duration = Duration::from_secs(20);

/// Messages that wait, by who they are for: `cell`, `home`, `bench`.
#[derive(Default)]
struct Post {
    boxes: Mutex<BTreeMap<String, Vec<Value>>>,
    arrived: Condvar,
}

impl Post {
    fn put(&self, to: &str, message: Value) {
        if let Ok(mut boxes) = self.boxes.lock() {
            boxes.entry(to.to_owned()).or_default().push(message);
            self.arrived.notify_all();
        }
    }

    fn take(&self, who: &str, limit: Duration) -> Vec<Value> {
        let Ok(boxes) = self.boxes.lock() else { return Vec::new() };
        let empty = |boxes: &mut BTreeMap<String, Vec<Value>>| boxes.get(who).is_none_or(Vec::is_empty);
        match self.arrived.wait_timeout_while(boxes, limit, empty) {
            Ok((mut boxes, _)) => boxes.remove(who).unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }
}

/// The smallest server that two pages need: the page, and letter boxes with long polling.
fn serve(listener: TcpListener, page: String, post: Arc<Post>) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (page, post) = (page.clone(), post.clone());
            std::thread::spawn(move || answer(stream, &page, &post));
        }
    });
}

fn answer(stream: TcpStream, page: &str, post: &Post) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let path = request.split_whitespace().nth(1)?;
    let (kind, body) = if let Some(who) = path.strip_prefix("/take/") {
        ("application/json", Value::Array(post.take(who, LONG_POLL)).to_string())
    } else if let Some(to) = path.strip_prefix("/put/") {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        post.put(to, serde_json::from_slice(&body).ok()?);
        ("application/json", "true".to_owned())
    } else {
        ("text/html; charset=utf-8", page.to_owned())
    };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .ok()
}

/// A headless Chromium with a clip as its camera, as the visitor of the demo has it.
fn browser(profile: &str, camera: &str, sound: &str, url: &str) -> Vec<String> {
    let own = [
        format!("--user-data-dir={RUN}/{profile}/profile"),
        format!("--use-file-for-fake-video-capture={camera}"),
        format!("--use-file-for-fake-audio-capture={sound}"),
    ];
    let fixed = [
        "chromium",
        "--headless=new",
        "--no-sandbox",
        "--no-first-run",
        "--disable-gpu",
        "--disable-audio-output",
        "--disable-background-networking",
        "--disable-component-update",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
        "--window-size=1280,720",
        "--disable-features=WebRtcHideLocalIpsWithMdns",
    ];
    fixed.iter().map(|word| (*word).to_owned()).chain(own).chain([url.to_owned()]).collect()
}

/// Runs one visit by kiosk on the stage and says what it cost, as JSON.
///
/// # Errors
/// A browser does not start or the pages do not see each other in time.
pub fn visit(stage: &mut Stage, tree: &Path, seconds: u64) -> io::Result<Value> {
    let page = fs::read_to_string(tree.join("tests/bench/kiosk/page.html"))?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
    let post = Arc::new(Post::default());
    let relay = stage.relay_for("kiosk")?;
    serve(listener, page.replace("\"RELAY\"", &relay.to_string()), post.clone());
    let clip = |name: &str| format!("{RUN}/clip/{name}");
    let cell = browser("kiosk", &clip("cell.y4m"), &clip("cell.wav"), &format!("{address}/?as=cell&to=home"));
    let home = browser("visitor", &clip("visitor.y4m"), &clip("visitor.wav"), &format!("{address}/?as=home&to=cell"));
    for (name, user, command) in [("visitor", "parloir-visitor", home), ("kiosk", "parloir-kiosk", cell)] {
        let environment = ["HOME", "TMPDIR"].map(|word| (word.to_owned(), format!("{RUN}/{name}"))).to_vec();
        stage.supervisor.part(Part { name, user, command, environment, kept: false, hears: false, place: None })?;
    }
    wait(&post, &["cell", "home"], "ready")?;
    // Both pages are up and idle, as the box's screen is before OK.
    std::thread::sleep(Duration::from_secs(2));
    post.put("cell", json!({ "key": "ok" }));
    let first = wait(&post, &["cell", "home"], "first_picture_ms")?;
    std::thread::sleep(Duration::from_secs(5));
    let meter = Meter::start(vec![("kiosk".to_owned(), stage.supervisor.user("parloir-kiosk")?)]);
    std::thread::sleep(Duration::from_secs(seconds.saturating_sub(5)));
    let usage = meter.read();
    post.put("cell", json!({ "key": "stats" }));
    let stats = wait(&post, &["cell"], "stats")?;
    Ok(json!({ "usage": usage, "first_picture_ms": first["cell"]["first_picture_ms"], "stats": stats["cell"]["stats"] }))
}

/// Waits until each of `who` has told something with that member.
fn wait(post: &Post, who: &[&str], member: &str) -> io::Result<BTreeMap<String, Value>> {
    let limit = Instant::now() + Duration::from_secs(40);
    let mut told = BTreeMap::new();
    while who.iter().any(|name| !told.contains_key(*name)) {
        if Instant::now() > limit {
            return Err(io::Error::other(format!("kiosk: no {member} from {who:?} within 40 s; told so far: {told:?}")));
        }
        for message in post.take("bench", Duration::from_millis(200)) {
            if let Some(error) = message["error"].as_str() {
                return Err(io::Error::other(format!("kiosk page: {error}")));
            }
            if !message[member].is_null() {
                told.insert(message["from"].as_str().unwrap_or_default().to_owned(), message);
            }
        }
    }
    Ok(told)
}

/// Sets a stage, runs the kiosk's visit on it, writes the report.
///
/// # Errors
/// As [`visit`], or the stage does not stand.
pub fn run(wanted: &Wanted, seconds: u64, report: &Path) -> io::Result<()> {
    fs::create_dir_all(wanted.out.join("logs"))?;
    let (sender, events) = mpsc::channel();
    let mut stage = Stage::set(wanted, sender)?;
    // Nobody reads the lines here; they stand in the logs.
    std::thread::spawn(move || events.iter().for_each(drop));
    let told = visit(&mut stage, &wanted.tree, seconds)?;
    stage.supervisor.stop();
    fs::write(report, serde_json::to_string_pretty(&told)?)
}
