//! How it would be broken: somebody between the two screens (link, broker, facility) answers the offer with a browser of its own. `webrtcbin` compares the far
//! certificate with nothing, so the visit would connect and both sides would see a stranger.
//! What holds: the certificate that the handshake shows is compared with the plan's before there are keys. No sample leaves, none is shown, the arbiter is
//! told, and nothing brings that connection back.
mod support;

use parloir_wire::lease::{Fact, ToCall, Trouble};
use std::time::Duration;
use support::{Browser, Call, alone};

#[test]
fn a_far_end_with_another_certificate_sees_nothing_and_shows_nothing() {
    let _alone = alone();
    let browser = Browser::start();
    let call = Call::start();
    let mut granted = browser.prepare();
    granted[31] ^= 1;
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.open_doors();
    call.order(&ToCall::Plan(Box::new(Call::plan(granted, None))));
    let refused = |f: &Fact| matches!(f, Fact::Trouble { what: Trouble::FarCertificate, .. });
    browser.carry(&call, 15.0, || call.seen.lock().unwrap().facts.iter().any(refused));
    call.wait_for("FarCertificate", 1, refused);
    // Whoever lets samples through would do it now.
    browser.carry(&call, 3.0, || false);
    let f = browser.figures();
    assert_eq!((f["decoded"].as_u64(), f["video_bytes"].as_u64(), f["audio_bytes"].as_u64()), (Some(0), Some(0), Some(0)), "{f}");
    let seen = call.seen.lock().unwrap();
    assert_eq!(seen.far_frames, 0, "a stranger was shown");
    assert!(seen.progress().is_none_or(|p| (p.frames_sent, p.frames_decoded) == (0, 0)), "{:?}", seen.progress());
    let told = |wanted: fn(&Fact) -> bool| seen.facts.iter().filter(|f| wanted(f)).count();
    assert_eq!(told(|f| matches!(f, Fact::FarVerified { .. } | Fact::FirstPicture { .. } | Fact::FirstSound { .. })), 0);
    assert_eq!(told(|f| matches!(f, Fact::Decoding { .. })), 0);
}

#[test]
fn the_right_certificate_in_the_answer_does_not_help_the_wrong_one_in_the_handshake() {
    let _alone = alone();
    let browser = Browser::start();
    let call = Call::start();
    // The plan names a certificate; the answer is rewritten to name it as well; the handshake shows the browser's.
    browser.prepare();
    let granted = [0xAB; 32];
    browser.rewrite_fingerprint(&parloir_call::verify::colons(&granted));
    call.wait_for("Ready", 10, |f| matches!(f, Fact::Ready { .. }));
    call.open_doors();
    call.order(&ToCall::Plan(Box::new(Call::plan(granted, None))));
    let refused = |f: &Fact| matches!(f, Fact::Trouble { what: Trouble::FarCertificate, .. });
    browser.carry(&call, 15.0, || call.seen.lock().unwrap().facts.iter().any(refused));
    call.wait_for("FarCertificate", 1, refused);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(browser.figures()["video_bytes"].as_u64(), Some(0));
    assert_eq!(call.seen.lock().unwrap().far_frames, 0);
}
