//! The process's own contract, without a far end: what it needs to begin, when it ends, what it does with rubbish.
mod support;

use parloir_shell::fds;
use parloir_wire::lease::{Fact, Plan, ToCall, Trouble};
use parloir_wire::signal::Signal;
use std::process::Command;
use std::time::Duration;
use support::{Call, alone};

#[test]
fn the_sandbox_holds_and_every_element_starts_inside_it() {
    let out =
        Command::new(env!("CARGO_BIN_EXE_parloir-call")).arg("--probe").envs(support::sandbox_environment()).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && text.trim() == "ok", "{text}{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn without_its_environment_it_does_not_begin() {
    for missing in ["GST_REGISTRY", "GST_REGISTRY_UPDATE", "XDG_RUNTIME_DIR"] {
        let environment = support::sandbox_environment().into_iter().filter(|(name, _)| name != missing);
        let mut command = Command::new(env!("CARGO_BIN_EXE_parloir-call"));
        let out = command.env_remove(missing).arg("--probe").envs(environment).output().unwrap();
        assert!(!out.status.success(), "{missing}");
        assert!(String::from_utf8_lossy(&out.stderr).contains("org.parloir.Error.Sandbox"), "{missing}");
    }
}

#[test]
fn it_ends_with_either_hang_up_before_anything_was_granted() {
    let _alone = alone();
    for gate in [true, false] {
        let mut call = Call::start();
        call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
        let (lived, status) = call.hang_up(gate);
        assert!(status.success() && lived < Duration::from_millis(200), "{status} after {lived:?}");
    }
}

#[test]
fn a_message_that_is_none_ends_it_with_a_fault() {
    let _alone = alone();
    let mut call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.raw_order(&[9, 9, 9]);
    assert!(!call.ended(Duration::from_secs(2)).success());
}

#[test]
fn without_a_plan_there_is_no_offer_and_with_open_doors_no_picture_leaves() {
    let _alone = alone();
    let call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.open_doors();
    std::thread::sleep(Duration::from_secs(1));
    assert!(call.take_signals().is_empty(), "something was said before the grant");
    let seen = call.seen.lock().unwrap();
    assert!(seen.self_frames > 10, "the self view shows the open camera");
    assert_eq!((seen.far_frames, seen.progress().map(|p| (p.frames_sent, p.out_kbps))), (0, Some((0, 0))));
}

#[test]
fn plans_that_cannot_be_kept_and_far_rubbish_are_troubles_not_ends() {
    let _alone = alone();
    let call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    let good = Call::plan([1; 32], None);
    for bad in [Plan { lease: [0; 16], ..good.clone() }, Plan { width: 99, ..good.clone() }] {
        call.order(&ToCall::Plan(Box::new(bad)));
    }
    call.say(&Signal::Answer { generation: 1, sdp: "v=0".into() });
    let troubles = |what: Trouble| move |f: &Fact| matches!(f, Fact::Trouble { what: w, .. } if *w == what);
    call.wait_for("Pipeline", 2, troubles(Trouble::Pipeline));
    call.wait_for("Signalling", 2, troubles(Trouble::Signalling));
    assert!(call.take_signals().is_empty());

    call.order(&ToCall::Plan(Box::new(good)));
    call.wait_for_signal(5, |s| matches!(s, Signal::Offer { generation: 1, .. }));
    call.seen.lock().unwrap().facts.clear();
    for sdp in ["", "v=0", "\u{0}", &"m=".repeat(10_000)] {
        call.say(&Signal::Answer { generation: 1, sdp: sdp.into() });
        call.wait_for("Signalling", 2, troubles(Trouble::Signalling));
        call.seen.lock().unwrap().facts.clear();
    }
    call.say(&Signal::Candidate { generation: 1, mline: 0, candidate: "candidate:moon".into() });
    call.wait_for("Signalling", 2, troubles(Trouble::Signalling));
    call.say(&Signal::Bye { generation: 1 });
    call.wait_for("FarLeft", 2, |f| *f == Fact::FarLeft);
}

