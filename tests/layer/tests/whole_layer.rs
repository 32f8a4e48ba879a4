//! The checks that start programs of others are seen to fail, and so is the proof that the list of crates is whole. In the stage `layer` of
//! scripts/test, beside `scripts/layer static` on the tree as it stands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use parloir_layer::checks::{ALL, Context};
use parloir_layer::manifest::Manifest;
use parloir_layer::tools::Tools;
use parloir_layer::tree::Tree;
use parloir_layer::unpack;

const FRAGMENT: &str = "yocto-layer/recipes-kernel/linux/files/no-radio.cfg";

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layer-whole").join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory for the test");
    dir
}

/// What the named checks say of a tree, written out for the programs that they start.
fn faults(names: &[&str], tree: &Tree, dir: &Path) -> Vec<String> {
    for start in ["yocto-layer/", "systemd/", "tests/image/", "tests/layer/"] {
        tree.write(start, dir).expect("the tree is written");
    }
    let tools = Tools::find().expect("scripts/layer tools");
    let manifest = Manifest::of(tree, &dir.join("manifest")).expect("the recipes are installed");
    let with = Context { tree, dir, tools: Some(&tools), manifest: &manifest };
    let chosen = ALL.iter().filter(|check| names.contains(&check.name));
    chosen.flat_map(|check| (check.run)(&with)).map(|fault| fault.to_string()).collect()
}

/// Plants faults in one copy of the tree; every one of the sentences must be said, by that check.
fn seen(check: &str, plant: fn(&mut Tree), sentences: &[&str]) {
    let mut tree = Tree::of_the_repository().expect("the tree");
    plant(&mut tree);
    let dir = scratch(check);
    let said = faults(&[check], &tree, &dir);
    let _ = std::fs::remove_dir_all(dir);
    for sentence in sentences {
        let found = said.iter().any(|line| line.starts_with(&format!("{check}: ")) && line.contains(sentence));
        assert!(found, "{check} does not say {sentence:?}: {said:#?}");
    }
}

#[test]
fn every_check_that_starts_a_program_has_a_planted_fault() {
    let heavy: BTreeSet<&str> = ALL.iter().filter(|check| check.heavy).map(|check| check.name).collect();
    assert_eq!(heavy, BTreeSet::from(["kas", "kconfig", "lint", "units"]));
}

#[test]
fn oelint_sees_a_name_that_is_none_and_a_recipe_without_a_summary() {
    let plant = |tree: &mut Tree| {
        tree.edit("yocto-layer/recipes-core/packagegroups/packagegroup-parloir.bb", "SUMMARY = ", "SUMARY = ");
    };
    seen("lint", plant, &["packagegroup-parloir.bb", "'SUMARY' is unknown", "SUMMARY' should be set"]);
}

#[test]
fn kas_sees_a_branch_for_a_commit_a_wrong_type_and_two_commits_of_one_layer() {
    let plant = |tree: &mut Tree| {
        tree.edit("yocto-layer/kas/base.yml", "commit: 38da0e5866a953e664001ba90b5edad68d68cd5d", "branch: master");
        tree.edit("yocto-layer/kas/parloir-x86-64.yml", "machine: parloir-x86-64", "machine: [parloir-x86-64]");
        tree.edit(
            "yocto-layer/kas/qemux86-64-dev.yml",
            "target:\n",
            "repos:\n  openembedded-core:\n    commit: \"0000000000000000000000000000000000000000\"\ntarget:\n",
        );
    };
    seen(
        "kas",
        plant,
        &[
            "meta-rauc: its commit is ``",
            "parloir-x86-64.yml: ['parloir-x86-64'] is not of type 'string'",
            "pin one commit everywhere",
        ],
    );
}

#[test]
fn kconfig_sees_what_would_be_dropped_in_silence() {
    let plant = |tree: &mut Tree| {
        // A name that no kernel knows; an option whose condition is not asked for; one that another option selects.
        tree.edit(
            FRAGMENT,
            "# CONFIG_BT is not set",
            "# CONFIG_BLUETOOTH is not set\nCONFIG_BT_HCIBTUSB=m\n# CONFIG_CRYPTO_SHA256 is not set",
        );
        tree.put("tests/layer/newer.toml", "NFC = \"9.9\"\n");
        tree.edit("yocto-layer/recipes-kernel/linux/files/screen.cfg", "\nCONFIG_", "\nCONFIG_ACPI=y\nCONFIG_EISA=y\nCONFIG_");
    };
    seen(
        "kconfig",
        plant,
        &[
            "no kernel option is called CONFIG_BLUETOOTH",
            "CONFIG_BT_HCIBTUSB=m is asked for and Kconfig made it n",
            "CONFIG_CRYPTO_SHA256=n is asked for and Kconfig made it y",
            "newer.toml: NFC: the kernel of this check has it",
            "CONFIG_EISA=y is asked for and Kconfig made it n (arm64)",
        ],
    );
}

#[test]
fn systemd_sees_a_line_that_it_does_not_understand_a_program_that_is_not_there_and_an_open_unit() {
    let plant = |tree: &mut Tree| {
        tree.edit("systemd/units/parloir-gate.service", "TasksMax=", "TasksMacks=");
        tree.edit(
            "systemd/units/parloir-still.service",
            "User=parloir-still",
            "User=parloir-still\nExecStartPre=relative/program",
        );
        let open = "[Service]\nExecStart=/usr/libexec/parloir/parloir-still\n";
        tree.put("systemd/units/open.service", open);
    };
    seen("units", plant, &["Unknown key", "relative/program", "open.service"]);
}

#[test]
fn cargo_resolves_from_the_list_of_crates_alone_and_not_without_one() {
    let tree = Tree::of_the_repository().expect("the tree");
    let listed = unpack::listed(&tree).expect("the list");
    let home = scratch("unpack");
    let cargo = std::env::var_os("CARGO_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cargo"), PathBuf::from);
    let count = unpack::unpack(&listed, &cargo, &home).expect("every crate by name and checksum");
    let root = parloir_house::root();
    let packages = unpack::resolve(&root, &home).expect("cargo metadata --frozen");
    assert!(packages > count / 2, "{packages} packages from {count} crates");
    println!("{count} crates by name and checksum; {packages} packages resolve from them alone");
    for one in [listed.first(), listed.get(listed.len() / 2), listed.last()].into_iter().flatten() {
        let away = home.join(format!("bitbake/{}-{}", one.name, one.version));
        std::fs::rename(&away, home.join("away")).expect("the crate is taken away");
        let why = unpack::resolve(&root, &home).expect_err("a crate is missing");
        assert!(why.contains(&one.name), "{}: {why}", one.name);
        std::fs::rename(home.join("away"), &away).expect("the crate comes back");
    }
    let mut other = listed.clone();
    other[0].sum = "0".repeat(64);
    let why = unpack::unpack(&other, &cargo, &scratch("unpack-other")).expect_err("another checksum");
    assert!(why.contains("has the checksum"), "{why}");
    // As large as the crates are.
    let _ = std::fs::remove_dir_all(&home);
}
