//! Owns: the whole life of a box in one boot: power, home screen, a key of the TV's remote, a visit with Chromium, the end, the ledger.
//! Never: a mock; a shortcut into the guest but the probe, which looks and presses keys of the TV.
//! Called by: `scripts/test image`.

use std::panic::catch_unwind;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parloir_bench::lines::Line;
use parloir_bench::network::SITE;
use parloir_image::packets::destinations;
use parloir_image::picture::Picture;
use parloir_image::story::{ledger, memory};
use parloir_image::talk::Entry;
use parloir_image::tools::tree;
use parloir_image::{Halt, Machine, Options, Probe, Scene, Uki, inside_twice};
use serde_json::{Value, json};

/// The visit's length once both sides see each other.
const VISIT: Duration = Duration::from_secs(20);
/// A step of a visit, under emulation and beside a browser.
const STEP: Duration = Duration::from_secs(120);
/// For so long after a new screen an OK does nothing, milliseconds of the guest.
const SETTLE_MS: u64 = 700;
/// Until the home screen shows all that it has.
const SETTLED: Duration = Duration::from_secs(30);
/// Colours may differ so much: two libraries render one font.
const TOLERANCE: u8 = 40;

/// The one life that all tests here look at; `None` where it cannot be played. It is played once, also when it fails.
fn life() -> Option<&'static Value> {
    static LIFE: OnceLock<Option<Option<Value>>> = OnceLock::new();
    let told = LIFE.get_or_init(|| {
        let report = tree().join("out/image/box/report.json");
        let played = catch_unwind(|| inside_twice("a_box_lives_from_power_to_receipt", || whole(&report))).ok()?;
        Some(played.then(|| {
            let text = std::fs::read_to_string(&report).expect("the report");
            serde_json::from_str(&text).expect("JSON")
        }))
    });
    told.as_ref().expect("a life that was played to its end").as_ref()
}

#[test]
fn a_box_lives_from_power_to_receipt() {
    let Some(report) = life() else { return };
    println!("{report:#}");
    let figure = |path: &str| report.pointer(path).cloned().unwrap_or_default();
    println!("image: {}", figure("/image"));
    for stage in ["first_picture", "home", "call_ready"] {
        let at = |what: &str| figure(&format!("/boot/{stage}/{what}"));
        println!("{stage}: {} s after the kernel's start, {} s of processor time in all", at("guest_s"), at("qemu_cpu_s"));
    }
    for when in ["idle", "visit"] {
        println!("memory, {when}: {}", figure(&format!("/memory/{when}")));
    }
    println!(
        "revoked: door shut after {} ms; gate took {} ms",
        figure("/revoked/to_shut_door_ms"),
        figure("/revoked/gate_took_ms")
    );
}

#[test]
fn the_system_came_up_whole() {
    let Some(report) = life() else { return };
    assert_eq!(report["failed_units"], json!([]), "failed units");
    assert_eq!(report["ordering_cycles"], json!([]), "ordering cycles");
    assert_eq!(report["boot_complete"], json!("active"));
    assert_eq!(report["errors"], json!([]), "lines that call themselves a bug");
}

#[test]
fn the_tv_shows_the_home_screen_that_the_ui_draws_elsewhere() {
    let Some(report) = life() else { return };
    let share = |name: &str| report["home"][name].as_f64().expect("compared");
    // The time of day and the next booking are later there than they were here.
    assert!(share("differs") < 0.04 && share("contacts_differ") < 0.004, "{}", report["home"]);
}

#[test]
fn a_key_of_the_tvs_remote_moves_the_focus_and_places_a_call() {
    let Some(report) = life() else { return };
    let moved = report["focus"]["moved"].as_f64().expect("compared");
    assert!((0.001..0.5).contains(&moved), "{}", report["focus"]);
    assert_eq!(report["asked"], json!(true));
    assert_eq!(report["box_on_cec"], json!(true), "nobody has told the TV that a box is at the other end of the cable");
}

#[test]
fn frames_are_decoded_on_both_sides_at_the_size_of_the_emulation() {
    let Some(report) = life() else { return };
    for side in ["box", "page"] {
        let s = &report["visit"][side];
        // Ten a second are wanted; an emulated processor that shares two cores with a browser has brought two.
        assert!(s["frames_in_visit"].as_u64() > Some(20), "{side}: {s}");
        assert!(s["width"].as_u64().is_some_and(|width| (160..=640).contains(&width)), "{side}: {s}");
    }
}

