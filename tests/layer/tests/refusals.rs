//! What the layer's classes refuse at build time (yocto-layer/lib/parloir), asked with a fault in front of it, and without.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use parloir_layer::facts::Facts;
use parloir_layer::tree::Tree;

/// What a function of the layer says: a list of sentences.
fn asked(expression: &str) -> Vec<String> {
    let program = format!(
        "import json, sys\nsys.dont_write_bytecode = True\nsys.path.insert(0, 'yocto-layer/lib')\nimport parloir.product as product, parloir.shape as shape\nprint(json.dumps({expression}))"
    );
    let told = Command::new("python3").args(["-c", &program]).current_dir(parloir_house::root()).output().expect("python3");
    assert!(told.status.success(), "{expression}: {}", String::from_utf8_lossy(&told.stderr));
    serde_json::from_slice(&told.stdout).expect("a list of sentences")
}

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layer-refusals").join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a directory for the test");
    dir
}

#[test]
fn settings_of_a_product_build_that_open_it_up_are_refused() {
    for (sound, faulty, words) in [
        ("product.refuse_distro('parloir')", "product.refuse_distro('parloir-dev')", "DISTRO is parloir-dev"),
        (
            "product.refuse_features('read-only-rootfs')",
            "product.refuse_features('read-only-rootfs ssh-server-dropbear')",
            "ssh-server-dropbear",
        ),
        ("product.refuse_features('')", "product.refuse_features('empty-root-password')", "empty-root-password"),
        ("product.refuse_packages('parloir dbus rauc')", "product.refuse_packages('parloir openssh-sshd')", "openssh-sshd"),
        (
            "product.refuse_packages('gstreamer1.0-plugins-bad-webrtc')",
            "product.refuse_packages('gstreamer1.0-libav')",
            "gstreamer1.0-libav",
        ),
        ("product.refuse_build('0', '')", "product.refuse_build('1', '')", "DEBUG_BUILD"),
        ("product.refuse_build('', '')", "product.refuse_build('0', '--features parloir-gate/bench')", "doors of the bench"),
        ("product.refuse_words('quiet lockdown=integrity')", "product.refuse_words('quiet init=/bin/sh')", "init=/bin/sh"),
    ] {
        assert!(asked(sound).is_empty(), "{sound}");
        let said = asked(faulty);
        assert!(said.iter().any(|line| line.contains(words)), "{faulty}: {said:?}");
    }
}

#[test]
fn the_command_line_of_the_product_is_that_of_the_reference_image() {
    let line = asked("[product.command_line(open('tests/image/recipe/cmdline').read(), 'box')]");
    assert!(line[0].contains("lockdown=integrity") && line[0].contains("systemd.import_credentials=no"), "{line:?}");
    assert!(!line[0].contains("forward_to_console"), "what only the test image admits: {line:?}");
    assert!(asked(&format!("product.refuse_words({:?})", line[0])).is_empty());
}

#[test]
fn keys_that_are_missing_inside_the_tree_or_for_development_are_refused() {
    let dir = scratch("keys");
    let refused = |value: &str, inside: &Path| {
        asked(&format!("product.refuse_keys({{'PARLOIR_UKI_CERT': {value:?}}}, [{:?}])", inside.display().to_string()))
    };
    let elsewhere = dir.join("build");
    assert!(refused("", &elsewhere)[0].contains("is not set"));
    assert!(refused("keys/uki.pem", &elsewhere)[0].contains("an absolute path"));
    assert!(refused("/nonexistent/uki.pem", &elsewhere)[0].contains("there is no such file"));
    assert!(refused("pkcs11:token=release", &elsewhere).is_empty());
    let made = |name: &str, subject: &str| {
        let file = dir.join(name).display().to_string();
        let key = dir.join("scratch.key").display().to_string();
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]);
        let told = openssl.args(["-subj", subject, "-keyout", &key, "-out", &file]).output().expect("openssl");
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        file
    };
    let release = made("release.pem", "/CN=Release signer");
    assert!(refused(&release, &elsewhere).is_empty(), "a sound one");
    assert!(refused(&release, &dir)[0].contains("keys lie in no tree and no build"));
    let development = made("development.pem", "/CN=Parloir development signer");
    assert!(refused(&development, &elsewhere)[0].contains("development certificate"));
    // A file of several, as a keyring is; and a developer's distro, which takes them from outside all the same.
    let both = dir.join("both.pem");
    let text = [&release, &development].map(|file| fs::read_to_string(file).expect("a certificate")).concat();
    fs::write(&both, text).expect("written");
    assert!(refused(&both.display().to_string(), &elsewhere)[0].contains("development certificate"));
    let taken =
        |inside: &Path| asked(&format!("product.refuse_keys({{'PARLOIR_UKI_CERT': {development:?}}}, [{inside:?}], True)"));
    assert!(taken(&elsewhere).is_empty() && taken(&dir)[0].contains("keys lie in no tree"));
}

/// A root with accounts and one file; what is refused in it.
fn root_with(name: &str, path: &str, mode: u32) -> Vec<String> {
    let root = scratch(name);
    fs::create_dir_all(root.join("etc")).expect("etc");
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/usr/sbin/nologin\n").expect("passwd");
    fs::write(root.join("etc/shadow"), "root:!*:20000::::::\n").expect("shadow");
    if !path.is_empty() {
        let file = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().expect("a directory")).expect("made");
        fs::write(&file, "a program that knows --bench-remote\n").expect("written");
        fs::set_permissions(&file, PermissionsExt::from_mode(mode)).expect("its mode");
    }
    look(&root)
}