#[test]
fn a_link_that_comes_back_hears_the_offer_again() {
    let _alone = alone();
    let mut call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.order(&ToCall::Plan(Box::new(Call::plan([1; 32], None))));
    call.wait_for_signal(5, |s| matches!(s, Signal::Offer { .. }));
    let again = call.new_signal_end();
    let until = std::time::Instant::now() + Duration::from_secs(2);
    let heard = loop {
        if let Ok(Some(m)) = fds::recv(&again, parloir_wire::signal::MAX, 0) {
            break Signal::decode(&m.bytes).unwrap();
        }
        assert!(std::time::Instant::now() < until, "nothing was said to the new link");
        std::thread::sleep(Duration::from_millis(5));
    };
    let Signal::Offer { sdp, .. } = heard else { panic!("{heard:?}") };
    assert!(sdp.contains(&format!("a=fingerprint:sha-256 {}", parloir_call::verify::colons(&call.own))));
    assert_eq!(sdp.matches("a=fingerprint:").count(), 2);
}

#[test]
fn what_is_said_to_an_earlier_generation_is_not_heard() {
    let _alone = alone();
    let call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    for generation in 1..=3 {
        call.order(&ToCall::Plan(Box::new(Plan { generation, ..Call::plan([1; 32], None) })));
        call.wait_for_signal(5, |s| matches!(s, Signal::Offer { generation: g, .. } if *g == generation));
    }
    call.seen.lock().unwrap().facts.clear();
    for generation in [0, 1, 2, 4] {
        call.say(&Signal::Answer { generation, sdp: "rubbish".into() });
        call.say(&Signal::Candidate { generation, mline: 0, candidate: "rubbish".into() });
        call.say(&Signal::Bye { generation });
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(call.count(|f| !matches!(f, Fact::Progress(_))), 0, "{:?}", call.seen.lock().unwrap().facts);
    // The same generation, or an older one, is no re-call.
    for generation in [2, 3] {
        call.take_signals();
        call.order(&ToCall::Plan(Box::new(Plan { generation, ..Call::plan([1; 32], None) })));
        call.wait_for("trouble", 2, |f| matches!(f, Fact::Trouble { what: Trouble::Pipeline, .. }));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!call.take_signals().iter().any(|s| matches!(s, Signal::Offer { .. })));
    }
}

