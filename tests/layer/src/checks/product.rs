//! Owns: that a product build cannot be opened up by a setting: the layer's own refusals are run on what they must refuse, and the
//! settings that make them run are there.
//! Never: takes the class's word: each refusal is asked with a fault in front of it (tests/layer/tests/product.rs).
//! Called by: `scripts/layer static`.

use super::Context;
use crate::bitbake::Recipe;
use crate::facts::Facts;
use crate::tree::Tree;
use crate::{Book, Fault};

const INC: &str = "yocto-layer/conf/distro/include/parloir.inc";
const PRODUCT: &str = "yocto-layer/conf/distro/parloir.conf";
const DEV: &str = "yocto-layer/conf/distro/parloir-dev.conf";
/// Radios and services that the distro goes without.
const OPTED_OUT: &[&str] = &["3g", "bluetooth", "debuginfod", "nfc", "nfs", "ptest", "wifi", "x11", "zeroconf"];

pub(super) fn check(with: &Context<'_>) -> Vec<Fault> {
    let mut book = Book::new("product");
    distros(&mut book, with.tree);
    image(&mut book, with.tree);
    keys(&mut book, with.tree);
    cmdline(&mut book, with.tree);
    book.faults
}

fn distros(book: &mut Book, tree: &Tree) {
    let (product, dev) = (super::recipes::conf(tree, PRODUCT), super::recipes::conf(tree, DEV));
    for (file, conf, name) in [(PRODUCT, &product, "parloir"), (DEV, &dev, "parloir-dev")] {
        let distro = conf.value("DISTRO").unwrap_or_default();
        book.hold(
            distro == name,
            format!("{file} DISTRO"),
            format!("it is `{distro}`: product and development could be confused"),
            format!("DISTRO = \"{name}\""),
        );
        let out = conf.words("DISTRO_FEATURES_OPTED_OUT");
        for feature in OPTED_OUT.iter().filter(|feature| !out.iter().any(|word| word == *feature)) {
            book.fault(
                format!("{file} DISTRO_FEATURES_OPTED_OUT"),
                format!("{feature} is not opted out"),
                format!("add {feature} in {INC}"),
            );
        }
        let compatible = conf.value("PARLOIR_COMPATIBLE").unwrap_or_default();
        book.hold(
            compatible.starts_with(&format!("{name}-")),
            format!("{file} PARLOIR_COMPATIBLE"),
            format!("it is `{compatible}`: a box of the other kind would take its bundles"),
            "begin it with the distro's name",
        );
        book.hold(
            conf.value("USERADD_ERROR_DYNAMIC").as_deref() == Some("error"),
            format!("{file} USERADD_ERROR_DYNAMIC"),
            "a build could invent numbers of users",
            "\"error\"",
        );
        let accepted = conf.words("LICENSE_FLAGS_ACCEPTED");
        for whole in accepted.iter().filter(|flag| *flag == "commercial") {
            book.fault(
                format!("{file} LICENSE_FLAGS_ACCEPTED"),
                format!("{whole} accepts everything that needs a licence"),
                "name each recipe: commercial_NAME",
            );
        }
    }
    let words = |conf: &Recipe| conf.words("DISTRO_FEATURES");
    book.hold(
        words(&product).iter().any(|word| word == "parloir-product"),
        PRODUCT,
        "without the feature parloir-product its refusals do not run",
        "append it to DISTRO_FEATURES",
    );
    book.hold(
        !words(&dev).iter().any(|word| word == "parloir-product"),
        DEV,
        "parloir-dev says that it is the product",
        "take parloir-product out",
    );
}

fn image(book: &mut Book, tree: &Tree) {
    let Some(file) = tree.layer_files("/parloir-image.bb").next() else { return };
    let recipe = super::recipes::recipe(tree, file);
    let set = recipe.assignments.iter().filter(|a| a.key == "IMAGE_FEATURES" && a.flag.is_none());
    let set: Vec<&str> = set.map(|a| a.operator).collect();
    book.hold(
        set == ["="],
        format!("{file} IMAGE_FEATURES"),
        format!("it is set by {set:?}: EXTRA_IMAGE_FEATURES of a local.conf would have a say"),
        "set it once, by `=`",
    );
    let features = recipe.words("IMAGE_FEATURES");
    book.hold(
        features == ["read-only-rootfs"],
        format!("{file} IMAGE_FEATURES"),
        format!("it is {features:?}"),
        "\"read-only-rootfs\" and nothing else",
    );
    for (class, does) in [
        ("parloir_product", "refuses settings and packages"),
        ("parloir_root", "takes shells away and looks at the finished root"),
    ] {
        let taken = recipe.inherits.iter().any(|own| own == class);
        book.hold(taken, file, format!("it does not inherit {class}, which {does}"), "inherit it");
    }
    runs(book, tree, &recipe);
}

