//! Owns: calling RAUC, which makes and verifies bundles as boxes do, and OpenSSL, which opens encrypted signatures.
//! Never: a key or a PIN on a command line.
//! Called by: bundle, check.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::refusal::{self, Refused};
use crate::Fault;

/// The programs.
#[derive(clap::Args)]
pub struct Tools {
    /// RAUC: 1.8 or later.
    #[arg(long, value_name = "PROGRAM", default_value = "rauc")]
    rauc: PathBuf,
}

/// With what a box opens a bundle of format crypt.
#[derive(clap::Args)]
pub struct Recipient {
    /// Key with which a box opens an encrypted bundle (PEM).
    #[arg(long, value_name = "FILE", requires = "recipient_cert")]
    recipient_key: Option<PathBuf>,
    /// Certificate of that key.
    #[arg(long, value_name = "FILE", requires = "recipient_key")]
    recipient_cert: Option<PathBuf>,
}

/// A key in a token.
#[derive(clap::Args)]
pub struct Token {
    /// PKCS#11 module, if p11-kit does not know it.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// File with the token's PIN [default: the environment variable RAUC_PKCS11_PIN]
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

/// A directory for one command, its owner's alone, gone afterwards.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Beside `file`, so that what is made there can be renamed to it.
    pub fn beside(file: &Path) -> Result<Self, Refused> {
        let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::within(parent)
    }

    fn within(parent: &Path) -> Result<Self, Refused> {
        let dir = parent.join(format!(".parloirctl-{}", parloir_seal::random::id()?));
        fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|e| refusal::file(&dir, &e))?;
        Ok(Self(dir))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<PathBuf, Refused> {
        let path = self.path(name);
        fs::write(&path, bytes).map_err(|e| refusal::file(&path, &e))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Recipient {
    fn pair(&self) -> Option<(&Path, &Path)> {
        self.recipient_key.as_deref().zip(self.recipient_cert.as_deref())
    }

    /// The signature inside the envelope.
    pub fn open(&self, bundle: &Path, envelope: &[u8]) -> Result<Vec<u8>, Refused> {
        let (key, certificate) =
            self.pair().ok_or_else(|| Fault::needs(bundle.display(), "--recipient-key and --recipient-cert"))?;
        let mut command = Command::new("openssl");
        command
            .args(["cms", "-decrypt", "-binary", "-inform", "DER", "-outform", "DER", "-inkey"])
            .arg(key)
            .arg("-recip")
            .arg(certificate);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| not_there("openssl", &e))?;
        if let Some(mut stdin) = child.stdin.take() {
            // If it ends early, its status says why.
            let _ = stdin.write_all(envelope);
        }
        let done = child.wait_with_output().map_err(|e| not_there("openssl", &e))?;
        if done.status.success() {
            return Ok(done.stdout);
        }
        Err(Fault::new(
            bundle.display(),
            "it is not encrypted for this key",
            "give the key of one of its recipients",
            "CannotUnseal",
        ))
    }
}

impl Token {
    fn give(&self, command: &mut Command) -> Result<(), Refused> {
        if let Some(module) = &self.module {
            command.env("RAUC_PKCS11_MODULE", module);
        }
        if let Some(path) = &self.pin_file {
            private(path)?;
            let pin = fs::read_to_string(path).map_err(|e| refusal::file(path, &e))?;
            command.env("RAUC_PKCS11_PIN", pin.trim_end());
        }
        Ok(())
    }
}

/// A secret file is its owner's alone.
pub fn private(path: &Path) -> Result<(), Refused> {
    let mode = fs::metadata(path).map_err(|e| refusal::file(path, &e))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let cause = format!("mode {:o}: others may read this secret", mode & 0o777);
    Err(Fault::new(path.display(), cause, "chmod 600 it, and ask who may have read it", "OpenKey"))
}

/// What is given to RAUC to make one bundle.
pub struct Order<'a> {
    pub keyring: &'a Path,
    pub certificate: &'a str,
    pub key: &'a str,
    pub intermediate: &'a [PathBuf],
    pub token: &'a Token,
    /// Directory with manifest and images.
    pub content: &'a Path,
    pub out: &'a Path,
}