#[test]
fn a_far_side_that_asks_again_and_again_is_told_once_a_second() {
    let _alone = alone();
    let call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.order(&ToCall::Plan(Box::new(Call::plan([1; 32], None))));
    call.wait_for_signal(5, |s| matches!(s, Signal::Offer { .. }));
    for _ in 0..24 {
        call.say(&Signal::Again { generation: 1 });
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(Duration::from_millis(200));
    let told = call.count(|f| *f == Fact::FarAgain);
    assert!((2..=3).contains(&told), "told {told} times in 2.4 s");
}

#[test]
fn a_camera_that_is_not_there_is_told_and_nothing_ends() {
    let _alone = alone();
    for (board, says) in [(&[][..], "--camera"), (&["--camera", "/dev/parloir/no-camera"][..], "/dev/parloir/no-camera")] {
        let mut call = Call::start_with(board, &[]);
        call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
        // On the box no descriptor comes: the node is ours. What picture it is to give says the plan.
        call.open_door(parloir_wire::CAMERA, None);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(call.count(|f| matches!(f, Fact::Trouble { .. })), 0, "opened before the plan");
        call.order(&ToCall::Plan(Box::new(Call::plan([1; 32], None))));
        call.wait_for("Camera", 3, |f| matches!(f, Fact::Trouble { what: Trouble::Camera, detail } if detail.contains(says)));
        call.wait_for_signal(5, |s| matches!(s, Signal::Offer { .. }));
        assert!(call.child.0.try_wait().unwrap().is_none() && call.seen.lock().unwrap().self_frames == 0);
    }
}

#[test]
fn without_a_microphone_the_visit_goes_on() {
    let _alone = alone();
    let mut call = Call::start_with(&["--microphone", "no-such-card", "--loudspeaker", "no-such-card"], &[]);
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.open_door(parloir_wire::MICROPHONE, None);
    call.wait_for("Microphone", 3, |f| matches!(f, Fact::Trouble { what: Trouble::Microphone, .. }));
    call.order(&ToCall::Plan(Box::new(Call::plan([1; 32], None))));
    call.wait_for_signal(5, |s| matches!(s, Signal::Offer { .. }));
    assert!(call.child.0.try_wait().unwrap().is_none());
}

#[test]
fn the_offer_of_a_small_plan_says_what_may_come() {
    let _alone = alone();
    let call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    let plan =
        Plan { width: 320, height: 180, fps: 10, max_kbps: 200, start_kbps: 160, min_kbps: 50, ..Call::plan([1; 32], None) };
    for generation in [1, 2] {
        call.order(&ToCall::Plan(Box::new(Plan { generation, ..plan.clone() })));
        call.wait_for_signal(5, |s| matches!(s, Signal::Offer { generation: g, .. } if *g == generation));
        let said = call.take_signals();
        let sdp = said.iter().find_map(|s| if let Signal::Offer { sdp, .. } = s { Some(sdp) } else { None }).unwrap();
        let (audio, video) = sdp.split_once("m=video").unwrap();
        for line in ["b=TIAS:200000", "a=imageattr:96 recv [x=[16:320],y=[16:180]]", "a=framerate:10"] {
            assert!(video.lines().any(|l| l == line) && !audio.contains(line), "{line}: {sdp}");
        }
    }
}

/// As a service manager hears it: ready once, the watchdog petted by a loop that runs, silence from one that does not, and the end.
#[test]
fn the_service_manager_hears_that_it_is_ready_and_lives() {
    let _alone = alone();
    let path = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("notify-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let hear = || {
        let mut bytes = [0; 256];
        manager.recv(&mut bytes).map(|n| String::from_utf8_lossy(&bytes[..n]).into_owned()).unwrap_or_default()
    };
    let mut call = Call::start_with(&[], &[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1000000")]);
    assert_eq!(hear(), "READY=1");
    let began = std::time::Instant::now();
    let words: Vec<_> = (0..5).map(|_| hear()).collect();
    assert!(words.iter().all(|word| word == "WATCHDOG=1") && began.elapsed() < Duration::from_secs(3), "{words:?}");
    let pid = nix::unistd::Pid::from_raw(call.child.0.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    manager.set_nonblocking(true).unwrap();
    while !hear().is_empty() {}
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(hear(), "", "a loop that stands still is petted");
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).unwrap();
    manager.set_nonblocking(false).unwrap();
    assert_eq!(hear(), "WATCHDOG=1");
    let (_, status) = call.hang_up(true);
    assert!(status.success() && std::iter::repeat_with(hear).take(20).any(|word| word == "STOPPING=1"));
    let _ = std::fs::remove_file(path);
}

#[test]
fn a_call_that_was_stopped_goes_on_and_tells_so() {
    let _alone = alone();
    let call = Call::start();
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.open_doors();
    call.order(&ToCall::Plan(Box::new(Call::plan([1; 32], None))));
    call.wait_for_signal(5, |s| matches!(s, Signal::Offer { .. }));
    let pid = nix::unistd::Pid::from_raw(call.child.0.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let so_far = || {
        let seen = call.seen.lock().unwrap();
        (seen.facts.len(), seen.self_frames)
    };
    let (facts, frames) = so_far();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(so_far(), (facts, frames), "it is stopped");
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let seen = call.seen.lock().unwrap();
    assert!(seen.facts.len() >= facts + 2 && seen.self_frames > frames + 20, "facts and pictures come again");
    // No flood of what was missed: the clip goes on at its pace.
    assert!(seen.self_frames < frames + 60, "{} frames in 1.5 s", seen.self_frames - frames);
}