/// What the classes define is also called: each of these functions is named by a variable that BitBake runs.
fn runs(book: &mut Book, tree: &Tree, image: &Recipe) {
    let classes: String = tree.layer_files(".bbclass").map(|path| tree.text(path)).collect();
    let set: Vec<String> = image.assignments.iter().map(|a| format!("{} {}", a.key, a.value)).collect();
    let lines: Vec<&str> = classes.lines().chain(set.iter().map(String::as_str)).collect();
    for function in ["parloir_take_away", "parloir_refuse_packages", "parloir_require_keys"] {
        let defined = classes.contains(&format!("python {function}()"));
        let called = lines.iter().any(|line| {
            (line.contains("COMMAND") || line.contains("prefuncs")) && line.split(['"', ' ', ';']).any(|word| word == function)
        });
        let prefunc = image.assignments.iter().any(|a| a.flag.as_deref() == Some("prefuncs") && a.value.contains(function));
        book.hold(
            defined && (called || prefunc),
            "yocto-layer/classes",
            format!("{function} is not there or nothing calls it"),
            "name it in the variable that runs it",
        );
    }
    let looks = classes.contains("refuse_root(") && classes.contains("facts.toml");
    book.hold(
        looks,
        "yocto-layer/classes",
        "nothing holds systemd/facts.toml against the finished root",
        "call parloir.shape.refuse_root with it",
    );
}

/// No key in the layer, and no default that would find one.
fn keys(book: &mut Book, tree: &Tree) {
    for path in tree.below("yocto-layer/") {
        let name = path.rsplit('/').next().unwrap_or(path);
        let text = tree.text(path);
        let is_key = text.contains(concat!("-----BEGIN ", "PRIVATE KEY"))
            || text.contains(concat!("-----BEGIN EC ", "PRIVATE KEY"))
            || text.contains(concat!("-----BEGIN RSA ", "PRIVATE KEY"));
        book.hold(
            !is_key && ![".key", ".p12", ".pfx", ".pem", ".crt"].iter().any(|end| name.ends_with(end)),
            path,
            "a key or a certificate: whoever has this repository would have it",
            "keys come from outside, by the variables of the distro",
        );
    }
    for file in [PRODUCT, INC] {
        let conf = super::recipes::conf(tree, file);
        for assignment in conf.assignments.iter().filter(|a| a.file == file) {
            let named = assignment.key.ends_with("_KEY")
                || assignment.key.ends_with("_CERT")
                || assignment.key.ends_with("_KEYRING")
                || assignment.key == "PARLOIR_ROOTS";
            book.hold(
                !named || assignment.value.is_empty(),
                format!("{file}:{}", assignment.line),
                format!(
                    "{} has the default `{}`: a product could be signed with it by mistake",
                    assignment.key, assignment.value
                ),
                "leave it empty",
            );
        }
    }
}

/// The facts about the command line hold in the list from which both images take it.
fn cmdline(book: &mut Book, tree: &Tree) {
    let list = "tests/image/recipe/cmdline";
    let Ok(facts) = Facts::read(tree) else { return };
    let lines =
        tree.text(list).lines().filter_map(|line| line.split_once(' ')).filter(|(who, _)| *who == "both" || *who == "box");
    let words: Vec<&str> = lines.flat_map(|(_, words)| words.split_whitespace()).collect();
    for word in facts.cmdline.words.iter().filter(|word| !words.contains(&word.as_str())) {
        book.fault(list, format!("the product's command line has no {word}"), "add it");
    }
    for word in words.iter().filter(|word| facts.cmdline.never.iter().any(|never| opens(never, word))) {
        book.fault(list, format!("{word} opens the box"), "take it out");
    }
    let takers: Vec<&str> = tree.layer_files(".bb").filter(|path| tree.text(path).contains("UKI_CMDLINE")).collect();
    book.hold(!takers.is_empty(), "yocto-layer", "no recipe sets UKI_CMDLINE", "take it from tests/image/recipe/cmdline");
    for file in takers {
        let line = tree.text(file).lines().find(|line| line.starts_with("UKI_CMDLINE")).unwrap_or_default();
        book.hold(
            line.contains("command_line"),
            format!("{file} UKI_CMDLINE"),
            "it is not made from tests/image/recipe/cmdline",
            "parloir.product.command_line(…)",
        );
    }
}

/// Whether a word of the command line is that one, with a value or without.
fn opens(never: &str, word: &str) -> bool {
    match never.ends_with('=') {
        true => word.starts_with(never),
        false => word == never || word.starts_with(&format!("{never}=")),
    }
}
