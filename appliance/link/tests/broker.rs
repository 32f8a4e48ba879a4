//! The broker as we ship it, tried by real clients: who may read and write what, and over which TLS. Each test here was a way in.

mod world;

use parloir_link::broker::{self, options};
use parloir_link::topic::{KINDS, Topics, Way};
use rumqttc::AsyncClient;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use world::{A, B, Broker, SITE, hex};

fn topic(device: &[u8; 16], end: &str) -> String {
    format!("parloir/v1/{}/{}/{end}", hex(&SITE), hex(device))
}

#[tokio::test]
async fn a_box_reads_its_own_and_writes_its_own_and_nothing_else() {
    let broker = Broker::start("acl");
    let mut facility = broker.client("facility", &broker.facility).await;
    let (mut a, mut b) = (broker.client("a", &broker.a).await, broker.client("b", &broker.b).await);
    facility.subscribe(&format!("parloir/v1/{}/+/up/#", hex(&SITE))).await;
    a.subscribe(&Topics::new(&SITE, &A).all(Way::Down)).await;
    for filter in ["#", "parloir/#", &topic(&A, "down/#"), &topic(&A, "up/#"), "parloir/v1/+/+/down/grant", "$SYS/#"] {
        b.subscribe(filter).await;
    }

    assert!(facility.publish(&topic(&A, "down/grant"), b"for A", false).await);
    assert_eq!(a.next("A's grant").await, (topic(&A, "down/grant"), b"for A".to_vec()));
    assert!(a.publish(&topic(&A, "up/ask"), b"of A", false).await);
    assert_eq!(facility.next("A's ask").await, (topic(&A, "up/ask"), b"of A".to_vec()));

    for (end, body) in [("up/ask", &b"B as A"[..]), ("up/receipt", b"x"), ("down/deny", b"x"), ("down/policy", b"x")] {
        assert!(!b.publish(&topic(&A, end), body, false).await, "B may not write A's {end}");
        assert!(!b.publish(&topic(&A, end), body, true).await, "B may not retain A's {end}");
    }
    assert!(!b.publish(&topic(&B, "down/policy"), b"x", true).await, "a box writes no down/, not even its own");
    assert!(!b.publish("parloir/v1/x", b"x", false).await && !b.publish("other", b"x", false).await);
    assert_eq!(b.listen(700).await, [], "B sees nothing of A's, whatever it subscribes to");
    assert_eq!(a.listen(100).await, []);
    assert_eq!(facility.listen(100).await, []);

    // B's own way is open: the refusals above are not for want of a connection.
    assert!(facility.publish(&topic(&B, "down/beat"), b"for B", false).await);
    assert!(b.listen(1000).await.contains(&(topic(&B, "down/beat"), b"for B".to_vec())));
    assert!(b.publish(&topic(&B, "up/status"), b"of B", false).await);
    assert_eq!(facility.next("B's status").await.1, b"of B");
}

/// How it was broken: the list allowed `up/#` under every site, so a box that was taken over could fill the broker with retained messages.
#[tokio::test]
async fn a_box_leaves_no_more_than_one_message_of_each_kind() {
    let broker = Broker::start("kinds");
    let mut b = broker.client("b", &broker.b).await;
    let up: Vec<&str> = KINDS.iter().filter(|k| k.way == Way::Up).map(|k| k.name).collect();
    for kind in &up {
        assert!(b.publish(&topic(&B, &format!("up/{kind}")), b"of B", true).await, "{kind}");
    }
    for end in ["up/x", "up/ask/x", "up/", "up", "up/grant", "x"] {
        assert!(!b.publish(&topic(&B, end), b"x", true).await, "{end}");
    }
    let elsewhere = topic(&B, "up/ask").replace(&hex(&SITE), &"52".repeat(16));
    assert!(!b.publish(&elsewhere, b"x", true).await, "another site");
    let mut facility = broker.client("facility", &broker.facility).await;
    facility.client.try_subscribe("parloir/v1/+/+/up/#", rumqttc::QoS::AtLeastOnce).unwrap();
    assert_eq!(facility.listen(700).await.len(), up.len());
}

