//! A headless Chromium on a page of our own, driven through its chromedriver; it stands where a visitor's browser would.
use super::{Call, Child};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use parloir_clip::Flavour;
use parloir_wire::lease::Fingerprint;
use parloir_wire::signal::Signal;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The far end.
pub struct Browser {
    client: Client,
    runtime: tokio::runtime::Runtime,
    relay: Value,
    _driver: Child,
}

/// What one second looked like on the far end.
pub type Turn = Value;

impl Browser {
    /// Starts chromedriver and Chromium with the visitor's clip as camera, and opens the page.
    pub fn start() -> Self {
        let mut driver =
            Child(super::mortal("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
        let mut lines = BufReader::new(driver.0.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|l| l.unwrap().split("successfully on port ").nth(1)?.trim_end_matches('.').parse::<u16>().ok())
            .unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        let (y4m, wav) = super::clip(Flavour::Visitor);
        let flags = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-audio-output".to_owned(),
            "--autoplay-policy=no-user-gesture-required".to_owned(),
            "--use-fake-ui-for-media-stream".to_owned(),
            "--use-fake-device-for-media-stream".to_owned(),
            format!("--use-file-for-fake-video-capture={}", y4m.display()),
            format!("--use-file-for-fake-audio-capture={}", wav.display()),
        ];
        let capabilities = json!({"browserName": "chrome", "goog:chromeOptions": {"args": flags}});
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities.as_object().unwrap().clone());
            let client = builder.connect(&format!("http://127.0.0.1:{port}")).await.unwrap();
            client.goto(&serve_page()).await.unwrap();
            client
        });
        Self { client, runtime, relay: Value::Null, _driver: driver }
    }

    /// From now on through this relay only; answers the password, which the page computes from the secret as the facility would.
    pub fn relay(&mut self, relay: &super::Relay) -> String {
        let args = vec![json!(super::Relay::SECRET), json!(relay.user)];
        let password = self.asynchronously("return window.password(...args)", args).as_str().unwrap().to_owned();
        self.relay = json!({"urls": relay.url, "username": relay.user, "credential": password});
        password
    }

    /// As [`Self::relay`], at the other end of a line.
    pub fn relay_through(&mut self, relay: &super::Relay, line: &super::Forwarder) -> String {
        let password = self.relay(relay);
        self.relay["urls"] = json!(line.url());
        password
    }

    /// Makes the page lie about its certificate in its answers.
    pub fn rewrite_fingerprint(&self, colons: &str) {
        self.runtime.block_on(self.client.execute("window.lie = arguments[0]", vec![json!(colons)])).unwrap();
    }

    /// Makes the page's certificate and opens its camera; answers the fingerprint.
    pub fn prepare(&self) -> Fingerprint {
        let text = self.asynchronously("return window.prepare()", vec![]);
        let bytes: Vec<u8> = text.as_str().unwrap().split(':').map(|h| u8::from_str_radix(h, 16).unwrap()).collect();
        bytes.try_into().unwrap()
    }

    /// Carries signals both ways, as link and facility would, for a while or until `done`.
    pub fn carry(&self, call: &Call, seconds: f64, done: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < until && !done() {
            for signal in call.take_signals() {
                match signal {
                    Signal::Offer { generation, sdp } => {
                        self.asynchronously(
                            "return window.answer(...args)",
                            vec![json!(sdp), json!(generation), self.relay.clone()],
                        );
                    }
                    Signal::Candidate { mline, candidate, .. } => {
                        self.asynchronously("return window.candidate(...args)", vec![json!(mline), json!(candidate)]);
                    }
                    other => panic!("call says {other:?}"),
                }
            }
            for said in self.now("return window.take()").as_array().unwrap() {
                let generation = said["generation"].as_u64().unwrap() as u32;
                call.say(&match said["sdp"].as_str() {
                    Some(sdp) => Signal::Answer { generation, sdp: sdp.to_owned() },
                    None => Signal::Candidate {
                        generation,
                        mline: said["mline"].as_u64().unwrap() as u32,
                        candidate: said["candidate"].as_str().unwrap().to_owned(),
                    },
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The page's figures.
    pub fn figures(&self) -> Turn {
        self.asynchronously("return window.figures()", vec![])
    }

    /// Runs a script of the page.
    pub fn now(&self, script: &str) -> Value {
        self.runtime.block_on(self.client.execute(script, vec![])).unwrap()
    }

    fn asynchronously(&self, script: &str, args: Vec<Value>) -> Value {
        let body = format!(
            "const args = [...arguments], done = args.pop(); (async () => {{ {script} }})().then(done, e => done({{error: String(e)}}))"
        );
        let answer = self.runtime.block_on(self.client.execute_async(&body, args)).unwrap();
        assert!(answer.get("error").is_none(), "page: {answer}");
        answer
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.runtime.block_on(self.client.clone().close());
    }
}

/// A loopback address is a secure context, so the page may use the camera without TLS.
fn serve_page() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let body = include_str!("page.html");
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}