#[test]
fn the_end_takes_the_camera_away() {
    let Some(report) = life() else { return };
    let (before, during, after) = (&report["camera"]["before"], &report["camera"]["during"], &report["camera"]["after"]);
    for closed in [before, after] {
        assert_eq!(closed["openers"], json!([]), "{closed}");
        assert_eq!((&closed["uid"], &closed["gid"], &closed["mode"]), (&json!(0), &json!(0), &json!(0o600)), "{closed}");
    }
    let openers = during["openers"].as_array().expect("a list");
    assert!(!openers.is_empty() && openers.iter().all(|name| name == "parloir-call"), "{during}");
}

#[test]
fn a_no_of_the_facility_shuts_the_door() {
    let Some(report) = life() else { return };
    let revoked = &report["revoked"];
    assert!(revoked["to_shut_door_ms"].as_f64().is_some_and(|ms| (0.0..2000.0).contains(&ms)), "{revoked}");
    assert_eq!(revoked["camera"]["openers"], json!([]), "{revoked}");
    assert_eq!(revoked["camera"]["uid"], json!(0), "{revoked}");
    assert_eq!(revoked["end_reason"], json!("Revoked"), "{revoked}");
}

#[test]
fn nothing_leaves_the_box_but_for_broker_relay_and_an_address_of_its_own() {
    let Some(report) = life() else { return };
    let spoken_to = report["spoken_to"].as_object().expect("counted on the wire");
    let (broker, relay) = (report["broker"].as_str().expect("an address"), report["relay"].as_str().expect("an address"));
    // DHCP to everybody, and its renewal to QEMU's own server.
    let allowed = [broker, relay, "arp", "udp 255.255.255.255:67", "udp 10.0.2.2:67"];
    assert!(spoken_to.keys().all(|to| allowed.contains(&to.as_str())), "{spoken_to:?}");
    assert!(spoken_to.get(relay).and_then(Value::as_u64) > Some(100), "media went by the relay: {spoken_to:?}");
}

#[test]
fn the_receipt_and_the_ledger_tell_the_visit() {
    let Some(report) = life() else { return };
    assert_eq!(report["receipt"]["verified"], json!(true), "{}", report["receipt"]);
    assert!(report["receipt"]["seconds_counted"].as_f64() > Some(15.0), "{}", report["receipt"]);
    assert_eq!(report["ledger"]["whole"], json!(true), "{}", report["ledger"]);
    let rows = report["ledger"]["rows"].as_array().expect("rows");
    let events: Vec<&str> = rows.iter().filter_map(|row| row["event"].as_str()).collect();
    let mut rest = events.iter();
    for wanted in ["started", "asked", "admitted", "doors-opened", "doors-shut", "ended"] {
        assert!(rest.any(|event| *event == wanted), "{wanted} is not in its place in {events:?}");
    }
}

/// The course, within the namespaces.
fn whole(report: &Path) -> Result<(), Halt> {
    let mut scene = Scene::set_with("box", &[], &["--console"])?;
    let elsewhere = scene.home_of_the_bench()?;
    let disk = scene.disk(Uki::Probe)?;
    let (mut machine, probe) = scene.boot(&Options::new("box", &disk))?;
    scene.until(&mut machine, "the facility's word to the box", STEP, |scene| scene.play.seen.attached)?;
    let mut told = settled(&mut scene, &mut machine, &probe)?;
    told["image"] = image(&scene)?;
    told["boot"] = booted(&scene, &machine, &probe);
    told["home"] = home(&mut scene, &mut machine, &elsewhere)?;
    told["memory"] = json!({ "idle": memory(&probe)? });
    told["camera"] = json!({ "before": camera(&probe)? });
    told["box_on_cec"] = on_cec(&probe)?;
    told["focus"] = focus(&mut scene, &mut machine, &probe)?;
    visitor(&mut scene)?;
    visit(&mut scene, &mut machine, &probe, &mut told)?;
    // Kept now too: what follows may fail.
    std::fs::write(report, format!("{told:#}\n"))?;
    told["revoked"] = revoked(&mut scene, &mut machine, &probe)?;
    told["errors"] = json!(scene.play.seen.errors);
    told["failed_units"] = failed(&probe)?;
    let at = scene.out.join("state");
    told["ledger"] = ledger(&probe, &at)?;
    told["spoken_to"] = json!(destinations(&std::fs::read(machine.pcap())?));
    let port = |name: &str| scene.play.stage.supervisor.values.get(name).cloned().unwrap_or_default();
    told["broker"] = json!(format!("tcp {SITE}:{}", port("broker-port")));
    told["relay"] = json!(format!("udp {SITE}:{}", port("turn-port")));
    told["qemu_cpu_s"] = json!(machine.cpu_seconds());
    let lines = scene.play.lines.iter().flatten().map(|line| format!("{}: {}\n", line.from, line.text));
    std::fs::write(scene.out.join("visit.log"), lines.collect::<String>())?;
    std::fs::write(report, format!("{told:#}\n"))?;
    Ok(())
}

