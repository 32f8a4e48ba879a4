//! The broker's certificate on a day that the box does not know: its dates refuse nobody, its authority and its name still do.

mod world;

use parloir_link::{broker, broker::options};
use parloir_tls::dates::AnyDay;
use rcgen::{CertificateParams, date_time_ymd};
use rumqttc::AsyncClient;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, Error, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use world::{A, Authority, Broker, Dir, hex};

const YEAR: u64 = 31_556_952;

#[derive(Debug)]
struct Clock(u64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

/// A connection to that broker by a clock that shows so many seconds since 1970.
async fn connects(broker: &Broker, identity: &broker::Identity, clock: u64) -> Result<(), String> {
    let tls = broker::tls_by(identity, Arc::new(Clock(clock))).unwrap();
    let (_client, mut events) = AsyncClient::builder(options("x", &broker.address(), tls).unwrap()).capacity(4).build();
    let polled = tokio::time::timeout(Duration::from_secs(10), events.poll()).await.expect("an answer within 10 s");
    polled.map(drop).map_err(|e| e.to_string())
}

/// How it was broken: the box's clock had no battery. The certificate was not valid yet, the time statement could not come.
#[tokio::test]
async fn a_box_in_1970_and_in_2100_reaches_its_broker_and_no_other() {
    let mut params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
    let broker = Broker::start_with("any-day", Authority::by(params.clone()), params);
    for clock in [0, 1, 130 * YEAR, 8000 * YEAR] {
        assert_eq!(connects(&broker, &broker.a, clock).await, Ok(()), "{clock} s after 1970");
    }
    let dir = Dir::new("any-day-strange");
    let strange = Authority::new().issue(dir.path(), "a", &hex(&A));
    for clock in [0, 56 * YEAR, 130 * YEAR] {
        let why = connects(&broker, &broker::Identity { ca: strange.ca.clone(), ..broker.a.clone() }, clock).await;
        assert!(why.as_ref().is_err_and(|e| e.contains("invalid peer certificate")), "another authority: {why:?}");
    }
}

#[tokio::test]
async fn a_broker_of_another_name_is_refused_on_every_day() {
    let params = CertificateParams::new(vec!["elsewhere.example".into()]).unwrap();
    let broker = Broker::start_with("other-name", Authority::new(), params);
    for clock in [0, 56 * YEAR, 130 * YEAR] {
        let why = connects(&broker, &broker.a, clock).await;
        assert!(why.as_ref().is_err_and(|e| e.contains("not valid for name")), "{why:?}");
    }
}

/// A chain of which no day was good for all is no chain: an authority that had ended before it signed.
#[test]
fn a_chain_that_was_never_good_is_refused() {
    let days = |from, to| {
        let mut params = CertificateParams::new(vec!["broker".into()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        params
    };
    let dir = Dir::new("never");
    let root = Authority::by(days(2000, 2099));
    let middle = root.intermediate(days(2020, 2025));
    let judge = |leaf: CertificateParams| {
        let identity = middle.issue_by(leaf, dir.path(), "leaf", "leaf");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.pem().as_bytes()).unwrap()).unwrap();
        let verifier = AnyDay::new(roots, Arc::new(rustls::crypto::ring::default_provider())).unwrap();
        let chain = [CertificateDer::from_pem_slice(middle.pem().as_bytes()).unwrap()];
        let leaf = CertificateDer::from_pem_file(&identity.cert).unwrap();
        let name = ServerName::try_from("broker").unwrap();
        verifier.verify_server_cert(&leaf, &chain, &name, &[], UnixTime::since_unix_epoch(Duration::ZERO)).map(drop)
    };
    assert_eq!(judge(days(2024, 2030)), Ok(()), "2024 was good for all three");
    let never = judge(days(2030, 2040));
    let dated = |e: &Error| {
        matches!(
            e,
            Error::InvalidCertificate(CertificateError::ExpiredContext { .. } | CertificateError::NotValidYetContext { .. })
        )
    };
    assert!(never.as_ref().is_err_and(dated), "{never:?}");
}
