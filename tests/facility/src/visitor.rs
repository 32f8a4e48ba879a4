//! Owns: a visitor of flesh and blood's stand-in: a real Chromium with a clip as its camera, driven through the page as a person would.
//! Never: a shortcut around the page; a browser that outlives its owner.
//! Called by: the bench's `--visitor chromium`, tests.

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the browser may take to start, on a busy machine.
const START: Duration = Duration::from_secs(40);
/// How often the page is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What a visitor needs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The link, as the facility printed it.
    pub url: String,
    /// Camera: a Y4M file.
    pub camera: PathBuf,
    /// Microphone: a WAV file.
    pub microphone: PathBuf,
    /// The page's certificate (PEM): this one key is believed, whoever signed it, and no other.
    pub https_certificate: PathBuf,
    /// A directory for the browser's profile and its logs; made fresh.
    pub work: PathBuf,
    /// Size of the page, pixels.
    pub window: (u32, u32),
    /// The visitor does not let the page use camera and microphone.
    pub refuse_camera: bool,
}

/// What the page measured last, and what can be read off it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Frames decoded in this visit.
    pub frames_decoded: u64,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Frames in the last second.
    pub fps: f64,
    /// Such as `H264`.
    pub codec: String,
    /// From admission to the first decoded frame; 0 none yet.
    pub first_frame_ms: u64,
    /// 0 to 1.
    pub audio_level: f64,
    /// Whether sound was heard in any second so far.
    #[serde(skip_deserializing)]
    pub audio_level_seen: bool,
    /// In a private visit the digits that the page shows; empty: none.
    pub code: String,
}

/// Why there is no visitor.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// chromedriver.
    #[error("chromedriver: {0}: install the packages chromium, chromium-driver and util-linux [org.parloir.Error.NoBrowser]")]
    Driver(String),
    /// The browser ended, or refused.
    #[error("chromium: {what}: {cause}; its log: {} [org.parloir.Error.Browser]", log.display())]
    Browser {
        /// What was tried.
        what: String,
        /// What it said.
        cause: String,
        /// Where more stands.
        log: PathBuf,
    },
    /// The page did not come to where it should.
    #[error("visitor's page: waited {waited:?} for the view {wanted}, but it shows {shows}: {says} [org.parloir.Error.Page]")]
    View {
        /// Which.
        wanted: String,
        /// Which instead.
        shows: String,
        /// Its text.
        says: String,
        /// How long.
        waited: Duration,
    },
    /// A file.
    #[error("{}: {cause} [org.parloir.Error.File]", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
}

/// A browser at the visitor's page. When this goes, by a drop, a panic or a signal, chromedriver goes and its browser with it.
/// It must be opened on a thread that lives as long: the kernel watches the thread.
pub struct Visitor {
    client: Client,
    options: Options,
    sound: bool,
    driver: Driver,
}

