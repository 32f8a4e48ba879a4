//! Owns: the visitor as a process that takes orders: one JSON object per line in, events out, a real browser between.
//! Never: an order that goes round the page.
//! Called by: the bench's `visitor`, tests.

use crate::visitor::{Options, Trouble, Visitor};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often the page is looked at.
const LOOK: Duration = Duration::from_millis(150);
/// How long a visitor without orders waits for a call.
const PATIENCE: Duration = Duration::from_secs(120);
/// The page shows the receipt a moment after the end.
const RECEIPT: Duration = Duration::from_secs(2);
/// Moments of the visit at which pictures are saved.
const PICTURES: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(12)];

/// What the visitor shall do.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// Presses Call.
    Call,
    /// Presses Cancel while it rings in the cell.
    Cancel,
    /// Presses Join.
    Join,
    /// Presses Not now.
    Decline,
    /// Presses End visit.
    Leave,
    /// Presses Back to waiting.
    Back,
    /// Whether it joins by itself when it rings; it does at the start.
    Auto {
        /** It does. */
        join: bool,
    },
    /// Reloads the page.
    Reload {
        /** False: what the browser kept is forgotten first, the certificate too. */
        keep: bool,
    },
    /// Closes the page; the browser stays.
    Close,
    /// Opens the link again, or another.
    Goto {
        /** Another link. */
        #[serde(default)]
        url: Option<String>,
    },
    /// Opens the link in a second window, says what it shows, and closes it.
    Second,
    /// A new browser that lets the page use camera and microphone, or does not.
    Camera {
        /** It does. */
        allow: bool,
    },
    /// Stops every process of the browser, or lets them go on.
    Freeze {
        /** Stops. */
        on: bool,
    },
    /// Saves a picture of the page.
    Picture {
        /** File name without its ending. */
        name: String,
    },
    /// Ends the browser and the process.
    Quit,
}

/// A visitor at work.
pub struct Guest<'a> {
    visitor: Visitor,
    options: Options,
    out: PathBuf,
    tell: &'a mut (dyn FnMut(&Value) + Send),
    /// Joins by itself.
    auto: bool,
    /// There is a page to look at.
    open: bool,
    /// Devices were tried on this page: a refusal is not pressed away.
    tried: bool,
    shown: (String, String),
    stats_at: f64,
    joined: Option<(Instant, usize)>,
    /// When the end was first shown.
    ended: Option<Instant>,
}

/// Opens the link and does as told. Without orders: waits, joins, stays until the end. With `stay` it goes on after an end until told to quit,
/// or until the orders end.
///
/// # Errors
/// [`Trouble`]: no browser, or a page that does not come to where it should.
pub async fn run(
    options: Options,
    out: PathBuf,
    stay: bool,
    mut orders: mpsc::Receiver<String>,
    tell: &mut (dyn FnMut(&Value) + Send),
) -> Result<(), Trouble> {
    let visitor = Visitor::open(options.clone()).await?;
    let mut guest = Guest {
        visitor,
        options,
        out,
        tell,
        auto: true,
        open: true,
        tried: false,
        shown: Default::default(),
        stats_at: 0.0,
        joined: None,
        ended: None,
    };
    let mut patience = Instant::now() + PATIENCE;
    let mut listening = true;
    loop {
        let order = tokio::select! {
            line = orders.recv(), if listening => match line {
                None => { listening = false; continue }
                Some(line) => Some(line),
            },
            () = tokio::time::sleep(LOOK) => None,
        };
        if let Some(line) = order {
            patience = Instant::now() + PATIENCE;
            if guest.obey(&line).await {
                break;
            }
        }
        let over = guest.look().await?;
        if over && !stay {
            break;
        }
        if !stay && guest.joined.is_none() && Instant::now() > patience {
            // Says what the page shows instead.
            guest.visitor.wait("visit", Duration::ZERO).await?;
        }
    }
    guest.visitor.close().await
}

