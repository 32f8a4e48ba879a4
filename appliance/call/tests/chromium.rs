//! A visit with a real browser: both ends see and hear, through host candidates and through a relay; what the person holds back does not leave; what stops is
//! told; what is called again comes back.
mod support;

use gstreamer::prelude::*;
use parloir_wire::lease::{Fact, Plan, ToCall, Trouble};
use std::time::{Duration, Instant};
use support::{Browser, Call, Relay, alone};

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// From the open doors to the first picture.
fn connect(browser: &Browser, call: &Call, plan: &Plan) {
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.open_doors();
    let planned = Instant::now();
    call.order(&ToCall::Plan(Box::new(plan.clone())));
    browser.carry(call, 15.0, || call.seen.lock().unwrap().far_frames > 0);
    eprintln!("first far picture {} ms after the plan", planned.elapsed().as_millis());
    call.wait_for("FarVerified", 1, |f| *f == Fact::FarVerified { fingerprint: plan.far[0] });
}

/// Growth of a figure of the page within a while.
fn growth(browser: &Browser, call: &Call, seconds: f64, names: &[&str]) -> Vec<f64> {
    let read = |f: serde_json::Value| names.iter().map(|n| f[n].as_f64().unwrap_or(0.0)).collect::<Vec<_>>();
    let before = read(browser.figures());
    browser.carry(call, seconds, || false);
    read(browser.figures()).iter().zip(before).map(|(after, before)| after - before).collect()
}

/// The brightest colour of any point that the page shows, 0 to 255.
fn brightest(browser: &Browser) -> f64 {
    let script = "const c = document.createElement('canvas'); c.width = 160; c.height = 90; const x = c.getContext('2d'); \
                  x.drawImage(document.getElementById('video'), 0, 0, 160, 90); \
                  return x.getImageData(0, 0, 160, 90).data.reduce((most, v, i) => i % 4 === 3 ? most : Math.max(most, v), 0)";
    browser.now(script).as_f64().unwrap()
}

/// Frames in each second at the page and here.
fn rates(browser: &Browser, call: &Call, seconds: u32) -> (Vec<f64>, Vec<f64>) {
    let look = || (browser.figures()["decoded"].as_f64().unwrap(), call.seen.lock().unwrap().far_frames as f64, Instant::now());
    let (mut theirs, mut ours, mut last) = (vec![], vec![], look());
    for _ in 0..seconds {
        std::thread::sleep(Duration::from_secs(1));
        let now = look();
        let s = (now.2 - last.2).as_secs_f64();
        theirs.push((now.0 - last.0) / s);
        ours.push((now.1 - last.1) / s);
        last = now;
    }
    (theirs, ours)
}

/// Whether this machine encodes and decodes the clip at 30 frames a second just now, bare, in one thread as it were: 90 frames within 3 s.
fn machine_holds() -> bool {
    gstreamer::init().unwrap();
    let (y4m, _) = support::clip(parloir_clip::Flavour::Cell);
    let line = format!(
        "filesrc location={} ! y4mdec ! openh264enc usage-type=camera complexity=low bitrate=1500000 ! h264parse ! openh264dec ! fakesink",
        y4m.display()
    );
    let bare = gstreamer::parse::launch(&line).unwrap();
    let began = Instant::now();
    bare.set_state(gstreamer::State::Playing).unwrap();
    let end = bare.bus().unwrap().timed_pop_filtered(gstreamer::ClockTime::from_seconds(20), &[gstreamer::MessageType::Eos]);
    bare.set_state(gstreamer::State::Null).unwrap();
    eprintln!("bare encode and decode: 90 frames in {:?}", began.elapsed());
    end.is_some() && began.elapsed() < Duration::from_secs(3)
}

