//! Owns: what the TV shows, whatever happens to it: off at boot and plugged in later, another mode, pulled out and back, a screen that
//! is killed, a screen that keeps ending; and that nobody but the screen and the still has the card.
//! Never: a mock; a shortcut into the guest but the probe, which looks and kills.
//! Called by: `scripts/test image`.

use std::panic::catch_unwind;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use parloir_image::picture::Picture;
use parloir_image::tools::tree;
use parloir_image::tv::Tv;
use parloir_image::{Halt, Machine, Options, Probe, Scene, Uki, inside_twice};
use serde_json::{Value, json};

/// A step, under emulation.
const STEP: Duration = Duration::from_secs(120);
/// What is between two changes of a TV: nobody is faster with a plug.
const SETTLED: Duration = Duration::from_secs(2);
/// What the guest's kernel has seen at the card's only connector.
const STATUS: &str = "/sys/class/drm/card0-Virtual-1/status";
/// From a TV's coming to its picture: five times what the slowest machine took. Figures are printed, not promised.
const SOON_S: f64 = 10.0;
/// The product's help stands for five minutes; here for as long as a crash loop is remembered, and a little more.
const HELP: &str = "[Service]\nExecStart=\nExecStart=/usr/libexec/parloir/parloir-still \
    --picture /usr/share/parloir/stills/help.png --keep --for 75\n";
/// Channels of two pictures of the same may differ by this.
const TOLERANCE: u8 = 8;

/// The one life that all tests here look at; `None` where it cannot be played. It is played once, also when it fails.
fn life() -> Option<&'static Value> {
    static LIFE: OnceLock<Option<Option<Value>>> = OnceLock::new();
    let told = LIFE.get_or_init(|| {
        let report = tree().join("out/image/screen/report.json");
        let played = catch_unwind(|| inside_twice("a_tv_comes_and_goes", || whole(&report))).ok()?;
        Some(played.then(|| {
            let text = std::fs::read_to_string(&report).expect("the report");
            serde_json::from_str(&text).expect("JSON")
        }))
    });
    told.as_ref().expect("a life that was played to its end").as_ref()
}

#[test]
fn a_tv_comes_and_goes() {
    let Some(report) = life() else { return };
    println!("{report:#}");
}

#[test]
fn the_first_picture_comes_before_the_screen_and_nothing_dark_comes_between() {
    let Some(report) = life() else { return };
    let early = &report["early"];
    assert_eq!(early["dark_after_it"], json!(0), "{early}");
    let at = |name: &str| early[name]["qemu_cpu_s"].as_f64().expect("seen");
    assert!(at("first_picture") + 1.0 < at("home"), "{early}");
}

#[test]
fn a_box_without_a_tv_comes_up_and_says_that_it_waits_for_one() {
    let Some(report) = life() else { return };
    assert_eq!(report["dark"]["ui"], json!(["active", "waiting for the TV"]));
    assert_eq!(report["dark"]["still"][0], json!("active"));
    assert_eq!(report["dark"]["failed"], json!(""));
}

#[test]
fn a_tv_that_is_plugged_in_shows_the_screen_at_once_and_in_its_size() {
    let Some(report) = life() else { return };
    for (name, width, height) in [("plugged", 1280, 720), ("smaller", 1024, 768), ("larger", 1920, 1080), ("again", 1280, 720)] {
        let seen = &report[name];
        assert_eq!((&seen["width"], &seen["height"]), (&json!(width), &json!(height)), "{name}: {seen}");
        assert!(seen["after_s"].as_f64().is_some_and(|s| s < SOON_S), "{name}: {seen}");
    }
    assert!(report["again"]["differs_from_plugged"].as_f64() < Some(0.01), "{}", report["again"]);
    assert_eq!(report["smaller"]["ground_above"], json!(true), "16 to 9 in the middle of 4 to 3");
}

#[test]
fn under_a_screen_that_is_killed_stands_the_still() {
    let Some(report) = life() else { return };
    let killed = &report["killed"];
    let stood = killed["still_seen"] == json!(true) || killed["still_said"] == json!(true);
    assert!(stood || killed["home_after_s"].as_f64() < Some(1.0), "{killed}");
    assert!(killed["home_after_s"].as_f64().is_some_and(|s| s < SOON_S), "{killed}");
}

#[test]
fn a_screen_that_keeps_ending_leaves_a_call_for_help_and_is_tried_again() {
    let Some(report) = life() else { return };
    let help = &report["help"];
    assert!(help["differs"].as_f64() < Some(0.001), "{help}");
    assert!(help["stood_s"].as_f64() > Some(60.0), "{help}");
    assert_eq!(help["then"], json!(["active", "active"]), "ui and still: {help}");
}