/// A pattern with the first of its choices.
fn first(glob: &str) -> String {
    let chosen = glob.split_once('{').and_then(|(before, rest)| {
        let (choices, after) = rest.split_once('}')?;
        Some(format!("{before}{}{after}", choices.split(',').next()?))
    });
    chosen.map_or_else(|| glob.to_owned(), |chosen| first(&chosen))
}

fn look(root: &Path) -> Vec<String> {
    asked(&format!("shape.refuse_root({:?}, shape.facts('systemd/facts.toml'))", root.display().to_string()))
}

#[test]
fn everything_that_the_facts_forbid_is_refused_in_a_finished_root() {
    assert!(root_with("sound", "usr/bin/dbus-daemon", 0o755).is_empty(), "a sound root");
    let facts = Facts::read(&Tree::of_the_repository().expect("the tree")).expect("the facts");
    let mut planted = 0;
    for never in &facts.never {
        let concrete = |glob: &String| first(glob).replace("**", "x/y").replace('*', "x");
        let named = never.names.iter().map(|name| format!("usr/bin/{}", concrete(name)));
        let paths: Vec<String> = named.chain(never.paths.iter().map(concrete)).collect();
        for path in paths {
            let said = root_with("faulty", &path, 0o644);
            assert!(said.iter().any(|line| line.contains(&never.what)), "{path} is not refused: {said:?}");
            planted += 1;
        }
        if !never.mode.is_empty() {
            assert!(root_with("faulty", "usr/bin/mount", 0o4755).iter().any(|line| line.contains(&never.what)), "setuid");
            assert!(root_with("faulty", "usr/bin/mount", 0o2755).iter().any(|line| line.contains(&never.what)), "setgid");
        }
    }
    assert!(planted > 40, "{planted}");
    assert!(
        root_with("faulty", "usr/libexec/parloir/parloir-gate", 0o755).iter().any(|line| line.contains("doors of the bench"))
    );
    println!("{planted} files that must not be there, each refused");
}

#[test]
fn a_root_without_what_others_must_bring_is_refused() {
    let root = scratch("missing");
    let facts = Facts::read(&Tree::of_the_repository().expect("the tree")).expect("the facts");
    let missing = || asked(&format!("shape.refuse_missing({:?}, shape.facts('systemd/facts.toml'))", root.display().to_string()));
    assert_eq!(missing().len(), facts.must.len());
    for must in &facts.must {
        let file = root.join(must.file.strip_prefix('/').map_or_else(|| format!("usr/lib/{}", must.file), str::to_owned));
        fs::create_dir_all(file.parent().expect("a directory")).expect("made");
        fs::write(&file, "there\n").expect("written");
        assert!(!missing().iter().any(|line| line.starts_with(&format!("{} ", must.file))), "{}", must.file);
    }
    assert!(missing().is_empty());
}

#[test]
fn accounts_that_could_log_in_are_refused() {
    for (file, line, words) in
        [("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", "/bin/sh"), ("etc/shadow", "root::20000::::::\n", "shadow")]
    {
        let root = scratch("accounts");
        fs::create_dir_all(root.join("etc")).expect("etc");
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/usr/sbin/nologin\n").expect("passwd");
        fs::write(root.join("etc/shadow"), "root:!*:20000::::::\n").expect("shadow");
        assert!(look(&root).is_empty(), "sound");
        fs::write(root.join(file), line).expect("the fault");
        let said = look(&root);
        assert!(said.iter().any(|line| line.contains(words)), "{file}: {said:?}");
    }
}

#[test]
fn shells_their_links_rights_and_passwords_are_taken_away_and_nothing_else() {
    let root = scratch("taken");
    for dir in ["etc", "usr/bin", "usr/sbin"] {
        fs::create_dir_all(root.join(dir)).expect("a directory");
    }
    fs::write(root.join("usr/bin/busybox.nosuid"), "many programs\n").expect("busybox");
    symlink("busybox.nosuid", root.join("usr/bin/vi")).expect("an applet");
    symlink("/bin/vi", root.join("usr/bin/view")).expect("a link to an applet");
    fs::write(root.join("usr/bin/sh"), "a shell\n").expect("sh");
    fs::write(root.join("usr/bin/dbus-daemon"), "the bus\n").expect("kept");
    fs::write(root.join("usr/bin/mount"), "mount\n").expect("mount");
    fs::set_permissions(root.join("usr/bin/mount"), PermissionsExt::from_mode(0o4755)).expect("setuid");
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").expect("passwd");
    fs::write(root.join("etc/shadow"), "root::20000::::::\n").expect("shadow");
    assert!(!look(&root).is_empty(), "before");
    let gone = asked(&format!("shape.take_away({:?})", root.display().to_string()));
    let mut gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    gone.sort_unstable();
    assert_eq!(gone, ["usr/bin/busybox.nosuid", "usr/bin/sh", "usr/bin/vi", "usr/bin/view"]);
    assert!(look(&root).is_empty(), "{:?}", look(&root));
    assert!(root.join("usr/bin/dbus-daemon").exists());
}
