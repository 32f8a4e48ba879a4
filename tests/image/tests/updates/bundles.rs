//! Owns: bundles of the built image: the next version, versions with a fault, and bundles that a box must refuse.
//! Never: a box.
//! Called by: the courses of updates.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use parloir_bench::walls::show;
use parloir_image::tools::{Built, target, tree};
use serde_json::Value;

/// Bundles: made outside of the namespaces, where the image is whose who builds it; read inside, where the facility is.
pub struct Bundles {
    dir: PathBuf,
    image: PathBuf,
}

/// Who signs, and who believes it.
pub struct Keys {
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
}

impl Bundles {
    /// Those of the test of that name; none yet, outside.
    ///
    /// # Errors
    /// There is no image, or the directory cannot be made.
    pub fn outside(test: &str) -> io::Result<Self> {
        let image = Built::find()?.dir;
        let dir = target().join("bundles").join(test);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, image })
    }

    /// The same, inside.
    ///
    /// # Errors
    /// None were made.
    pub fn inside(test: &str) -> io::Result<Self> {
        Ok(Self { dir: show(&target().join("bundles").join(test), "bundles")?, image: Built::find()?.dir })
    }

    /// A bundle by its name.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.raucb"))
    }

    /// The built image as that version, with more arguments for `scripts/image variant`.
    ///
    /// # Errors
    /// A script fails: its words.
    pub fn made(&self, name: &str, version: &str, variant: &[&str]) -> io::Result<PathBuf> {
        let to = self.path(name);
        let _ = fs::remove_file(&to);
        script(&[&["variant", name, "--version", version], variant].concat())?;
        let from = self.image.join("variants").join(name);
        let (from_text, to_text) = (from.display().to_string(), to.display().to_string());
        script(&["bundle", "--from", &from_text, "--uki", "probe", "--out", &to_text])?;
        fs::remove_dir_all(&from)?;
        self.open(&to)?;
        Ok(to)
    }

    /// One with little in it, for a box that judges it before it looks inside: what it says of itself, and by whose key.
    ///
    /// # Errors
    /// `parloirctl update bundle` fails: its words.
    pub fn small(&self, name: &str, version: &str, compatible: &str, keys: &Keys) -> io::Result<PathBuf> {
        let (to, part) = (self.path(name), self.dir.join("small.img"));
        // Nothing that could be packed.
        io::copy(&mut fs::File::open("/dev/urandom")?.take(2 << 20), &mut fs::File::create(&part)?)?;
        let mut bundle = Command::new(target().join("debug/parloirctl"));
        bundle.args(["update", "bundle", "--compatible", compatible, "--version", version]);
        for image in ["efi", "rootfs"] {
            bundle.arg("--image").arg(format!("{image}={}", part.display()));
        }
        bundle.arg("--cert").arg(&keys.certificate).arg("--key").arg(&keys.key).arg("--keyring").arg(&keys.authority);
        ran(bundle.arg("--out").arg(&to))?;
        self.open(&to)?;
        Ok(to)
    }

    /// Keys that the built image believes.
    #[must_use]
    pub fn keys(&self) -> Keys {
        let at = |name: &str| self.image.join("site/updates").join(name);
        Keys { certificate: at("signer.pem"), key: at("signer.key"), authority: at("ca.pem") }
    }

    /// The image that boxes run, as a bundle, so that another can be compared with it.
    ///
    /// # Errors
    /// As [`Bundles::made`].
    pub fn of_the_image(&self) -> io::Result<PathBuf> {
        let to = self.path("of-the-image");
        let _ = fs::remove_file(&to);
        script(&["bundle", "--uki", "probe", "--out", &to.display().to_string()])?;
        Ok(to)
    }

    /// A copy with a change.
    fn changed(&self, name: &str, from: &Path, change: impl FnOnce(&mut fs::File) -> io::Result<()>) -> io::Result<PathBuf> {
        let to = self.path(name);
        let _ = fs::remove_file(&to);
        fs::copy(from, &to)?;
        let mut file = fs::OpenOptions::new().read(true).write(true).open(&to)?;
        change(&mut file)?;
        self.open(&to)?;
        Ok(to)
    }

    /// Cut short in the middle.
    ///
    /// # Errors
    /// The disk is full.
    pub fn truncated(&self, from: &Path) -> io::Result<PathBuf> {
        self.changed("truncated", from, |file| {
            let size = file.metadata()?.len();
            file.set_len(size / 2)
        })
    }

    /// One bit of the content is another one; the signature at the end is intact.
    ///
    /// # Errors
    /// The disk is full.
    pub fn flipped(&self, from: &Path) -> io::Result<PathBuf> {
        self.changed("flipped", from, |file| {
            // Within the first image of the payload.
            let (mut byte, at) = ([0], SeekFrom::Start(1 << 20));
            file.seek(at)?;
            file.read_exact(&mut byte)?;
            file.seek(at)?;
            file.write_all(&[byte[0] ^ 1])
        })
    }

    /// Signed by the key that boxes believe, in the format `plain`, whose content nobody checks while it is read.
    ///
    /// # Errors
    /// RAUC fails: its words.
    pub fn plain(&self, version: &str) -> io::Result<PathBuf> {
        let (to, from) = (self.path("plain"), self.dir.join("plain.d"));
        let _ = (fs::remove_file(&to), fs::remove_dir_all(&from));
        fs::create_dir_all(&from)?;
        fs::write(from.join("efi.img"), vec![0; 1 << 20])?;
        let manifest = format!("[update]\ncompatible=parloir-qemu\nversion={version}\n[image.efi]\nfilename=efi.img\n");
        fs::write(from.join("manifest.raucm"), manifest)?;
        let keys = self.image.join("site/updates");
        let mut rauc = Command::new("rauc");
        rauc.arg("bundle").arg("--cert").arg(keys.join("signer.pem")).arg("--key").arg(keys.join("signer.key"));
        ran(rauc.arg(&from).arg(&to))?;
        fs::remove_dir_all(&from)?;
        self.open(&to)?;
        Ok(to)
    }

    /// Keys of somebody else.
    ///
    /// # Errors
    /// OpenSSL fails: its words.
    pub fn foreign_keys(&self) -> io::Result<Keys> {
        let (key, certificate) = (self.dir.join("foreign.key"), self.dir.join("foreign.pem"));
        let mut made = Command::new("openssl");
        made.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]);
        made.args(["-subj", "/CN=somebody else", "-addext", "keyUsage=critical,digitalSignature"]);
        made.args(["-addext", "extendedKeyUsage=codeSigning"]).arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        ran(&mut made)?;
        Ok(Keys { authority: certificate.clone(), certificate, key })
    }

    /// What `parloirctl update inspect` says of a bundle beside another.
    ///
    /// # Errors
    /// It fails: its words.
    pub fn inspected(&self, bundle: &Path, against: &Path) -> io::Result<Value> {
        let mut inspect = Command::new(target().join("debug/parloirctl"));
        inspect.args(["update", "inspect", "--json", "--against"]).arg(against).arg(bundle);
        serde_json::from_str(&ran(&mut inspect)?).map_err(io::Error::other)
    }

    /// Readable for the facility's user.
    fn open(&self, bundle: &Path) -> io::Result<()> {
        fs::set_permissions(bundle, fs::Permissions::from_mode(0o644))
    }
}

fn script(words: &[&str]) -> io::Result<()> {
    ran(Command::new(tree().join("scripts/image")).args(words).env("CARGO_TARGET_DIR", target())).map(drop)
}

fn ran(command: &mut Command) -> io::Result<String> {
    let done = command.output()?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).trim().to_owned();
    Err(io::Error::other(format!("{command:?}: {words}")))
}