fn both_see_and_hear(browser: &Browser, call: &Call, plan: &Plan) {
    connect(browser, call, plan);
    let first = call.wait_for("FirstPicture", 1, |f| matches!(f, Fact::FirstPicture { .. }));
    assert!(matches!(first, Fact::FirstPicture { ref codec, .. } if codec == "H264"), "{first:?}");
    call.wait_for("FirstSound", 5, |f| matches!(f, Fact::FirstSound { .. }));
    browser.carry(call, 4.0, || false);
    let (cpu, began) = (call.cpu(), Instant::now());
    let (theirs, ours) = rates(browser, call, 8);
    let cpu = 100.0 * (call.cpu() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let f = browser.figures();
    eprintln!("frames a second: page {theirs:.1?}, here {ours:.1?}; cpu {cpu:.1} % of a core, pss {} KiB\n{f}", call.pss_kib());
    let seen = call.seen.lock().unwrap();
    eprintln!("{:?}", seen.progress());
    assert!(f["energy"].as_f64().unwrap() > 0.001, "the page heard nothing");
    assert!(seen.loudest() > -4000, "we heard nothing: {}", seen.loudest());
    // The visitor's counter is in the far pictures and the cell's is in none of them.
    let (visitor, cell, none) = seen.far_counters;
    assert!(visitor > 50 && cell == 0 && none * 10 < visitor, "{:?}", seen.far_counters);
    if median(theirs) < 25.0 || median(ours) < 25.0 {
        // Rates and sizes are judged only on a machine that could hold them.
        assert!(!machine_holds(), "slower than 25 frames a second on a machine that holds 30");
        eprintln!("NOT JUDGED: rates and sizes; the bare encode and decode did not hold 30 frames a second either");
        return;
    }
    assert_eq!((f["width"].as_u64(), f["height"].as_u64(), f["codec"].as_str()), (Some(1280), Some(720), Some("video/H264")));
    assert_eq!((seen.far_size, seen.self_size), ((1280, 720), (320, 180)));
    let progress = seen.progress().unwrap();
    assert!(progress.frames_sent > 200 && progress.frames_decoded > 200 && progress.in_kbps > 300 && progress.out_kbps > 300);
}

#[test]
fn both_ends_see_and_hear_directly_and_the_process_ends_with_the_arbiter() {
    let _alone = alone();
    let browser = Browser::start();
    let mut call = Call::start();
    let plan = Call::plan(browser.prepare(), None);
    both_see_and_hear(&browser, &call, &plan);
    let (lived, status) = call.hang_up(false);
    eprintln!("gone {lived:?} after the arbiter hung up");
    assert!(status.success() && lived < Duration::from_millis(200), "{status} after {lived:?}");
}

#[test]
fn both_ends_see_and_hear_through_the_relay_only_and_the_process_ends_with_gate() {
    let _alone = alone();
    let relay = Relay::start();
    let mut browser = Browser::start();
    let password = browser.relay(&relay);
    let mut call = Call::start();
    let plan = Call::plan(browser.prepare(), Some(relay.for_plan(&password)));
    both_see_and_hear(&browser, &call, &plan);
    assert_eq!(browser.figures()["local"], "relay");
    let (lived, status) = call.hang_up(true);
    assert!(status.success() && lived < Duration::from_millis(200), "{status} after {lived:?}");
}

/// A board that can do no more: from the clip of 720p at 30 to the plan's size and rate, filled with the plan's bits.
#[test]
fn a_small_plan_sends_its_size_rate_and_bits() {
    let _alone = alone();
    let browser = Browser::start();
    let call = Call::start();
    let plan = Plan {
        width: 320,
        height: 180,
        fps: 10,
        max_kbps: 200,
        start_kbps: 160,
        min_kbps: 50,
        ..Call::plan(browser.prepare(), None)
    };
    connect(&browser, &call, &plan);
    browser.carry(&call, 4.0, || false);
    let cpu = call.cpu();
    let grown = growth(&browser, &call, 5.0, &["decoded", "video_bytes", "energy"]);
    let f = browser.figures();
    eprintln!("{grown:?} in 5 s, cpu {:.2} s; {f}", (call.cpu() - cpu).as_secs_f64());
    assert_eq!((f["width"].as_u64(), f["height"].as_u64()), (Some(320), Some(180)));
    let (fps, kbps) = (grown[0] / 5.0, grown[1] * 8.0 / 5000.0);
    assert!((8.0..=11.0).contains(&fps), "{fps} frames a second");
    // Two thirds of the source's frames never reach the encoder, which shares its bits by their time stamps.
    assert!((90.0..=230.0).contains(&kbps), "{kbps} kbit/s");
    assert!(grown[2] > 0.001, "sound at the lowest complexity is sound");
    // Congestion control has the plan's bounds: its most is (200 + 48) * 10 / 9.
    let target = call.seen.lock().unwrap().progress().unwrap().target_kbps;
    assert!((90..=276).contains(&target), "an estimate of {target} kbit/s for a plan of 50 to 200");
}

#[test]
fn what_is_held_back_does_not_leave() {
    let _alone = alone();
    let browser = Browser::start();
    let call = Call::start();
    connect(&browser, &call, &Call::plan(browser.prepare(), None));
    browser.carry(&call, 3.0, || false);

    call.order(&ToCall::Let { camera: false, microphone: true });
    call.wait_for("Lets", 1, |f| *f == Fact::Lets { camera: false, microphone: true });
    browser.carry(&call, 0.5, || false);
    let own = call.seen.lock().unwrap().self_frames;
    let grown = growth(&browser, &call, 2.0, &["decoded", "energy"]);
    assert!(brightest(&browser) < 40.0, "something is seen although the camera is off: {}", brightest(&browser));
    assert!(grown[0] > 10.0 && grown[1] > 0.001, "the page decodes nothing any more, which would hold the visit: {grown:?}");
    assert_eq!(call.seen.lock().unwrap().self_frames, own, "the self view shows what does not leave");

    call.order(&ToCall::Let { camera: true, microphone: false });
    browser.carry(&call, 1.0, || false);
    let grown = growth(&browser, &call, 2.0, &["decoded", "energy", "audio_bytes"]);
    assert!(grown[0] > 30.0 && brightest(&browser) > 100.0, "pictures came back: {grown:?}, {}", brightest(&browser));
    assert!(grown[1] < 0.000_01 && grown[2] > 0.0, "silence leaves, not sound: {grown:?}");

    call.order(&ToCall::Let { camera: true, microphone: true });
    call.order(&ToCall::Hold { held: true });
    browser.carry(&call, 0.5, || false);
    assert_eq!(growth(&browser, &call, 2.0, &["video_bytes", "audio_bytes"]), [0.0, 0.0], "something leaves while held");
    call.order(&ToCall::Hold { held: false });
    browser.carry(&call, 1.0, || false);
    let grown = growth(&browser, &call, 2.0, &["decoded", "energy"]);
    assert!(grown[0] > 30.0 && grown[1] > 0.001, "it goes on after: {grown:?}");
}

#[test]
fn a_far_end_that_stops_is_told_and_a_new_generation_comes_back() {
    let _alone = alone();
    let browser = Browser::start();
    let call = Call::start();
    let plan = Call::plan(browser.prepare(), None);
    connect(&browser, &call, &plan);
    browser.carry(&call, 2.0, || false);
    browser.now("window.pc.close()");
    let stopped = Instant::now();
    let off = call.wait_for("Decoding off", 5, |f| matches!(f, Fact::Decoding { on: false, .. }));
    eprintln!("{off:?} {:?} after the far end closed", stopped.elapsed());
    assert!(stopped.elapsed() > Duration::from_millis(1500));

    call.seen.lock().unwrap().far_frames = 0;
    call.order(&ToCall::Plan(Box::new(Plan { generation: 2, ..plan })));
    browser.carry(&call, 10.0, || call.seen.lock().unwrap().far_frames > 30);
    assert!(call.seen.lock().unwrap().far_frames > 30, "no picture after the re-call");
    let turns = call.seen.lock().unwrap().facts.iter().filter(|f| matches!(f, Fact::Decoding { on: true, .. })).count();
    assert_eq!(turns, 2, "decoding was told again");
    assert!(growth(&browser, &call, 1.0, &["decoded"])[0] > 10.0);
}

/// The clip's file is cut short while it plays: the end of a source, as a camera that is pulled out.
#[test]
fn a_source_that_ends_is_told_and_the_rest_of_the_visit_goes_on() {
    let _alone = alone();
    let browser = Browser::start();
    let call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    let (y4m, wav) = support::clip(parloir_clip::Flavour::Cell);
    let doors = [(parloir_wire::CAMERA, Trouble::Camera, y4m), (parloir_wire::MICROPHONE, Trouble::Microphone, wav)];
    let mut sources = Vec::new();
    for (media, trouble, clip) in doors {
        let own = clip.with_extension(format!("{}.ends", std::process::id()));
        std::fs::copy(clip, &own).unwrap();
        let file = std::fs::File::options().read(true).write(true).open(&own).unwrap();
        std::fs::remove_file(own).unwrap();
        call.open_door(media, Some(&file));
        sources.push((trouble, file));
    }
    call.order(&ToCall::Plan(Box::new(Call::plan(browser.prepare(), None))));
    browser.carry(&call, 15.0, || call.seen.lock().unwrap().far_frames > 0);
    browser.carry(&call, 2.0, || false);
    for (trouble, file) in sources {
        file.set_len(5000).unwrap();
        call.wait_for("trouble", 3, |f| matches!(f, Fact::Trouble { what, .. } if *what == trouble));
        browser.carry(&call, 1.0, || false);
        let (far, own) = {
            let seen = call.seen.lock().unwrap();
            (seen.far_frames, seen.self_frames)
        };
        let grown = growth(&browser, &call, 2.0, &["video_bytes", "energy"]);
        let seen = call.seen.lock().unwrap();
        assert!(seen.far_frames > far + 20, "the far side is not seen any more");
        assert_eq!((grown[0], seen.self_frames), (0.0, own), "pictures of a camera that ended");
        assert_eq!(
            grown[1] > 0.001,
            trouble == Trouble::Camera,
            "sound of a microphone that ended, or none of one that goes on: {grown:?}"
        );
        assert!(!seen.facts.iter().any(|f| matches!(f, Fact::Decoding { on: false, .. })));
    }
}
