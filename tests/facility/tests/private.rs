//! A private visit at the facility and in the visitor's page: who fixes which half of the short code when, that the page makes the same code as
//! the box and shows it only while the box's certificate answers, and that a box that changes its mind is refused.
//! Pictures of the page are left in the target directory, to be looked at.

mod paper;
mod world;

use paper::{Bench, NOON_S, PAGE, VISITOR, lawyers};
use parloir_facility::page::{Said, Says};
use parloir_issuer::Secret;
use parloir_link::message::write_signal;
use parloir_pass::{Ask, Bytes32, Class, Grant, Typ};
use parloir_seal::{Clock, code, random};
use serde_json::{Value, json};
use std::time::Duration;
use world::far::{FarEnd, far_end, open, pictures, until_statement, wait_text};
use world::{Box_, World};

const HALF: Bytes32 = Bytes32([0x77; 32]);
const SOON: Duration = Duration::from_secs(20);

/// A question of a box that is bound to [`HALF`].
fn bound(ask: Ask) -> Ask {
    let commitment = Some(code::commitment(&ask.call, &ask.certificate, &HALF));
    Ask { commitment, ..ask }
}

fn reveal(ask: &Ask, half: &Bytes32) -> Vec<u8> {
    json!({"v": 1, "call": ask.call, "half": half}).to_string().into_bytes()
}

fn joined(b: &mut Bench, ask: &Ask, code_nonce: Option<Bytes32>) -> paper::Out {
    let statement_key = Secret::new(&VISITOR).public();
    b.from_page(0, Said::Join { call: ask.call, certificate: PAGE, statement_key, code_nonce })
}

#[test]
fn the_page_has_the_commitment_before_its_half_and_the_boxs_half_after_the_grant() {
    let mut b = lawyers("private");
    let ask = bound(b.ask());
    assert_eq!(ask.class, Class::Lawyer);
    let out = b.send_ask(&ask);
    assert!(matches!(&out.says[..], [(1, Says::Ringing(r))] if r.commitment == ask.commitment && r.recorded_by.is_empty()));
    b.from_box("reveal", reveal(&ask, &HALF)).refused();
    assert!(joined(&mut b, &ask, None).refused().contains("half of a code"));

    let half = Bytes32([0x88; 32]);
    let out = joined(&mut b, &ask, Some(half));
    let grant = b.keyring().grant(&b.unsealed(out.sent("grant")), &ask.device, Clock::Unix(NOON_S)).unwrap();
    assert_eq!((grant.class, grant.parties[0].code_nonce), (Class::Lawyer, Some(half)));
    assert!(grant.recorded_by.is_empty() && grant.watched_by.is_empty());
    assert!(matches!(&out.says[..], [(1, Says::Admitted { half: None, .. })]), "{out:?}");

    assert!(b.from_box("reveal", reveal(&ask, &Bytes32([1; 32]))).refused().contains("nobody committed"));
    let out = b.from_box("reveal", reveal(&ask, &HALF));
    assert!(matches!(&out.says[..], [(1, Says::Reveal { half: HALF, .. })]), "{out:?}");
    // A page that comes back gets it with the rest.
    let out = b.open(0, 9, "a");
    assert!(matches!(&out.says[..], [(9, Says::Admitted { half: Some(HALF), resumed: true, .. }), ..]), "{out:?}");
}

#[test]
fn no_second_page_comes_into_it_and_no_other_class_has_a_half() {
    let mut b = lawyers("second-page");
    let ask = bound(b.ask());
    b.send_ask(&ask);
    joined(&mut b, &ask, Some(Bytes32([0x88; 32]))).sent("grant");
    let other = Said::Join {
        call: ask.call,
        certificate: Bytes32([0x99; 32]),
        statement_key: Secret::new(&[0x33; 32]).public(),
        code_nonce: Some(Bytes32([0x89; 32])),
    };
    assert!(b.from_page(0, other).refused().contains("a second page"));
    let mut b = paper::bench("family-half", None);
    let ask = b.ask();
    b.send_ask(&ask);
    assert!(joined(&mut b, &ask, Some(HALF)).refused().contains("half of a code"));
}