/// What was built: sizes as the build says them, and how many packages of Debian are in it.
fn image(scene: &Scene) -> Result<Value, Halt> {
    let out = scene.built.dir.join("out");
    let sizes = std::fs::read_to_string(out.join("sizes"))?;
    let packages = std::fs::read_to_string(out.join("packages"))?.lines().count();
    Ok(json!({ "sizes": sizes.lines().collect::<Vec<_>>(), "packages": packages }))
}

/// When what was there: by the guest's own clock since its kernel started, and by what the emulation had cost until then.
fn booted(scene: &Scene, machine: &Machine, probe: &Probe) -> Value {
    let journal = scene.journal();
    let stamp = |unit: &str, words: &str| {
        let is_it = |entry: &&Entry| entry.unit.starts_with(unit) && entry.text.contains(words);
        journal.iter().find(is_it).map(|entry| {
            // Guest and host clocks run alike; one sight of both tells their distance.
            let cost = probe.hello().and_then(|hello| {
                let ago = Duration::try_from_secs_f64((hello.boot_s - entry.at).max(0.0)).ok()?;
                let later = Duration::try_from_secs_f64((entry.at - hello.boot_s).max(0.0)).ok()?;
                Some(machine.cpu_seconds_at(hello.at.checked_sub(ago)? + later))
            });
            json!({ "guest_s": entry.at, "qemu_cpu_s": cost })
        })
    };
    json!({
        "first_picture": stamp("parloir-still.service", "Started"),
        "home": stamp("parloir-ui.service", "phase=\"home\""),
        "call_ready": stamp("boot-complete.target", "Reached"),
        "wall_s": machine.started.elapsed().as_secs_f64(),
    })
}

