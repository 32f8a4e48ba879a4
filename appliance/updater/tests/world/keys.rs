//! Owns: the certificates of the world: two authorities, the server, the box, each also expired.
//! Never: a key that anything outside of a test believes.
//! Called by: the world.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose as Usage, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use std::path::Path;

struct Authority(Issuer<'static, KeyPair>, String);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), pem)
    }

    /// Writes `NAME.pem` and `NAME.key`, and their like that were valid until 2021 as `NAME-expired`.
    fn issue(&self, dir: &Path, name: &str, common_name: &str, usage: Usage) {
        for (file, to) in [(name.to_owned(), 2099), (format!("{name}-expired"), 2021)] {
            let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, common_name);
            params.extended_key_usages = vec![usage.clone()];
            params.use_authority_key_identifier_extension = true;
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(to, 1, 1));
            let key = KeyPair::generate().unwrap();
            let pem = params.signed_by(&key, &self.0).unwrap().pem();
            std::fs::write(dir.join(format!("{file}.pem")), pem).unwrap();
            std::fs::write(dir.join(format!("{file}.key")), key.serialize_pem()).unwrap();
        }
    }
}

/// `ca.pem` (who signs the server), `clients.pem` (who signs boxes), `server`, `box`, and `stranger`, a server of another authority.
pub fn write(dir: &Path, device: &str) {
    let (site, clients, other) = (Authority::new(), Authority::new(), Authority::new());
    std::fs::write(dir.join("ca.pem"), &site.1).unwrap();
    std::fs::write(dir.join("clients.pem"), &clients.1).unwrap();
    site.issue(dir, "server", "https", Usage::ServerAuth);
    clients.issue(dir, "box", device, Usage::ClientAuth);
    other.issue(dir, "stranger", "https", Usage::ServerAuth);
}