/// How it was broken: with client ids of its own choosing, B connects as `A`'s client id. MQTT then ends A's connection, and B takes
/// over A's session with the documents that wait in it.
#[tokio::test]
async fn a_client_id_takes_over_nobody() {
    let broker = Broker::start("takeover");
    let mut a = broker.client(&hex(&A), &broker.a).await;
    a.subscribe(&topic(&A, "down/#")).await;
    let mut b = broker.client(&hex(&A), &broker.b).await;
    assert_eq!(a.listen(700).await, [], "A is still connected");
    let mut facility = broker.client("facility", &broker.facility).await;
    assert!(facility.publish(&topic(&A, "down/grant"), b"for A", false).await);
    assert_eq!(a.next("A's grant").await.1, b"for A");
    assert_eq!(b.listen(300).await, []);
}

#[tokio::test]
async fn retained_documents_survive_a_restart_of_the_broker() {
    let mut broker = Broker::start("persist");
    let mut facility = broker.client("facility", &broker.facility).await;
    assert!(facility.publish(&topic(&A, "down/policy"), b"rules", true).await);
    drop(facility);
    broker.stop();
    broker.run();
    let mut a = broker.client("a", &broker.a).await;
    a.client.try_subscribe(topic(&A, "down/#"), rumqttc::QoS::AtLeastOnce).unwrap();
    assert_eq!(a.next("the retained policy").await, (topic(&A, "down/policy"), b"rules".to_vec()));
}

/// Tries to connect with a TLS configuration of the test's own; what the broker or TLS said against it.
async fn refused(broker: &Broker, config: ClientConfig) -> String {
    let options = options("x", &broker.address(), Arc::new(config)).unwrap();
    let (_client, mut events) = AsyncClient::builder(options).capacity(4).build();
    let polled = tokio::time::timeout(Duration::from_secs(10), events.poll()).await.expect("an answer within 10 s");
    match polled {
        Ok(event) => panic!("the broker took it: {event:?}"),
        Err(e) => e.to_string(),
    }
}

fn ring() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(identity: &broker::Identity) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&identity.ca).unwrap()).unwrap();
    roots
}

#[tokio::test]
async fn tls_1_2_no_certificate_and_strange_certificates_are_refused() {
    let broker = Broker::start("tls");
    let (chain, key) = (
        || vec![CertificateDer::from_pem_file(&broker.a.cert).unwrap()],
        || PrivateKeyDer::from_pem_file(&broker.a.key).unwrap(),
    );
    let build = |version| {
        let builder = ClientConfig::builder_with_provider(ring()).with_protocol_versions(&[version]).unwrap();
        builder.with_root_certificates(roots(&broker.a))
    };

    let old = build(&rustls::version::TLS12).with_client_auth_cert(chain(), key()).unwrap();
    assert!(refused(&broker, old).await.contains("ProtocolVersion"), "TLS 1.2");

    let nobody = build(&rustls::version::TLS13).with_no_client_auth();
    assert!(refused(&broker, nobody).await.contains("ertificate"), "no certificate");

    let dir = world::Dir::new("tls-strange");
    let strange = world::Authority::new().issue(dir.path(), "a", &hex(&A));
    let config = build(&rustls::version::TLS13)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_file(&strange.cert).unwrap()],
            PrivateKeyDer::from_pem_file(&strange.key).unwrap(),
        )
        .unwrap();
    let why = refused(&broker, config).await;
    assert!(why.contains("fatal alert: DecryptError"), "an authority of the same name with another key: {why}");

    // And we refuse a broker that our authority did not sign.
    let ours = broker::tls(&strange).unwrap();
    let why = refused(&broker, Arc::unwrap_or_clone(ours)).await;
    assert!(why.contains("invalid peer certificate"), "{why}");

    let good = build(&rustls::version::TLS13).with_client_auth_cert(chain(), key()).unwrap();
    let options = options("x", &broker.address(), Arc::new(good)).unwrap();
    let (_client, mut events) = AsyncClient::builder(options).capacity(4).build();
    assert!(events.poll().await.is_ok(), "the same with a certificate over 1.3 is taken");
}
