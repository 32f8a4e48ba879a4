//! The one list of facts, systemd/facts.toml, held against both images: what the layer's recipes install, and the root of the reference
//! image. In the stage `image` of scripts/test, after the build.

use std::path::{Path, PathBuf};

use parloir_layer::facts;
use parloir_layer::manifest::Manifest;
use parloir_layer::tree::Tree;

fn lines(faults: Vec<parloir_layer::Fault>) -> Vec<String> {
    faults.into_iter().map(|fault| fault.to_string()).collect()
}

/// Root of the reference image, if one was built.
fn reference() -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| parloir_house::root().join("target"), PathBuf::from);
    Some(target.join("image/root")).filter(|root| root.join("etc/passwd").exists())
}

#[test]
fn the_facts_hold_in_the_layers_image() {
    let tree = Tree::of_the_repository().expect("the tree");
    let manifest =
        Manifest::of(&tree, &Path::new(env!("CARGO_TARGET_TMPDIR")).join("layer-facts")).expect("the recipes are installed");
    let said = lines(facts::of_the_layer(&tree, &manifest));
    assert!(said.is_empty(), "{said:#?}");
    println!("{} files of the layer's recipes", manifest.in_the_image().count());
}

#[test]
fn the_facts_hold_in_the_reference_image_and_a_fault_is_seen() {
    let Some(root) = reference() else {
        println!("skipped: no reference image here: scripts/image build");
        return;
    };
    let mut tree = Tree::of_the_repository().expect("the tree");
    let said = lines(facts::of_a_root(&tree, &root).expect("the root is read"));
    assert!(said.is_empty(), "{said:#?}");
    // The tree asks for more than the image has, and forbids what it has: both are seen, and who could log in.
    tree.put("systemd/units/parloir-more.service", "[Service]\n");
    tree.edit("systemd/facts.toml", "\"strace\"", "\"dbus-daemon\"");
    tree.edit("systemd/facts.toml", "\"/usr/sbin/nologin\"", "\"/usr/bin/true\"");
    let text = format!("{}# changed\n", tree.text("systemd/nftables/parloir.nft"));
    tree.put("systemd/nftables/parloir.nft", &text);
    tree.put("systemd/masked", "dbus.service\n");
    tree.edit("systemd/facts.toml", "\"libseccomp.so.2\"", "\"libseccomp.so.9\"");
    let said = lines(facts::of_a_root(&tree, &root).expect("the root is read"));
    for words in [
        "parloir-more.service: systemd/facts.toml asks for it",
        "/usr/bin/dbus-daemon: it must not be there",
        "parloir.nft: it is not what lies in systemd/",
        "/etc/systemd/system/dbus.service: systemd/masked asks",
        "/etc/passwd: root:",
        "libseccomp.so.9: it is not there",
    ] {
        assert!(said.iter().any(|line| line.contains(words)), "nobody says {words}: {said:#?}");
    }
}
