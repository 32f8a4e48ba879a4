//! Owns: the form of a bundle file: squashfs, hash tree, CMS signature, eight bytes that say how long the signature is.
//! Never: judges a signature; RAUC does.
//! Called by: check, inspect.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use x509_parser::der_parser::ber::{BerObject, BerObjectContent, parse_ber};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::refusal::{self, Refused};

/// Longest signature that is read, bytes: a signature with its certificates and the manifest is a few thousand.
const SIGNATURE_MAX: u64 = 1 << 20;

/// RFC 5652: id-signedData, id-envelopedData.
const SIGNED: &str = "1.2.840.113549.1.7.2";
const ENVELOPED: &str = "1.2.840.113549.1.7.3";

/// A bundle file, taken apart.
pub struct Container {
    pub file: File,
    /// Bytes before the signature: payload and hash tree.
    pub content: u64,
    /// The CMS message.
    pub signature: Vec<u8>,
}

/// What the CMS message holds. Nothing in it is believed before RAUC has verified the file.
#[derive(Debug)]
pub enum Message {
    /// The signature is over the manifest inside it: format `verity`, or `crypt` once decrypted.
    Manifest { text: String, signer: Option<Signer> },
    /// The signature is over the whole file: format `plain`.
    Detached,
    /// The signature is for recipients alone: format `crypt`.
    Enveloped,
}

/// The certificate that signed.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Signer {
    pub subject: String,
    pub issuer: String,
    /// Serial number, hex.
    pub serial: String,
    /// Last day of the certificate, UTC.
    pub until: String,
}

impl Container {
    /// Takes a file apart.
    pub fn open(path: &Path) -> Result<Self, Refused> {
        let unreadable = |e| refusal::file(path, &e);
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let mut end = [0; 8];
        if size > 8 {
            file.read_exact_at(&mut end, size - 8).map_err(unreadable)?;
        }
        let length = u64::from_be_bytes(end);
        if length == 0 || length > SIGNATURE_MAX || length > size - 8 {
            return Err(refusal::damaged(path, "it does not end as a bundle does: it is truncated or longer than it was"));
        }
        let content = size - 8 - length;
        let mut signature = vec![0; usize::try_from(length).unwrap_or_default()];
        file.read_exact_at(&mut signature, content).map_err(unreadable)?;
        Ok(Self { file, content, signature })
    }
}

/// Reads a CMS message.
pub fn message(path: &Path, der: &[u8]) -> Result<Message, Refused> {
    read(der).ok_or_else(|| refusal::damaged(path, "its signature is no CMS message"))
}

fn read(der: &[u8]) -> Option<Message> {
    let info = sequence(parse_ber(der).ok()?.1)?;
    let kind = info.first()?.as_oid_val().ok()?.to_id_string();
    if kind == ENVELOPED {
        return Some(Message::Enveloped);
    }
    if kind != SIGNED {
        return None;
    }
    let signed = sequence(inside(info.get(1)?)?)?;
    let encapsulated = sequence(signed.get(2)?.clone())?;
    let Some(content) = encapsulated.get(1) else { return Some(Message::Detached) };
    let text = inside(content)?;
    let text = String::from_utf8(text.as_slice().ok()?.to_vec()).ok()?;
    Some(Message::Manifest { text, signer: signer(&signed) })
}

fn sequence(object: BerObject) -> Option<Vec<BerObject>> {
    match object.content {
        BerObjectContent::Sequence(items) | BerObjectContent::Set(items) => Some(items),
        _ => None,
    }
}

/// What an explicit context tag encloses.
fn inside<'a>(object: &BerObject<'a>) -> Option<BerObject<'a>> {
    match &object.content {
        BerObjectContent::Unknown(any) => Some(parse_ber(any.data).ok()?.1),
        BerObjectContent::Tagged(_, _, inner) => Some((**inner).clone()),
        _ => None,
    }
}

/// The certificate in the message whose serial number the first signature names.
fn signer(signed: &[BerObject]) -> Option<Signer> {
    let infos = sequence(signed.last()?.clone())?;
    let name = sequence(sequence(infos.first()?.clone())?.get(1)?.clone())?;
    let serial = name.get(1)?.as_slice().ok()?;
    let BerObjectContent::Unknown(certificates) = &signed.get(3)?.content else { return None };
    let mut rest = certificates.data;
    while let Ok((after, certificate)) = X509Certificate::from_der(rest) {
        if certificate.raw_serial() == serial {
            return Some(Signer {
                subject: certificate.subject().to_string(),
                issuer: certificate.issuer().to_string(),
                serial: certificate.raw_serial_as_string(),
                until: certificate.validity().not_after.to_datetime().date().to_string(),
            });
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_message_are_none() {
        for der in [&b""[..], b"\x30", b"\x30\x00", b"\x30\x80\x00\x00", &[0xff; 64], &[0x30; 4096]] {
            assert!(read(der).is_none(), "{der:?}");
        }
    }
}