impl Visitor {
    /// Starts chromedriver and a browser, and opens the link: the page stands before the device check.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn open(options: Options) -> Result<Self, Trouble> {
        let file = |path: &Path, cause: String| Trouble::File { path: path.to_owned(), cause };
        for clip in [&options.camera, &options.microphone] {
            std::fs::metadata(clip).map_err(|e| file(clip, e.to_string()))?;
        }
        let _ = std::fs::remove_dir_all(&options.work);
        std::fs::create_dir_all(&options.work).map_err(|e| file(&options.work, e.to_string()))?;
        let spki = spki_hash(&options.https_certificate).map_err(|e| file(&options.https_certificate, e))?;
        let driver = Driver::start(&options.work).await?;
        let mut capabilities = Capabilities::new();
        capabilities.insert("browserName".into(), "chrome".into());
        capabilities.insert("goog:chromeOptions".into(), json!({ "args": arguments(&options, &spki) }));
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connecting = builder.capabilities(capabilities).connect(&driver.url);
        let log = options.work.join("chromedriver.log");
        let browser = |what: &str, cause: String| Trouble::Browser { what: what.to_owned(), cause, log: log.clone() };
        let client = tokio::time::timeout(START, connecting)
            .await
            .map_err(|_| browser("start", format!("not within {START:?}")))?
            .map_err(|e| browser("start", e.to_string()))?;
        let visitor = Self { client, options, sound: false, driver };
        visitor.client.goto(&visitor.options.url).await.map_err(|e| browser("open the link", e.to_string()))?;
        visitor.wait("check", START).await?;
        visitor.size_page().await?;
        Ok(visitor)
    }

    /// Makes the page, not the window around it, as large as asked.
    async fn size_page(&self) -> Result<(), Trouble> {
        let frame = self.run("return [outerWidth - innerWidth, outerHeight - innerHeight]").await?;
        let extra = |i: usize| frame[i].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let (width, height) = self.options.window;
        let sized = self.client.set_window_size(width + extra(0), height + extra(1)).await;
        sized.map_err(|e| self.trouble("size the window", e.to_string()))
    }

    /// Does the device check: the page waits for a call then, or rings already.
    ///
    /// # Errors
    /// [`Trouble`]; the page's own words when the check fails.
    pub async fn check_devices(&self) -> Result<(), Trouble> {
        self.press("try").await?;
        self.wait_any(&["waiting", "ringing"], Duration::from_secs(20)).await.map(drop)
    }

    /// Waits until it rings, and presses Join.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn join(&self, within: Duration) -> Result<(), Trouble> {
        self.wait("ringing", within).await?;
        self.press("join").await?;
        self.wait_any(&["visit", "ended", "stopped"], Duration::from_secs(20)).await.map(drop)
    }

    /// Which view the page shows: `check`, `waiting`, `ringing`, `visit`, `ended`, `stopped`.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn view(&self) -> Result<String, Trouble> {
        let value = self.run("return document.body?.dataset.view ?? ''").await?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Waits for a view.
    ///
    /// # Errors
    /// [`Trouble::View`] with the text of the page that is shown instead.
    pub async fn wait(&self, view: &str, within: Duration) -> Result<(), Trouble> {
        self.wait_any(&[view], within).await.map(drop)
    }

    async fn wait_any(&self, views: &[&str], within: Duration) -> Result<String, Trouble> {
        let until = Instant::now() + within;
        loop {
            let shows = self.view().await?;
            if views.contains(&shows.as_str()) {
                return Ok(shows);
            }
            if Instant::now() >= until {
                let says = self.text().await?;
                return Err(Trouble::View { wanted: views.join(" or "), shows, says, waited: within });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The words that the page shows.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn text(&self) -> Result<String, Trouble> {
        let value = self.run("return document.querySelector('section:not([hidden])')?.innerText ?? ''").await?;
        Ok(value.as_str().unwrap_or_default().replace('\n', " "))
    }

    /// Presses a button by its id, as a person does: it must be there to be pressed.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn press(&self, id: &str) -> Result<(), Trouble> {
        let found = self.client.find(Locator::Id(id)).await.map_err(|e| self.trouble("find a button", e.to_string()))?;
        found.click().await.map_err(|e| self.trouble("press a button", e.to_string()))
    }

    /// What the page measured last.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn stats(&mut self) -> Result<Stats, Trouble> {
        let value = self.run("return document.body?.dataset.stats ?? '{}'").await?;
        let mut stats: Stats = serde_json::from_str(value.as_str().unwrap_or("{}")).unwrap_or_default();
        self.sound |= stats.audio_level > 0.001;
        stats.audio_level_seen = self.sound;
        Ok(stats)
    }

    /// Saves what the window shows, as PNG.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn picture(&self, path: &Path) -> Result<(), Trouble> {
        let png = self.client.screenshot().await.map_err(|e| self.trouble("take a picture", e.to_string()))?;
        std::fs::write(path, png).map_err(|e| Trouble::File { path: path.to_owned(), cause: e.to_string() })
    }

    /// Saves the far picture alone, in the size in which it was decoded, as PNG.
    ///
    /// # Errors
    /// [`Trouble`], also when there is none.
    pub async fn far_picture(&self, path: &Path) -> Result<(), Trouble> {
        let script = "const v = document.getElementById('far'), c = document.createElement('canvas'); \
                      c.width = v.videoWidth; c.height = v.videoHeight; if (!c.width) return ''; \
                      c.getContext('2d').drawImage(v, 0, 0); return c.toDataURL('image/png').split(',')[1]";
        let value = self.run(script).await?;
        let png = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, value.as_str().unwrap_or_default());
        let png =
            png.ok().filter(|png| !png.is_empty()).ok_or_else(|| self.trouble("far picture", "there is none".to_owned()))?;
        std::fs::write(path, png).map_err(|e| Trouble::File { path: path.to_owned(), cause: e.to_string() })
    }

    /// Presses End.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn leave(&self) -> Result<(), Trouble> {
        self.press("end").await
    }

    /// Reloads the page. Without `keep`, everything that the browser kept of it is forgotten first.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn reload(&self, keep: bool) -> Result<(), Trouble> {
        if keep {
            return self.client.refresh().await.map_err(|e| self.trouble("reload", e.to_string()));
        }
        // From a page beside it: the one in the visit writes what it counted each second.
        let url = self.run("return location.href").await?.as_str().unwrap_or_default().to_owned();
        let origin = url.split("/v/").next().unwrap_or_default().to_owned();
        self.goto(&format!("{origin}/none")).await?;
        let forget = "const done = arguments[0]; localStorage.clear(); sessionStorage.clear(); \
                      const gone = indexedDB.deleteDatabase('parloir'); gone.onsuccess = () => done(1); gone.onerror = gone.onblocked = () => done(0)";
        let gone = self.client.execute_async(forget, Vec::new()).await.map_err(|e| self.trouble("forget", e.to_string()))?;
        if gone != json!(1) {
            return Err(self.trouble("forget", "what the page kept could not be deleted".to_owned()));
        }
        self.goto(&url).await
    }

    /// Opens an address in this window.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn goto(&self, url: &str) -> Result<(), Trouble> {
        self.client.goto(url).await.map_err(|e| self.trouble("open a page", e.to_string()))
    }

    /// Closes the page; the window is empty then.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn leave_page(&self) -> Result<(), Trouble> {
        self.goto("about:blank").await
    }

    /// Opens an address in a second window, waits until the page knows where it is, and closes it: its view and its words.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn second(&self, url: &str) -> Result<(String, String), Trouble> {
        let trouble = |e: fantoccini::error::CmdError| self.trouble("a second window", e.to_string());
        let first = self.client.window().await.map_err(trouble)?;
        let second = self.client.new_window(false).await.map_err(trouble)?.handle;
        self.client.switch_to_window(second).await.map_err(trouble)?;
        let seen = async {
            self.goto(url).await?;
            // Longer than the page tries again for, in case the window before it is only slow to go.
            tokio::time::sleep(Duration::from_millis(2500)).await;
            Ok((self.view().await?, self.text().await?))
        }
        .await;
        self.client.close_window().await.map_err(trouble)?;
        self.client.switch_to_window(first).await.map_err(trouble)?;
        seen
    }

    /// Stops every process of the browser, or lets them go on. While they stand no other order is obeyed.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn freeze(&self, on: bool) -> Result<(), Trouble> {
        let told = |e: std::io::Error| self.trouble("freeze", e.to_string());
        for pid in descendants(self.driver.process.id()) {
            let signal = if on { "-STOP" } else { "-CONT" };
            Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status().map_err(told)?;
        }
        Ok(())
    }

    /// Ends the browser alone, so that another can take its profile's place.
    pub async fn end_browser(&mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(5), self.client.clone().close()).await;
        let _ = self.driver.process.kill();
        let _ = self.driver.process.wait();
    }

    /// The browser's process and those below it, for measurements: the id of chromedriver, whose children they are.
    #[must_use]
    pub fn driver_pid(&self) -> u32 {
        self.driver.process.id()
    }

    /// The WebDriver session, for tests that look deeper.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Ends browser and chromedriver in order.
    ///
    /// # Errors
    /// None that matter: what is left is killed.
    pub async fn close(self) -> Result<(), Trouble> {
        let _ = tokio::time::timeout(Duration::from_secs(5), self.client.clone().close()).await;
        Ok(())
    }

    async fn run(&self, script: &str) -> Result<Value, Trouble> {
        self.client.execute(script, Vec::new()).await.map_err(|e| self.trouble("ask the page", e.to_string()))
    }

    fn trouble(&self, what: &str, cause: String) -> Trouble {
        Trouble::Browser { what: what.to_owned(), cause, log: self.options.work.join("chromedriver.log") }
    }
}