impl Tools {
    /// RAUC with the rules of a box: these keys, for this purpose, judged at the time of signing (a box need not know the time).
    fn rauc(&self, keyring: &Path, recipient: Option<&Recipient>, scratch: &Scratch) -> Result<Command, Refused> {
        let keyring = keyring.canonicalize().map_err(|e| refusal::file(keyring, &e))?;
        let mut conf = format!(
            "[system]\ncompatible=none\nbootloader=noop\nbundle-formats=-plain\n[keyring]\npath={}\ncheck-purpose=codesign\nuse-bundle-signing-time=true\n",
            keyring.display()
        );
        if let Some((key, certificate)) = recipient.and_then(Recipient::pair) {
            let absolute = |path: &Path| path.canonicalize().map_err(|e| refusal::file(path, &e));
            conf += &format!("[encryption]\nkey={}\ncert={}\n", absolute(key)?.display(), absolute(certificate)?.display());
        }
        let conf = scratch.write("system.conf", conf)?;
        let mut command = Command::new(&self.rauc);
        command.stdin(Stdio::null()).env("LC_ALL", "C").arg("--conf").arg(conf);
        Ok(command)
    }

    /// Runs it; what it complained of if it failed.
    fn run(&self, mut command: Command) -> Result<Result<Output, String>, Refused> {
        let done = command.output().map_err(|e| not_there(&self.rauc, &e))?;
        Ok(if done.status.success() { Ok(done) } else { Err(complaint(&done.stderr)) })
    }

    /// Verifies the signature of a bundle, as a box with this keyring does.
    pub fn verify(&self, bundle: &Path, keyring: &Path, recipient: &Recipient) -> Result<(), Refused> {
        let scratch = Scratch::within(&std::env::temp_dir())?;
        let mut command = self.rauc(keyring, Some(recipient), &scratch)?;
        command.arg("info").arg(bundle);
        self.run(command)?.map(|_| ()).map_err(|why| refusal::signature(bundle, why))
    }

    /// Makes a bundle.
    pub fn bundle(&self, order: &Order, scratch: &Scratch) -> Result<(), Refused> {
        let mut command = self.rauc(order.keyring, None, scratch)?;
        for path in order.intermediate {
            command.arg("--intermediate").arg(path);
        }
        // The same payload from the same images; zstd, because a box unpacks it fast.
        command.env("SOURCE_DATE_EPOCH", "0");
        command.args(["bundle", "--mksquashfs-args=-comp zstd -Xcompression-level 12 -b 128k", "--cert", order.certificate]);
        command.args(["--key", order.key]).arg(order.content).arg(order.out);
        order.token.give(&mut command)?;
        let next = "look at key, certificate, token and PIN, and whether the certificate comes from the keyring";
        let failed = |why| Fault::new(order.key, why, next, "CannotSign");
        self.run(command)?.map(|_| ()).map_err(failed)
    }

    /// Encrypts a bundle of format crypt for the holders of these certificates.
    pub fn encrypt(
        &self,
        from: &Path,
        to: &Path,
        recipients: &[PathBuf],
        keyring: &Path,
        scratch: &Scratch,
    ) -> Result<(), Refused> {
        let mut command = self.rauc(keyring, None, scratch)?;
        command.arg("encrypt");
        for recipient in recipients {
            command.arg("--to").arg(recipient);
        }
        command.arg(from).arg(to);
        let failed = |why| Fault::new("recipients", why, "look at their certificates", "Certificate");
        self.run(command)?.map(|_| ()).map_err(failed)
    }
}

fn not_there(program: impl AsRef<OsStr>, cause: &std::io::Error) -> Refused {
    let next = "install RAUC and OpenSSL (Debian: rauc, squashfs-tools, openssl; for tokens libengine-pkcs11-openssl), or say where with --rauc";
    Fault::new(program.as_ref().display(), format!("cannot be run ({cause})"), next, "NoRauc")
}

/// RAUC's last word that is not a note.
fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let mut words = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("rauc-Message"));
    words.next_back().unwrap_or("it did not say why").to_owned()
}
