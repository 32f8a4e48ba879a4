//! Owns: the TLS certificates of a site: a private CA (P-256) and one certificate for each end.
//! Never: a certificate of a visit (the arbiter makes those).
//! Called by: provision.

use std::path::Path;

use parloir_pass::Id;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose as Usage, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, date_time_ymd,
};

use crate::{Fault, files};

/// Days that a certificate is valid: what browsers accept of a private CA.
const DAYS: i64 = 825;

/// Writes `ca`, `broker`, `box`, `facility` and `https`, each as `.pem` and `.key` (PKCS#8 PEM, 0600), into a directory.
/// The box's common name is its device id, by which the broker's access list knows it. `names`: further DNS names and addresses of broker and https.
///
/// # Errors
/// `File`, `Certificate`.
pub fn write_all(dir: &Path, device: &Id, names: &[String], now: i64) -> Result<(), Fault> {
    let issuer = authority(dir, "ca", "Parloir site CA", now)?;
    let mut served: Vec<String> = ["127.0.0.1", "::1", "localhost"].map(str::to_owned).to_vec();
    served.extend_from_slice(names);
    let ends: [(&str, String, &[String], Usage); 4] = [
        ("broker", "broker".to_owned(), &served, Usage::ServerAuth),
        ("https", "https".to_owned(), &served, Usage::ServerAuth),
        ("box", device.to_string(), &[], Usage::ClientAuth),
        ("facility", "facility".to_owned(), &[], Usage::ClientAuth),
    ];
    for (file, common_name, hosts, usage) in ends {
        write_end(dir, file, params(&common_name, hosts, now)?, usage, &issuer)?;
    }
    Ok(())
}

/// Writes what the box's updater has under `updater/` (`ca.pem`: who signs the update server's certificate; `box.pem`, `box.key`), and
/// `tls/updates-ca`: the authority of updaters' certificates, which the update server alone believes. The broker knows a box by its common
/// name, so a certificate of that name from the site's own authority would be the box there too.
///
/// # Errors
/// `File`, `Certificate`.
pub fn write_updater(tls: &Path, updater: &Path, device: &Id, now: i64) -> Result<(), Fault> {
    let issuer = authority(tls, "updates-ca", "Parloir updates CA", now)?;
    let mut end = params(&device.to_string(), &[], now)?;
    end.distinguished_name.push(DnType::OrganizationalUnitName, "updates");
    write_end(updater, "box", end, Usage::ClientAuth, &issuer)?;
    let from = tls.join("ca.pem");
    let text = std::fs::read_to_string(&from).map_err(|e| Fault::file(&from, e, "it was written a moment ago"))?;
    files::write(&updater.join("ca.pem"), text)
}

fn authority(dir: &Path, file: &str, name: &str, now: i64) -> Result<Issuer<'static, KeyPair>, Fault> {
    let mut ca = params(name, &[], now)?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = new_key()?;
    let certificate = ca.self_signed(&key).map_err(fault)?;
    write_pair(dir, file, &certificate.pem(), &key)?;
    Ok(Issuer::new(ca, key))
}

fn write_end(
    dir: &Path,
    file: &str,
    mut end: CertificateParams,
    usage: Usage,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<(), Fault> {
    end.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    end.extended_key_usages = vec![usage];
    end.use_authority_key_identifier_extension = true;
    let key = new_key()?;
    let certificate = end.signed_by(&key, issuer).map_err(fault)?;
    write_pair(dir, file, &certificate.pem(), &key)
}

fn new_key() -> Result<KeyPair, Fault> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(fault)
}

fn params(common_name: &str, hosts: &[String], now: i64) -> Result<CertificateParams, Fault> {
    let mut params = CertificateParams::new(hosts).map_err(fault)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    let day = |unix: i64| {
        let (year, month, day) = civil(unix.div_euclid(86_400));
        date_time_ymd(year, month, day)
    };
    params.not_before = day(now - 86_400);
    params.not_after = day(now + DAYS * 86_400);
    Ok(params)
}

fn write_pair(dir: &Path, file: &str, certificate: &str, key: &KeyPair) -> Result<(), Fault> {
    files::write_secret(&dir.join(format!("{file}.key")), key.serialize_pem().as_bytes())?;
    files::write(&dir.join(format!("{file}.pem")), certificate)
}

fn fault(error: rcgen::Error) -> Fault {
    Fault::Certificate(error.to_string())
}

/// Year, month, day of a day number since 1970-01-01 in the Gregorian calendar: counts 400-year eras from 0000-03-01, so that the leap day ends a year.
fn civil(days: i64) -> (i32, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (i32::try_from(year).unwrap_or(9999), u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn civil_dates_at_the_edges() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_778), (2026, 11, 21));
        assert_eq!(civil(20_818), (2026, 12, 31));
        assert_eq!(civil(47_540), (2100, 2, 28));
        assert_eq!(civil(47_541), (2100, 3, 1));
    }
}
