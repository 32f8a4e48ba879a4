//! Faults in settings: the distro, the image, the disk, RAUC, the command line.

use crate::{INC, Plant, seen};

const WKS: &str = "yocto-layer/files/wic/parloir-ab.wks.in";
const RAUC: &str = "systemd/rauc/system.conf";
const IMAGE: &str = "yocto-layer/recipes-core/images/parloir-image.inc";
const DEV: &str = "yocto-layer/conf/distro/parloir-dev.conf";

pub const PLANTS: &[Plant] = &[
    Plant {
        check: "disk",
        what: "a partition has another name than the one that is looked for",
        plant: |tree| tree.edit(WKS, "--part-name root-b", "--part-name root_b"),
        words: "name them so, in that order",
    },
    Plant {
        check: "disk",
        what: "the second slot is smaller",
        plant: |tree| {
            tree.edit(
                WKS,
                "--part-name root-b --align 1024 --fixed-size 1024M",
                "--part-name root-b --align 1024 --fixed-size 512M",
            )
        },
        words: "root-a and root-b have not one fixed size",
    },
    Plant {
        check: "disk",
        what: "the reference image's disk has other names",
        plant: |tree| tree.edit("tests/image/recipe/disk.sh", "root-b:", "rootb:"),
        words: "the reference disk has",
    },
    Plant {
        check: "disk",
        what: "RAUC writes to a partition that no disk has",
        plant: |tree| tree.edit(RAUC, "device=/dev/parloir/root-b", "device=/dev/parloir/root_b"),
        words: "is no partition of the disk",
    },
    Plant {
        check: "disk",
        what: "RAUC's halves are crossed: an update would write the root that runs",
        plant: |tree| tree.edit(RAUC, "device=/dev/parloir/root-b", "device=/dev/parloir/root-a"),
        words: "its other half is of the other slot",
    },
    Plant {
        check: "disk",
        what: "plain bundles are taken",
        plant: |tree| tree.edit(RAUC, "bundle-formats=-plain", "bundle-formats=plain"),
        words: "not checked while it is read",
    },
    Plant {
        check: "disk",
        what: "an older image is taken",
        plant: |tree| tree.edit(RAUC, "min-bundle-version=@VERSION@\n", ""),
        words: "could be put back",
    },
    Plant {
        check: "disk",
        what: "any certificate of the authority signs",
        plant: |tree| tree.edit(RAUC, "check-purpose=codesign\n", ""),
        words: "could sign",
    },
    Plant {
        check: "product",
        what: "the developer's distro says that it is the product",
        plant: |tree| tree.edit(DEV, "DISTRO = \"parloir-dev\"", "DISTRO = \"parloir\""),
        words: "product and development could be confused",
    },
    Plant {
        check: "product",
        what: "both take each other's updates",
        plant: |tree| {
            tree.edit(INC, "PARLOIR_COMPATIBLE = \"${DISTRO}-${MACHINE}\"", "PARLOIR_COMPATIBLE = \"parloir-${MACHINE}\"")
        },
        words: "a box of the other kind would take its bundles",
    },
    Plant {
        check: "product",
        what: "a radio comes back",
        plant: |tree| tree.edit(INC, "    bluetooth \\\n", ""),
        words: "bluetooth is not opted out",
    },
    Plant {
        check: "product",
        what: "every recipe with a licence to pay is accepted",
        plant: |tree| tree.edit(INC, "\"commercial_openh264\"", "\"commercial\""),
        words: "accepts everything",
    },
    Plant {
        check: "product",
        what: "a build may invent numbers",
        plant: |tree| tree.edit(INC, "USERADD_ERROR_DYNAMIC = \"error\"", "USERADD_ERROR_DYNAMIC = \"warn\""),
        words: "could invent numbers of users",
    },
    Plant {
        check: "product",
        what: "a local.conf can add features to the image",
        plant: |tree| tree.edit(IMAGE, "IMAGE_FEATURES = \"read-only-rootfs\"", "IMAGE_FEATURES += \"read-only-rootfs\""),
        words: "EXTRA_IMAGE_FEATURES of a local.conf would have a say",
    },
    Plant {
        check: "product",
        what: "the image has a feature more",
        plant: |tree| {
            tree.edit(IMAGE, "IMAGE_FEATURES = \"read-only-rootfs\"", "IMAGE_FEATURES = \"read-only-rootfs ssh-server-dropbear\"")
        },
        words: "and nothing else",
    },
    Plant {
        check: "product",
        what: "the class with the refusals is not inherited",
        plant: |tree| tree.edit(IMAGE, " parloir_product", ""),
        words: "does not inherit parloir_product",
    },
    Plant {
        check: "product",
        what: "nothing looks at the finished root",
        plant: |tree| {
            tree.edit("yocto-layer/classes/parloir_root.bbclass", "IMAGE_PREPROCESS_COMMAND:append = \" parloir_take_away\"", "")
        },
        words: "parloir_take_away is not there or nothing calls it",
    },
    Plant {
        check: "product",
        what: "a key lies in the layer",
        plant: |tree| tree.put("yocto-layer/files/update.txt", concat!("-----BEGIN ", "PRIVATE KEY-----\n")),
        words: "a key or a certificate",
    },
    Plant {
        check: "product",
        what: "a key has a default",
        plant: |tree| tree.edit(INC, "PARLOIR_RAUC_KEY ?= \"\"", "PARLOIR_RAUC_KEY ?= \"/keys/update.pem\""),
        words: "could be signed with it by mistake",
    },
    Plant {
        check: "product",
        what: "the kernel is not locked down",
        plant: |tree| tree.edit("tests/image/recipe/cmdline", "lockdown=integrity ", ""),
        words: "has no lockdown=integrity",
    },
    Plant {
        check: "product",
        what: "a shell on the console by one word",
        plant: |tree| tree.edit("tests/image/recipe/cmdline", "both panic=1", "both systemd.debug_shell=1 panic=1"),
        words: "systemd.debug_shell=1 opens the box",
    },
];

#[test]
fn faults_in_settings_are_seen() {
    seen(PLANTS, "settings");
}