#[test]
fn nobody_else_has_the_card_and_the_screen_has_no_keyboard_and_no_terminal() {
    let Some(report) = life() else { return };
    let openers: Vec<&str> = report["openers"]["card"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(openers.contains(&"parloir-ui"), "{openers:?}");
    assert!(openers.iter().all(|name| ["parloir-ui", "parloir-still"].contains(name)), "{openers:?}");
    assert_eq!(report["openers"]["ui"], json!([]), "nodes that the screen has open beside the card");
}

#[test]
fn a_screen_at_rest_costs_next_to_nothing() {
    let Some(report) = life() else { return };
    let share = |name: &str| report["rest"][name]["cpu_percent"].as_f64().expect("measured");
    // Under emulation, tens of times slower than a board.
    assert!(share("parloir-ui") < 10.0 && share("parloir-still") < 2.0, "{}", report["rest"]);
}

/// The course, within the namespaces.
fn whole(report: &Path) -> Result<(), Halt> {
    let mut scene = Scene::set("screen")?;
    let disk = scene.disk(Uki::Probe)?;
    let tv = Tv::of(&disk);
    let mut options = Options::new("screen", &disk);
    options.arguments = tv.arguments();
    options.credentials.push(("systemd.unit-dropin.parloir-help.service".to_owned(), HELP.as_bytes().to_vec()));
    let mut machine = scene.start(&options)?;
    tv.none()?;
    let probe = scene.listen(&machine)?;
    scene.greeted(&mut machine, &probe)?;
    scene.until(&mut machine, "home, without a TV", STEP * 3, |scene| scene.play.seen.phase == "home")?;
    let mut told = json!({ "dark": {
        "ui": unit(&probe, "parloir-ui")?, "still": unit(&probe, "parloir-still")?,
        "failed": probe.out(&["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager"])?.trim(),
    }});
    told["plugged"] = plug((&mut scene, &mut machine, &probe), &tv, (1280, 720))?;
    let first = look(&scene, &mut machine, "plugged")?;
    told["rest"] = rest(&mut scene, &probe)?;
    told["openers"] = openers(&probe)?;
    told["smaller"] = plug((&mut scene, &mut machine, &probe), &tv, (1024, 768))?;
    let smaller = look(&scene, &mut machine, "smaller")?;
    told["smaller"]["ground_above"] = json!(smaller.rows(0, 90).colours() == 1 && smaller.rows(96, 672).colours() > 50);
    told["larger"] = plug((&mut scene, &mut machine, &probe), &tv, (1920, 1080))?;
    look(&scene, &mut machine, "larger")?;
    scene.play.idle(SETTLED)?;
    tv.unplug()?;
    said(&mut scene, &mut machine, "waiting for the TV", 2)?;
    told["again"] = plug((&mut scene, &mut machine, &probe), &tv, (1280, 720))?;
    told["again"]["differs_from_plugged"] = json!(look(&scene, &mut machine, "again")?.differs(&first, TOLERANCE));
    told["killed"] = killed(&mut scene, &mut machine, &probe)?;
    told["help"] = help(&mut scene, &mut machine, &probe)?;
    told["said"] = json!(words(&scene));
    machine.quit();
    told["early"] = early(&mut scene, &disk)?;
    std::fs::write(report, format!("{told:#}\n"))?;
    scene.keep()?;
    Ok(())
}

/// A boot with the TV on: what it shows from power to the home screen.
fn early(scene: &mut Scene, disk: &Path) -> Result<Value, Halt> {
    let still = Picture::read(&tree().join("ui/tests/pictures/still-starting.png"))?;
    let mut machine = scene.start(&Options::new("screen-early", disk))?;
    let _probe = scene.listen(&machine)?;
    let (mut told, mut dark, mut looks) = (json!({ "first_picture": null }), 0, 0);
    loop {
        let wall = machine.started.elapsed();
        let moment = json!({ "wall_s": wall.as_secs_f64(), "qemu_cpu_s": machine.cpu_seconds() });
        let picture = look(scene, &mut machine, "early")?;
        let is_still = picture.differs(&still, TOLERANCE) < 0.001;
        if is_still && told["first_picture"].is_null() {
            told["first_picture"] = moment.clone();
            std::fs::copy(scene.out.join("early.png"), scene.out.join("early-still.png"))?;
        }
        looks += 1;
        dark += u32::from(!told["first_picture"].is_null() && picture.colours() <= 2);
        if scene.play.seen.phase == "home" && !is_still {
            (told["home"], told["dark_after_it"], told["looks"]) = (moment, json!(dark), json!(looks));
            told["said"] = json!(words(scene));
            return Ok(told);
        }
        if wall > STEP * 3 {
            return Err(Halt::Failed(format!("no home screen: {told}; {:?}", words(scene))));
        }
        scene.play.idle(Duration::from_millis(100))?;
    }
}

/// State and status of a service.
fn unit(probe: &Probe, name: &str) -> Result<Value, Halt> {
    let shown = probe.out(&["systemctl", "show", "--property=ActiveState,StatusText", name])?;
    let value = |key: &str| shown.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
    Ok(json!([value("ActiveState="), value("StatusText=")]))
}

fn look(scene: &Scene, machine: &mut Machine, name: &str) -> Result<Picture, Halt> {
    let path = scene.out.join(format!("{name}.png"));
    machine.screendump(&path)?;
    Ok(Picture::read(&path)?)
}

/// A TV of this size comes; how long until the screen stands on all of it, and how often the plug was put in.
///
/// The emulated card's driver asks what is plugged in and only then clears the event that told it: a change in between is lost to the
/// guest's kernel, on a slow machine more than once. Where the kernel itself has no TV, the plug is pulled and put in again, as a person
/// would; where it has one and the screen does not stand on it, the screen is at fault.
fn plug(
    (scene, machine, probe): (&mut Scene, &mut Machine, &Probe),
    tv: &Tv,
    (width, height): (u16, u16),
) -> Result<Value, Halt> {
    let (mut plugs, mut begun) = (0, Instant::now());
    loop {
        if plugs == 0 || (plugs < 3 && begun.elapsed() > STEP / 3 && probe.text(STATUS)?.trim() == "disconnected") {
            if plugs > 0 {
                println!("{width}x{height}: the guest's kernel has missed the plug; it is pulled and put in again");
                tv.unplug()?;
            }
            scene.play.idle(SETTLED)?;
            begun = Instant::now();
            tv.plug(width, height)?;
            plugs += 1;
        }
        let picture = look(scene, machine, "coming")?;
        let right = (picture.width, picture.height) == (width.into(), height.into());
        // Ground alone, or the firmware's and the kernel's few, is no screen.
        if right && picture.colours() > 50 {
            let after = begun.elapsed().as_secs_f64();
            return Ok(json!({ "width": picture.width, "height": picture.height, "after_s": after, "plugs": plugs }));
        }
        if begun.elapsed() > STEP {
            let said: Vec<String> =
                scene.journal().into_iter().filter(|entry| is_ours(&entry.unit)).map(|entry| entry.text).collect();
            let said = &said[said.len().saturating_sub(20)..];
            let status = probe.text(STATUS)?;
            return Err(Halt::Failed(format!("no screen on a TV of {width}x{height} ({status}); the screen said {said:#?}")));
        }
        scene.play.idle(Duration::from_millis(50))?;
    }
}

/// Waits until the screen has said this so often.
fn said(scene: &mut Scene, machine: &mut Machine, what: &str, times: usize) -> Result<(), Halt> {
    scene.until(machine, what, STEP, |scene| words(scene).iter().filter(|text| text.contains(what)).count() >= times)
}

/// What screen and still said of the TV.
fn words(scene: &Scene) -> Vec<String> {
    let entries = scene.journal().into_iter().filter(|entry| is_ours(&entry.unit) && entry.text.contains("boot_ms="));
    entries.map(|entry| format!("{} {}", entry.from, entry.text)).collect()
}

/// Whoever draws on the TV.
fn is_ours(unit: &str) -> bool {
    ["parloir-ui.", "parloir-still.", "parloir-help."].iter().any(|name| unit.starts_with(name))
}

/// Ten seconds of a screen on which nothing happens.
fn rest(scene: &mut Scene, probe: &Probe) -> Result<Value, Halt> {
    const NAMES: [&str; 2] = ["parloir-ui", "parloir-still"];
    let ticks = |name: &str| -> Result<(f64, u32), Halt> {
        let pid = probe.process(&format!("{name}.service"))?.pid;
        let stat = probe.text(&format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let number = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or_default();
        Ok((number(11) + number(12), pid))
    };
    let (before, begun) = ([ticks(NAMES[0])?, ticks(NAMES[1])?], Instant::now());
    scene.play.idle(Duration::from_secs(10))?;
    let mut told = json!({});
    for (name, (was, _)) in NAMES.iter().zip(before) {
        let (now, _) = ticks(name)?;
        let memory = probe.text(&format!("/sys/fs/cgroup/parloir.slice/{name}.service/memory.current"))?;
        let kib = memory.trim().parse::<u64>().unwrap_or_default() / 1024;
        // Ticks are hundredths of a second.
        told[*name] = json!({ "cpu_percent": (now - was) / begun.elapsed().as_secs_f64(), "memory_kib": kib });
    }
    Ok(told)
}

/// Who has the card, and what else of `/dev` the screen has open.
fn openers(probe: &Probe) -> Result<Value, Halt> {
    let card: Vec<String> = probe.openers("/dev/dri/card0")?.into_iter().map(|opener| opener.name).collect();
    let pid = probe.process("parloir-ui.service")?.pid;
    let mut others = Vec::new();
    for descriptor in probe.list(&format!("/proc/{pid}/fd"))? {
        let to = probe.stat(&format!("/proc/{pid}/fd/{descriptor}")).map(|node| node.to).unwrap_or_default();
        if to.starts_with("/dev/") && !to.starts_with("/dev/dri/card") && to != "/dev/null" {
            others.push(to);
        }
    }
    Ok(json!({ "card": card, "ui": others }))
}

/// Kills the screen and looks at the TV until it is back.
fn killed(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<Value, Halt> {
    let home = look(scene, machine, "before-kill")?;
    let still = Picture::read(&tree().join("ui/tests/pictures/still-starting.png"))?;
    let pid = probe.process("parloir-ui.service")?.pid;
    let stands = |scene: &Scene| words(scene).iter().filter(|text| text.contains("the picture stands")).count();
    let (begun, stood) = (Instant::now(), stands(scene));
    probe.signal(pid, Signal::SIGKILL)?;
    let (mut still_seen, mut dark, mut looks) = (false, 0, 0);
    loop {
        let picture = look(scene, machine, "killed")?;
        looks += 1;
        dark += u32::from(picture.colours() <= 2);
        if picture.differs(&still, TOLERANCE) < 0.001 {
            still_seen = true;
            std::fs::copy(scene.out.join("killed.png"), scene.out.join("killed-still.png"))?;
        }
        let new = probe.process("parloir-ui.service").is_ok_and(|process| process.pid != pid);
        if new && picture.differs(&home, TOLERANCE) < 0.05 {
            let home_after = begun.elapsed().as_secs_f64();
            // A machine on which one look takes seconds sees nothing of what was in between; the still's own word comes a little later.
            scene.play.idle(SETTLED)?;
            return Ok(json!({
                "still_seen": still_seen, "still_said": stands(scene) > stood, "home_after_s": home_after, "looks": looks, "dark": dark,
            }));
        }
        if begun.elapsed() > STEP {
            return Err(Halt::Failed("the screen did not come back".to_owned()));
        }
        scene.play.idle(Duration::from_millis(20))?;
    }
}

/// Kills the screen whenever it is there, until help is asked for; looks at that, and waits for the screen.
fn help(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<Value, Halt> {
    let active = |name: &str| probe.run(&["systemctl", "is-active", name]).map(|ran| ran.out().trim().to_owned());
    let begun = Instant::now();
    let mut kills = 0;
    while active("parloir-help")? != "active" {
        if let Ok(process) = probe.process("parloir-ui.service") {
            kills += u32::from(probe.signal(process.pid, Signal::SIGKILL).is_ok());
        }
        if begun.elapsed() > STEP {
            return Err(Halt::Failed(format!("after {kills} kills nobody asks for help")));
        }
        scene.play.idle(Duration::from_millis(200))?;
    }
    let (stands, loop_s) = (Instant::now(), begun.elapsed().as_secs_f64());
    scene.play.idle(Duration::from_secs(2))?;
    let asked = look(scene, machine, "help")?;
    let expected = Picture::read(&tree().join("ui/tests/pictures/still-help.png"))?;
    let differs = asked.differs(&expected, TOLERANCE);
    while active("parloir-ui")? != "active" && stands.elapsed() < STEP {
        scene.play.idle(Duration::from_millis(500))?;
    }
    let stood = stands.elapsed().as_secs_f64();
    let then = [active("parloir-ui")?, active("parloir-still")?];
    scene.play.idle(Duration::from_secs(3))?;
    look(scene, machine, "after-help")?;
    Ok(json!({ "kills": kills, "loop_s": loop_s, "differs": differs, "stood_s": stood, "then": then }))
}