/// One whole visit as the bench wants it: check, wait, join, stay until the page shows the end; `each` gets the figures every second.
///
/// # Errors
/// [`Trouble`].
pub async fn visit(
    options: Options,
    ring_within: Duration,
    longest: Duration,
    mut each: impl FnMut(&Stats),
) -> Result<(Visitor, Stats), Trouble> {
    let mut visitor = Visitor::open(options).await?;
    visitor.check_devices().await?;
    visitor.join(ring_within).await?;
    let until = Instant::now() + longest;
    let mut last = Stats::default();
    while visitor.view().await? == "visit" && Instant::now() < until {
        last = visitor.stats().await?;
        each(&last);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok((visitor, last))
}

fn arguments(options: &Options, spki: &str) -> Vec<String> {
    let mut list: Vec<String> = [
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-extensions",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--metrics-recording-only",
        "--disable-background-timer-throttling",
        "--disable-renderer-backgrounding",
        "--disable-backgrounding-occluded-windows",
        "--autoplay-policy=no-user-gesture-required",
        // Over a pipe that only chromedriver holds: when that closes, however it does, the browser ends by itself.
        "--remote-debugging-pipe",
        // A fake sink: without it a machine that has no sound card decodes no sound, and counts none.
        "--disable-audio-output",
        if options.refuse_camera { "--use-fake-ui-for-media-stream=deny" } else { "--use-fake-ui-for-media-stream" },
        "--use-fake-device-for-media-stream",
    ]
    .map(str::to_owned)
    .to_vec();
    list.push(format!("--use-file-for-fake-video-capture={}", options.camera.display()));
    list.push(format!("--use-file-for-fake-audio-capture={}", options.microphone.display()));
    list.push(format!("--ignore-certificate-errors-spki-list={spki}"));
    list.push(format!("--user-data-dir={}", options.work.join("profile").display()));
    list.push(format!("--window-size={},{}", options.window.0, options.window.1));
    // Chromium's own sandbox refuses root; the bench runs us as another user.
    if is_root() {
        list.push("--no-sandbox".to_owned());
    }
    list
}

/// Every process below one, by /proc.
fn descendants(root: u32) -> Vec<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in brackets may hold anything; the parent is the second word after it.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let all: Vec<u32> = std::fs::read_dir("/proc")
        .map_or_else(|_| Vec::new(), |dir| dir.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect());
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        next += 1;
        found.extend(all.iter().filter(|p| parent(**p) == Some(pid)));
    }
    found.split_off(1)
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|s| s.lines().any(|l| l.strip_prefix("Uid:").is_some_and(|u| u.split_whitespace().nth(1) == Some("0"))))
}

