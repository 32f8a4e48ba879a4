//! Faults in what is installed: files, packages, units, users, facts.

use crate::{Plant, RECIPE, seen};

const PASSWD: &str = "yocto-layer/files/parloir-passwd";
const GROUP: &str = "yocto-layer/files/parloir-group";
const PACKAGES: &str = "yocto-layer/recipes-core/packagegroups/packagegroup-parloir.bb";

pub const PLANTS: &[Plant] = &[
    Plant {
        check: "install",
        what: "a command of do_install fails",
        plant: |tree| tree.edit(RECIPE, "do_install() {\n", "do_install() {\n    install -m 0644 ${S}/nothing ${D}/nothing\n"),
        words: "its do_install fails",
    },
    Plant {
        check: "install",
        what: "a file that no package takes",
        plant: |tree| {
            tree.edit(RECIPE, "do_install() {\n", "do_install() {\n    install -D -m 0644 ${S}/Cargo.toml ${D}/srv/cargo\n")
        },
        words: "no package takes it",
    },
    Plant {
        check: "install",
        what: "a cell's package is not in the image",
        plant: |tree| tree.edit(RECIPE, "RDEPENDS:${PN} = \"\\\n    ${PN}-arbiter \\\n", "RDEPENDS:${PN} = \"\\\n"),
        words: "parloir-arbiter, which the image does not take",
    },
    Plant {
        check: "install",
        what: "FILES names a unit that is called otherwise",
        plant: |tree| {
            tree.edit(
                RECIPE,
                "${systemd_system_unitdir}/parloir-link.service\"",
                "${systemd_system_unitdir}/parloir-lnk.service\"",
            )
        },
        words: "parloir-lnk.service is not installed",
    },
    Plant {
        check: "install",
        what: "SYSTEMD_SERVICE names a unit that is not there",
        plant: |tree| {
            tree.edit(
                RECIPE,
                "SYSTEMD_SERVICE:${PN}-common = \"parloir.target\"",
                "SYSTEMD_SERVICE:${PN}-common = \"parlour.target\"",
            )
        },
        words: "parlour.target is not installed",
    },
    Plant {
        check: "install",
        what: "two programs in one package",
        plant: |tree| {
            tree.edit(RECIPE, "FILES:${PN}-arbiter = \"", "FILES:${PN}-arbiter = \"${libexecdir}/parloir/parloir-gate ")
        },
        words: "another cell's program too",
    },
    Plant {
        check: "install",
        what: "a program without its unit",
        plant: |tree| tree.edit(RECIPE, " ${systemd_system_unitdir}/parloir-gate.service\"", "\""),
        words: "put them together",
    },
    Plant {
        check: "users",
        what: "a user has another number than on the data partition",
        plant: |tree| tree.edit(PASSWD, "parloir-gate:x:801:801", "parloir-gate:x:901:801"),
        words: "it is 901, systemd/sysusers.d says 801",
    },
    Plant {
        check: "users",
        what: "two users with one number",
        plant: |tree| tree.edit(PASSWD, "parloir-gate:x:801:", "parloir-gate:x:802:"),
        words: "number 802 is there twice",
    },
    Plant {
        check: "users",
        what: "a user who could log in",
        plant: |tree| {
            tree.edit(
                PASSWD,
                "parloir-gate:x:801:801:Parloir doors:/:/usr/sbin/nologin",
                "parloir-gate:x:801:801:Parloir doors:/:/bin/sh",
            )
        },
        words: "could log in (/bin/sh)",
    },
    Plant {
        check: "users",
        what: "a group of another package has no number",
        plant: |tree| tree.edit(GROUP, "render:x:527:\n", ""),
        words: "render has no number",
    },
    Plant {
        check: "users",
        what: "a unit runs as a user whom nobody knows",
        plant: |tree| tree.edit("systemd/units/parloir-still.service", "User=parloir-still", "User=parloir-stil"),
        words: "User=parloir-stil, which",
    },
    Plant {
        check: "users",
        what: "a new user of systemd/sysusers.d that the recipe does not make",
        plant: |tree| {
            tree.edit(
                "systemd/sysusers.d/parloir.conf",
                "g parloir-screen",
                "u! parloir-new 820 \"New\" / /usr/sbin/nologin\ng parloir-screen",
            )
        },
        words: "no recipe makes parloir-new",
    },
    Plant {
        check: "facts",
        what: "the bus policies are not installed",
        plant: |tree| tree.edit(RECIPE, "        dbus:${datadir}/dbus-1/system.d \\\n", ""),
        words: "org.parloir.Arbiter.conf: systemd/facts.toml asks for it",
    },
    Plant {
        check: "facts",
        what: "a unit is changed on its way",
        plant: |tree| {
            tree.edit(RECIPE, "    # Units that must not exist", "    sed -i s/NoNewPrivileges=yes// ${D}${systemd_system_unitdir}/parloir-.service.d/cell.conf\n    # Units that must not exist")
        },
        words: "cell.conf: it is not what lies in systemd/",
    },
    Plant {
        check: "facts",
        what: "another target starts than the one that the link leads to",
        plant: |tree| {
            tree.edit(
                RECIPE,
                "    # Units that must not exist",
                "    ln -sf rescue.target ${D}${systemd_system_unitdir}/default.target\n    # Units that must not exist",
            )
        },
        words: "default.target: it is not what lies in systemd/",
    },
    Plant {
        check: "facts",
        what: "a unit is not masked",
        plant: |tree| tree.edit(RECIPE, "${S}/systemd/masked |", "${S}/systemd/masked | grep -v debug-shell |"),
        words: "debug-shell.service: systemd/masked asks",
    },
    Plant {
        check: "facts",
        what: "a shell is installed",
        plant: |tree| {
            tree.edit(
                RECIPE,
                "    # Units that must not exist",
                "    install -D -m 0755 ${S}/Cargo.toml ${D}${nonarch_libdir}/parloir/bash\n    # Units that must not exist",
            )
        },
        words: "reads commands",
    },
    Plant {
        check: "facts",
        what: "a program with the rights of its owner",
        plant: |tree| {
            tree.edit(
                RECIPE,
                "    # Units that must not exist",
                "    chmod 4755 ${D}${libexecdir}/parloir/parloir-gate\n    # Units that must not exist",
            )
        },
        words: "gives more rights than its caller has",
    },
    Plant {
        check: "facts",
        what: "a cell whose program is not there",
        plant: |tree| tree.edit("systemd/cells.toml", "binary = \"parloir-still\"", "binary = \"parloir-picture\""),
        words: "parloir-picture: systemd/facts.toml asks for it",
    },
    Plant {
        check: "facts",
        what: "the packages of the programs are not in the image at all",
        plant: |tree| tree.edit(PACKAGES, "    parloir \\\n", ""),
        words: "parloir-gate: systemd/facts.toml asks for it",
    },
    Plant {
        check: "facts",
        what: "a library that is loaded by name is left to a recommendation",
        plant: |tree| tree.edit(PACKAGES, "    libseccomp \\\n", ""),
        words: "does not name libseccomp",
    },
    Plant {
        check: "facts",
        what: "a unit starts a program that nobody brings",
        plant: |tree| tree.put("systemd/units/parloir-more.service", "[Service]\nExecStart=-/usr/bin/more --all\n"),
        words: "a unit names /usr/bin/more",
    },
];

#[test]
fn faults_in_what_is_installed_are_seen() {
    seen(PLANTS, "image");
}