/// The page to the grant, with a box whose certificate is that of the far end.
async fn admitted(
    world: &World,
    visitor: &parloir_facility::visitor::Visitor,
    far: &FarEnd,
    b: &mut Box_,
) -> (Ask, Grant, parloir_wire::signal::Signal) {
    let (offer, certificate) = far.offer().await;
    let ask = bound(world.ask(certificate));
    b.send("ask", &world.sealed_ask(&ask)).await;
    visitor.join(SOON).await.unwrap();
    let grant = world.open_grant(&b.wait("grant").await, &ask);
    (ask, grant, offer)
}

fn expected(ask: &Ask, grant: &Grant) -> String {
    let party = &grant.parties[0];
    let halves = (&HALF, &party.code_nonce.unwrap());
    format!("{:06}", code::code(&ask.call, (&ask.certificate, &party.certificate), halves))
}

async fn shown(visitor: &parloir_facility::visitor::Visitor) -> Value {
    let script =
        "return document.getElementById('code').hidden ? '' : document.getElementById('digits').textContent.replace(' ', '')";
    visitor.client().execute(script, vec![]).await.unwrap()
}

#[tokio::test]
async fn the_page_makes_the_same_code() {
    let world = World::of_a_lawyer("private").await;
    let visitor = open(&world, (1280, 720), "browser").await;
    visitor.check_devices().await.unwrap();
    let far = far_end(&world, &visitor).await;
    let mut b = world.a_box().await;
    let (ask, grant, offer) = admitted(&world, &visitor, &far, &mut b).await;
    b.send("signal", &write_signal(&ask.call.0, &offer)).await;
    // Nothing begins before the visit can be shown to be private: no answer, no camera on its way.
    for (kind, _) in b.listen(Duration::from_millis(1500)).await {
        assert_ne!(kind, "signal", "the page answered before the box showed its half");
    }
    assert_eq!(shown(&visitor).await, json!(""));
    b.send("reveal", &reveal(&ask, &HALF)).await;
    let (first, _) = until_statement(&mut b, &far, &grant, |s| s.decoding && s.frames > 20).await;
    assert_eq!(shown(&visitor).await, json!(expected(&ask, &grant)));
    wait_text(&visitor, "End to end").await;
    visitor.picture(&pictures().join("20-private.png")).await.unwrap();

    // A reload: the same page by its certificate, the same code once the box's certificate has answered it again.
    visitor.reload(true).await.unwrap();
    visitor.wait("visit", SOON).await.unwrap();
    let mut again = json!("");
    for _ in 0..200 {
        until_statement(&mut b, &far, &grant, |s| s.count > first.count).await;
        again = shown(&visitor).await;
        if far.generation() == 2 && again != json!("") {
            break;
        }
    }
    assert_eq!(again, json!(expected(&ask, &grant)));
    visitor.close().await.unwrap();
}

/// How it could be broken: whoever stands between waits for the page's half and chooses one for the box afterwards.
#[tokio::test]
async fn a_box_that_shows_another_half_than_it_committed_to_is_refused() {
    let world = World::of_a_lawyer("other-half").await;
    let visitor = open(&world, (500, 900), "browser").await;
    let caught = "const send = WebSocket.prototype.send; \
                  WebSocket.prototype.send = function (words) { window.socketOfThePage = this; return send.call(this, words); };";
    visitor.client().execute(caught, vec![]).await.unwrap();
    visitor.check_devices().await.unwrap();
    let far = far_end(&world, &visitor).await;
    let mut b = world.a_box().await;
    let (ask, _, offer) = admitted(&world, &visitor, &far, &mut b).await;
    // The facility would not carry it; this one does, as one that was taken over.
    let told = json!({"type": "reveal", "call": ask.call, "half": Bytes32(random::bytes().unwrap())});
    b.send("signal", &write_signal(&ask.call.0, &offer)).await;
    let forge = "window.socketOfThePage.onmessage({ data: JSON.stringify(arguments[0]) })";
    visitor.client().execute(forge, vec![told]).await.unwrap();
    visitor.wait("stopped", SOON).await.unwrap();
    wait_text(&visitor, "could not show that this visit is private").await;
    assert_eq!(shown(&visitor).await, json!(""));
    let said: Vec<String> = b.listen(Duration::from_secs(1)).await.into_iter().map(|(kind, _)| kind).collect();
    assert!(!said.contains(&"signal".to_owned()) && !said.contains(&Typ::Statement.name().to_owned()), "{said:?}");
    visitor.close().await.unwrap();
}