/// base64 of the SHA-256 of a certificate's public key (SubjectPublicKeyInfo, RFC 7469).
fn spki_hash(path: &Path) -> Result<String, String> {
    let der = CertificateDer::from_pem_file(path).map_err(|e| e.to_string())?;
    let parsed = rustls::server::ParsedCertificate::try_from(&der).map_err(|e| e.to_string())?;
    let digest = Sha256::digest(parsed.subject_public_key_info());
    Ok(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest))
}

/// chromedriver on a port of its own.
struct Driver {
    process: Child,
    url: String,
}

impl Driver {
    async fn start(work: &Path) -> Result<Self, Trouble> {
        let told = |e: std::io::Error| Trouble::Driver(e.to_string());
        let log = std::fs::File::create(work.join("chromedriver.log")).map_err(told)?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(told)?.port();
        // The kernel ends it when we end, however we do (prctl(2), PR_SET_PDEATHSIG); its browser follows by the pipe.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "chromedriver"])
            .arg(format!("--port={port}"))
            .env("TMPDIR", work)
            .env("HOME", work)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(told)?)
            .stderr(log)
            .spawn()
            .map_err(told)?;
        let mut driver = Self { process, url: format!("http://127.0.0.1:{port}") };
        let until = Instant::now() + START;
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if let Ok(Some(status)) = driver.process.try_wait() {
                return Err(Trouble::Driver(format!("ended at once with {status}")));
            }
            if Instant::now() >= until {
                return Err(Trouble::Driver(format!("does not listen within {START:?}")));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(driver)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
