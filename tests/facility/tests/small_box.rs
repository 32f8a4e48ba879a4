//! A box that cannot decode much says so in its offer, and a real Chromium keeps to it: at the first offer and at a re-call.

mod world;

use parloir_link::message::write_signal;
use serde_json::{Value, json};
use std::time::Duration;
use world::World;
use world::far::{FarEnd, far_end, open, until_statement};

/// As `parloir-call` writes it into its offers.
const SMALL: &str = "\r\nb=TIAS:200000\r\na=imageattr:96 recv [x=[16:320],y=[16:180]]\r\na=framerate:10";

/// Width, height, frames and bytes of what comes from the page, with the far end's clock in milliseconds.
async fn received(far: &FarEnd) -> Value {
    let script = "const done = arguments[0]; window.pc.getStats().then(all => { for (const s of all.values()) \
                  if (s.type === 'inbound-rtp' && s.kind === 'video') done([s.frameWidth, s.frameHeight, s.framesDecoded, s.bytesReceived, s.timestamp]); \
                  done([0, 0, 0, 0, 0]); })";
    far.run(script, Vec::new()).await
}

/// Largest size, frames in a second and kbit/s over three seconds.
async fn seen(far: &FarEnd) -> ((u64, u64), f64, f64) {
    let before = received(far).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = received(far).await;
    let grown = |at: usize| after[at].as_f64().unwrap() - before[at].as_f64().unwrap();
    let size = (after[0].as_u64().unwrap(), after[1].as_u64().unwrap());
    (size, grown(2) * 1000.0 / grown(4), grown(3) * 8.0 / grown(4))
}

#[tokio::test]
async fn the_page_sends_no_more_than_the_box_asks_for_also_at_a_re_call() {
    let world = World::start("small").await;
    let visitor = open(&world, (1280, 720), "browser").await;
    visitor.check_devices().await.unwrap();
    let far = far_end(&world, &visitor).await;
    let mut b = world.a_box().await;
    // First a box that asks for nothing: the whole picture comes.
    let (offer, certificate) = far.offer().await;
    let ask = world.ask(certificate);
    b.send("ask", &world.sealed_ask(&ask)).await;
    visitor.join(Duration::from_secs(10)).await.unwrap();
    let grant = world.open_grant(&b.wait("grant").await, &ask);
    b.send("signal", &write_signal(&ask.call.0, &offer)).await;
    until_statement(&mut b, &far, &grant, |s| s.decoding && s.frames > 60).await;
    // Chromium begins small, by its first guess of what the line carries, and grows.
    let mut whole = seen(&far).await;
    for _ in 0..9 {
        if whole.0.0 > 320 {
            break;
        }
        whole = seen(&far).await;
    }
    let (size, fps, _) = whole;
    assert!(size.0 > 320 && fps > 12.0, "{size:?} at {fps}");

    *far.asks.borrow_mut() = SMALL.to_owned();
    for _ in 0..2 {
        far.call(&b, &grant).await;
        // Statements of the session before wait in the queue: the far end's own counter says when the new one has begun.
        while received(&far).await[2].as_u64().unwrap() < 10 {
            until_statement(&mut b, &far, &grant, |_| true).await;
        }
        let (size, fps, kbps) = seen(&far).await;
        eprintln!("generation {}: {size:?} at {fps:.1}, {kbps:.0} kbit/s", far.generation());
        assert!(size.0 <= 320 && size.1 <= 180 && size.0 > 160, "{size:?}");
        assert!((5.0..=11.0).contains(&fps) && kbps < 240.0, "{fps} frames a second, {kbps} kbit/s");
    }
    // What the camera itself gives now.
    let script =
        "const t = document.getElementById('near').srcObject.getVideoTracks()[0].getSettings(); return [t.width, t.height]";
    assert_eq!(visitor.client().execute(script, Vec::new()).await.unwrap(), json!([320, 180]));
    visitor.close().await.unwrap();
}