impl Guest<'_> {
    /// Does what a line says, and says that it did. True: it is time to go.
    async fn obey(&mut self, line: &str) -> bool {
        let order = match serde_json::from_str::<Order>(line) {
            Ok(order) => order,
            Err(e) => {
                (self.tell)(&json!({"event": "did", "do": null, "error": e.to_string()}));
                return false;
            }
        };
        let name = serde_json::from_str::<Value>(line).map_or(Value::Null, |v| v["do"].clone());
        let quit = matches!(order, Order::Quit);
        let done = self.act(order).await;
        (self.tell)(&json!({"event": "did", "do": name, "error": done.err().map(|e| e.to_string())}));
        quit
    }

    async fn act(&mut self, order: Order) -> Result<(), Trouble> {
        match order {
            Order::Call => self.visitor.press("call").await,
            Order::Cancel => self.visitor.press("cancel").await,
            Order::Join => self.visitor.press("join").await,
            Order::Decline => self.visitor.press("decline").await,
            Order::Leave => self.visitor.press("end").await,
            Order::Back => {
                self.fresh();
                self.visitor.press(if self.visitor.view().await? == "stopped" { "stopped-again" } else { "again" }).await
            }
            Order::Auto { join } => {
                self.auto = join;
                Ok(())
            }
            Order::Reload { keep } => {
                self.tried = false;
                self.visitor.reload(keep).await
            }
            Order::Close => {
                self.open = false;
                self.visitor.leave_page().await
            }
            Order::Goto { url } => {
                self.fresh();
                self.options.url = url.unwrap_or_else(|| self.options.url.clone());
                self.visitor.goto(&self.options.url).await
            }
            Order::Second => {
                let (view, says) = self.visitor.second(&self.options.url).await?;
                (self.tell)(&json!({"event": "second", "view": view, "says": says}));
                Ok(())
            }
            Order::Camera { allow } => {
                self.fresh();
                self.options.refuse_camera = !allow;
                self.visitor.end_browser().await;
                self.visitor = Visitor::open(self.options.clone()).await?;
                Ok(())
            }
            Order::Freeze { on } => {
                self.open = !on;
                self.visitor.freeze(on)
            }
            Order::Picture { name } => {
                let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                self.visitor.picture(&self.out.join(if plain { name + ".png" } else { "picture.png".to_owned() })).await
            }
            Order::Quit => Ok(()),
        }
    }

    /// Whatever was before, the page begins anew.
    fn fresh(&mut self) {
        (self.open, self.tried, self.joined, self.ended) = (true, false, None, None);
        self.shown = Default::default();
    }

    /// Looks at the page once. True: a visit has ended and its receipt was shown.
    async fn look(&mut self) -> Result<bool, Trouble> {
        if !self.open {
            return Ok(false);
        }
        let view = self.visitor.view().await?;
        if view.is_empty() || view == "start" {
            return Ok(false);
        }
        let says = if view == "visit" { String::new() } else { self.visitor.text().await? };
        if self.shown != (view.clone(), says.clone()) {
            if view == "waiting" && self.shown.0 != view {
                (self.tell)(&json!({"event": "waiting"}));
            }
            (self.tell)(&json!({"event": "view", "view": view, "says": says}));
            self.shown = (view.clone(), says.clone());
        }
        match view.as_str() {
            "check" if !self.tried => {
                self.tried = true;
                self.visitor.press("try").await?;
            }
            // Pressed once; the page may have gone on by itself meanwhile.
            "ringing" if self.auto => drop(self.visitor.press("join").await),
            "visit" => self.visit().await?,
            "ended" | "stopped" => return self.end(&view, &says).await,
            _ => {}
        }
        Ok(false)
    }

    async fn visit(&mut self) -> Result<(), Trouble> {
        let (start, taken) = match self.joined {
            Some(joined) => joined,
            None => {
                (self.tell)(&json!({"event": "joined"}));
                (Instant::now(), 0)
            }
        };
        self.joined = Some((start, taken));
        self.ended = None;
        if let Some(stats) = self.stats().await.filter(|stats| stats["at_ms"].as_f64() != Some(self.stats_at)) {
            self.stats_at = stats["at_ms"].as_f64().unwrap_or(0.0);
            (self.tell)(&stats);
        }
        if PICTURES.get(taken).is_some_and(|moment| start.elapsed() >= *moment) {
            let n = taken + 1;
            self.joined = Some((start, n));
            // Without a far picture there is nothing to save yet; the report then lacks it, and the test says so.
            let _ = self.visitor.far_picture(&self.out.join(format!("far-{n}.png"))).await;
            self.visitor.picture(&self.out.join(format!("visit-{n}.png"))).await?;
        }
        Ok(())
    }

    /// What the page measured last, with its own clock.
    async fn stats(&self) -> Option<Value> {
        let text = self.visitor.client().execute("return document.body?.dataset.stats ?? ''", Vec::new()).await.ok()?;
        let mut stats: Value = serde_json::from_str(text.as_str()?).ok()?;
        stats["event"] = json!("stats");
        Some(stats)
    }

    async fn end(&mut self, view: &str, says: &str) -> Result<bool, Trouble> {
        let since = *self.ended.get_or_insert_with(Instant::now);
        if self.joined.is_none() || since.elapsed() < RECEIPT {
            return Ok(false);
        }
        self.joined = None;
        self.visitor.picture(&self.out.join("ended.png")).await?;
        (self.tell)(&json!({"event": "ended", "view": view, "says": says}));
        Ok(true)
    }
}