/// Waits until nothing is being started any more, and says what systemd says.
fn settled(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<Value, Halt> {
    let active = |unit: &str| probe.run(&["systemctl", "is-active", unit]).map(|ran| ran.out().trim().to_owned());
    let begun = Instant::now();
    let mut complete = active("boot-complete.target")?;
    while complete == "inactive" && begun.elapsed() < STEP {
        scene.until(machine, "a second", STEP, |_| true)?;
        scene.play.idle(Duration::from_secs(1))?;
        complete = active("boot-complete.target")?;
    }
    let cycles: Vec<String> =
        scene.journal().into_iter().map(|entry| entry.text).filter(|text| text.contains("ordering cycle")).collect();
    Ok(json!({ "boot_complete": complete, "ordering_cycles": cycles }))
}

fn failed(probe: &Probe) -> Result<Value, Halt> {
    let list = probe.out(&["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager"])?;
    Ok(json!(list.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>()))
}

/// The TV's picture beside the one that the ui draws without a TV, of the same site and moment. The time of day comes with the
/// facility's word, some frames after the rest.
fn home(scene: &mut Scene, machine: &mut Machine, elsewhere: &Path) -> Result<Value, Halt> {
    let (path, drawn) = (scene.out.join("home.png"), Picture::read(elsewhere)?);
    let contacts = |picture: &Picture| picture.rows(310, 720);
    let begun = Instant::now();
    loop {
        machine.screendump(&path)?;
        let tv = Picture::read(&path)?;
        let apart = contacts(&tv).differs(&contacts(&drawn), TOLERANCE);
        if apart < 0.004 || begun.elapsed() > SETTLED {
            return Ok(json!({
                "differs": tv.differs(&drawn, TOLERANCE), "contacts_differ": apart, "after_s": begun.elapsed().as_secs_f64(),
                "width": tv.width, "height": tv.height, "colours": tv.colours(),
            }));
        }
        scene.play.idle(Duration::from_millis(500))?;
    }
}

/// Right and left again by the TV's remote: the picture changes, but not all of it.
fn focus(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<Value, Halt> {
    let mut look = |scene: &Scene, name: &str| -> Result<Picture, Halt> {
        let path = scene.out.join(name);
        machine.screendump(&path)?;
        Ok(Picture::read(&path)?)
    };
    let before = look(scene, "focus-before.png")?;
    let mut moved = 0.0;
    for key in ["right", "left"] {
        scene.tv_key(probe, key)?;
        let begun = Instant::now();
        while key == "right" && moved < 0.001 && begun.elapsed() < Duration::from_secs(20) {
            scene.play.idle(Duration::from_millis(500))?;
            moved = look(scene, "focus-after.png")?.differs(&before, 8);
        }
        scene.play.idle(Duration::from_secs(2))?;
    }
    Ok(json!({ "moved": moved, "back": look(scene, "focus-back.png")?.differs(&before, 8) }))
}

/// Whether the box has told the TV that it is there: it then has a logical address. A box that has not is helped here, so that the
/// rest of its life can be seen.
fn on_cec(probe: &Probe) -> Result<Value, Halt> {
    let node = "/dev/parloir/cec";
    let there = probe
        .out(&["cec-ctl", "-d", node])?
        .lines()
        .any(|line| line.contains("Logical Address Mask") && !line.contains("0x0000"));
    if !there {
        probe.out(&["cec-ctl", "-d", node, "-s", "--playback"])?;
    }
    Ok(json!(there))
}

/// The camera's node and who has it open.
fn camera(probe: &Probe) -> Result<Value, Halt> {
    let link = "/dev/parloir/camera";
    let to = probe.stat(link)?.to;
    let path = format!("/dev/{}", to.trim_start_matches("../").trim_start_matches("/dev/"));
    let node = probe.stat(&path)?;
    let openers: Vec<String> = probe.openers(&path)?.into_iter().map(|opener| opener.name).collect();
    Ok(json!({ "node": path, "uid": node.uid, "gid": node.gid, "mode": node.mode, "openers": openers }))
}

/// OK on the first contact, twenty seconds, Back.
fn visit(scene: &mut Scene, machine: &mut Machine, probe: &Probe, told: &mut Value) -> Result<(), Halt> {
    let pressed = Instant::now();
    call(scene, machine, probe)?;
    told["asked"] = json!(true);
    let ready = pressed.elapsed().as_secs_f64();
    let before = [scene.play.seen.appliance.decoded(), scene.play.seen.visitor.decoded()];
    let cost = machine.cpu_seconds();
    scene.play.idle(VISIT / 2)?;
    machine.screendump(&scene.out.join("visit.png"))?;
    told["camera"]["during"] = camera(probe)?;
    told["memory"]["visit"] = json!(memory(probe)?);
    scene.play.idle(VISIT / 2)?;
    let seen = &scene.play.seen;
    let side = |side: &parloir_bench::watch::Side, before: u64| {
        let (fps, lowest) = side.settled();
        json!({
            "frames_in_visit": side.decoded().saturating_sub(before), "width": side.width, "height": side.height,
            "codec": side.codec, "fps": fps, "lowest_fps": lowest, "sound": side.sound,
        })
    };
    told["visit"] = json!({
        "box": side(&seen.appliance, before[0]), "page": side(&seen.visitor, before[1]),
        "ok_to_both_see_s": ready, "qemu_cpu_s": machine.cpu_seconds() - cost,
    });
    scene.tv_key(probe, "back")?;
    scene.until(machine, "the receipt", STEP, |scene| scene.play.seen.receipt.is_some())?;
    scene.until(machine, "the end on the screen", STEP, |scene| matches!(scene.play.seen.phase.as_str(), "ended" | "home"))?;
    scene.play.idle(Duration::from_secs(2))?;
    machine.screendump(&scene.out.join("ended.png"))?;
    told["camera"]["after"] = camera(probe)?;
    told["shut_took_ms"] = json!(scene.play.seen.gate_took_ms);
    told["receipt"] = scene.play.seen.receipt.clone().unwrap_or_default();
    told["end_reason"] = json!(scene.play.seen.end_reason);
    Ok(())
}

/// A browser that stays after the end of a visit, at its page.
fn visitor(scene: &mut Scene) -> Result<(), Halt> {
    let url = scene.play.seen.visitor_url.clone().unwrap_or_default();
    scene.play.stage.visitor_with(&url, &["--stay"])?;
    scene.play.lines = Some(Vec::new());
    scene.play.until("the visitor's page in the browser", STEP, |seen| seen.visitor_waits)
}

/// A second visit, which staff revoke: from the word at the facility to the shut door, by the guest's clock.
fn revoked(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<Value, Halt> {
    if scene.play.seen.phase == "ended" {
        scene.tv_key(probe, "back")?;
    }
    scene.until(machine, "the home screen again", STEP, |scene| scene.play.seen.phase == "home")?;
    scene.play.seen.visitor_waits = false;
    scene.play.stage.supervisor.say("visitor", r#"{"do":"back"}"#)?;
    scene.until(machine, "the page waiting again", STEP, |scene| scene.play.seen.visitor_waits)?;
    let seen = &mut scene.play.seen;
    (seen.first_picture_ns, seen.visitor.first_frame_ms, seen.receipt) = (None, None, None);
    call(scene, machine, probe)?;
    scene.play.idle(Duration::from_secs(3))?;
    let granted = |line: &Line| line.json().filter(|event| event["event"] == "granted")?["grant"].as_str().map(str::to_owned);
    let grant = scene.play.lines.iter().flatten().rev().find_map(granted).ok_or_else(|| Halt::Failed("no grant".to_owned()))?;
    // The guest's clock at this moment, by asking it: half of the way there and back is the error.
    let asked = Instant::now();
    let (clock, _) = probe.clocks()?;
    let error = asked.elapsed() / 2;
    let since = Instant::now();
    scene.play.stage.supervisor.say("facility", &json!({ "do": "deny", "target": { "grant": grant } }).to_string())?;
    let said_s = clock + (since - asked).as_secs_f64() - error.as_secs_f64();
    let shut = |scene: &Scene| scene.journal().iter().rfind(|e| e.text.contains("shut_reason") && e.at > said_s).map(|e| e.at);
    scene.until(machine, "the shut door of a revoked visit", STEP, |scene| shut(scene).is_some())?;
    scene.until(machine, "the receipt of a revoked visit", STEP, |scene| scene.play.seen.receipt.is_some())?;
    let shut_s = shut(scene).unwrap_or(f64::MAX);
    Ok(json!({
        "to_shut_door_ms": (shut_s - said_s) * 1000.0, "error_ms": error.as_secs_f64() * 1000.0,
        "gate_took_ms": scene.play.seen.gate_took_ms, "end_reason": scene.play.seen.end_reason, "camera": camera(probe)?,
    }))
}

/// OK on the first contact, until both sides decode; an emulated box takes its time.
fn call(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<(), Halt> {
    // A press right after a screen came was meant for the one before it, and calls nobody (ui/src/keys.rs).
    scene.play.idle(Duration::from_millis(2 * SETTLE_MS))?;
    scene.tv_key(probe, "select")?;
    scene.until(machine, "an answer to OK", STEP, |scene| !matches!(scene.play.seen.phase.as_str(), "home" | ""))?;
    let both = |scene: &Scene| {
        let seen = &scene.play.seen;
        (seen.first_picture_ns.is_some() && seen.visitor.first_frame_ms.is_some())
            || matches!(seen.phase.as_str(), "refused" | "ended")
    };
    scene.until(machine, "pictures on both sides", STEP, both)?;
    let seen = &scene.play.seen;
    if matches!(seen.phase.as_str(), "refused" | "ended") {
        return Err(Halt::Failed(format!("no visit: the screen shows {}, {:?}", seen.phase, seen.refused)));
    }
    Ok(())
}
