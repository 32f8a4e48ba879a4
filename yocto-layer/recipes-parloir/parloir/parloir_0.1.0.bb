SUMMARY = "Parloir's processes, units, users and policies"
SUMMARY:${PN}-arbiter = "Parloir: the process that decides"
SUMMARY:${PN}-call = "Parloir: the media of one visit"
SUMMARY:${PN}-gate = "Parloir: the doors"
SUMMARY:${PN}-link = "Parloir: the way to the facility"
SUMMARY:${PN}-peers = "Parloir: the firewall's sets"
SUMMARY:${PN}-still = "Parloir: a picture without a program"
SUMMARY:${PN}-ui = "Parloir: the screen"
SUMMARY:${PN}-updater = "Parloir: updates"
SUMMARY:${PN}-common = "Parloir: users, policies, firewall, units of no single process"
DESCRIPTION = "The workspace is compiled once and split into a package per process. Units, users, bus policies, firewall and the rest come \
from the tree's systemd/, as they are: the reference image installs the same files."
LICENSE:${PN}-arbiter = "Apache-2.0"
LICENSE:${PN}-call = "Apache-2.0"
LICENSE:${PN}-gate = "Apache-2.0"
LICENSE:${PN}-link = "Apache-2.0"
LICENSE:${PN}-peers = "Apache-2.0"
LICENSE:${PN}-still = "Apache-2.0"
LICENSE:${PN}-ui = "GPL-3.0-only"
LICENSE:${PN}-updater = "Apache-2.0"
LICENSE:${PN}-common = "Apache-2.0"

require parloir.inc

inherit systemd useradd parloir_product

REQUIRED_DISTRO_FEATURES = "parloir systemd"

DEPENDS += "\
    fontconfig \
    glib-2.0 \
    gstreamer1.0 \
    gstreamer1.0-plugins-bad \
    gstreamer1.0-plugins-base \
    libxkbcommon \
"

# The cells of systemd/cells.toml that have a program here; written out below, a line per cell, for readers and for `scripts/layer static`.
PARLOIR_CELLS = "arbiter call gate link peers still ui updater"
CARGO_BUILD_FLAGS += "\
    --package parloir-arbiter \
    --package parloir-call \
    --package parloir-gate \
    --package parloir-link \
    --package parloir-peers \
    --package parloir-still \
    --package parloir-ui \
    --package parloir-updater \
"

# Users of systemd/sysusers.d; their numbers are in files/parloir-passwd and parloir-group. cec has a user and no program of ours.
USERADD_PACKAGES = "${PN}-common"
GROUPADD_PARAM:${PN}-common = "--system parloir-screen"
USERADD_PARAM:${PN}-common = "\
    --system --no-create-home --home-dir / --shell ${sbindir}/nologin --user-group parloir-arbiter; \
    --system --no-create-home --home-dir / --shell ${sbindir}/nologin --user-group parloir-call; \
    --system --no-create-home --home-dir / --shell ${sbindir}/nologin --user-group parloir-cec; \
    --system --no-create-home --home-dir / --shell ${sbindir}/nologin --user-group parloir-gate; \
    --system --no-create-home --home-dir / --shell ${sbindir}/nologin --user-group parloir-link; \
    --system --no-create-home --home-dir / --shell ${sbindir}/nologin --user-group parloir-peers; \
    --system --no-create-home --home-dir / --shell ${sbindir}/nologin --user-group parloir-still; \
    --system --no-create-home --home-dir / --shell ${sbindir}/nologin --user-group parloir-ui; \
    --system --no-create-home --home-dir / --shell ${sbindir}/nologin --user-group parloir-updater; \
"

# Every unit of ours is started by parloir.target or by the preset in systemd/preset, nothing by itself.
SYSTEMD_PACKAGES = "${PN}-common"
SYSTEMD_SERVICE:${PN}-common = "parloir.target"
SYSTEMD_AUTO_ENABLE = "disable"

do_install() {
    for cell in ${PARLOIR_CELLS}; do
        install -D -m 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/parloir-$cell ${D}${libexecdir}/parloir/parloir-$cell
    done
    for pair in \
        units:${systemd_system_unitdir} \
        preset:${systemd_unitdir}/system-preset \
        network:${systemd_unitdir}/network \
        system.conf.d:${systemd_unitdir}/system.conf.d \
        journald.conf.d:${systemd_unitdir}/journald.conf.d \
        catalog:${systemd_unitdir}/catalog \
        sysusers.d:${nonarch_libdir}/sysusers.d \
        tmpfiles.d:${nonarch_libdir}/tmpfiles.d \
        sysctl.d:${nonarch_libdir}/sysctl.d \
        modules-load.d:${nonarch_libdir}/modules-load.d \
        nftables:${nonarch_libdir}/parloir/nftables \
        udev:${nonarch_base_libdir}/udev/rules.d \
        dbus:${datadir}/dbus-1/system.d \
    ; do
        from=${S}/systemd/$(echo $pair | cut -d: -f1)
        to=${D}$(echo $pair | cut -d: -f2)
        install -d $to
        cp -R -P $from/. $to/
    done
    find ${D} -type d -exec chmod 0755 {} +
    find ${D}${nonarch_libdir} ${D}${datadir} -type f -exec chmod 0644 {} +
    # Units that must not exist on a box.
    install -d ${D}${sysconfdir}/systemd/system
    sed -e 's/[[:space:]]*#.*//' -e '/^[[:space:]]*$/d' ${S}/systemd/masked | while read -r unit; do
        ln -s /dev/null ${D}${sysconfdir}/systemd/system/$unit
    done
}

# A package per process: its program and its unit. What several have is in -common.
PACKAGES = "\
    ${PN}-dbg \
    ${PN}-arbiter \
    ${PN}-call \
    ${PN}-gate \
    ${PN}-link \
    ${PN}-peers \
    ${PN}-still \
    ${PN}-ui \
    ${PN}-updater \
    ${PN}-common \
    ${PN} \
"
PACKAGE_BEFORE_PN = ""

FILES:${PN}-arbiter = "${libexecdir}/parloir/parloir-arbiter ${systemd_system_unitdir}/parloir-arbiter.service"
FILES:${PN}-call = "${libexecdir}/parloir/parloir-call ${systemd_system_unitdir}/parloir-call.slice ${systemd_system_unitdir}/parloir-call.socket ${systemd_system_unitdir}/parloir-call@.service"
FILES:${PN}-gate = "${libexecdir}/parloir/parloir-gate ${systemd_system_unitdir}/parloir-gate.service"
FILES:${PN}-link = "${libexecdir}/parloir/parloir-link ${systemd_system_unitdir}/parloir-link.service"
FILES:${PN}-peers = "${libexecdir}/parloir/parloir-peers ${systemd_system_unitdir}/parloir-peers.service"
FILES:${PN}-still = "${libexecdir}/parloir/parloir-still ${systemd_system_unitdir}/parloir-still.service"
FILES:${PN}-ui = "${libexecdir}/parloir/parloir-ui ${systemd_system_unitdir}/parloir-ui.service"
FILES:${PN}-updater = "${libexecdir}/parloir/parloir-updater ${systemd_system_unitdir}/parloir-updater.service"
FILES:${PN}-common = "\
    ${nonarch_base_libdir}/udev/rules.d \
    ${nonarch_libdir}/modules-load.d \
    ${nonarch_libdir}/parloir \
    ${nonarch_libdir}/sysctl.d \
    ${nonarch_libdir}/sysusers.d \
    ${nonarch_libdir}/tmpfiles.d \
    ${systemd_unitdir} \
    ${sysconfdir}/systemd \
    ${datadir}/dbus-1 \
"
FILES:${PN} = ""
ALLOW_EMPTY:${PN} = "1"

RDEPENDS:${PN}-arbiter = "${PN}-common"
RDEPENDS:${PN}-call = "${PN}-common"
RDEPENDS:${PN}-gate = "${PN}-common"
RDEPENDS:${PN}-link = "${PN}-common"
RDEPENDS:${PN}-peers = "${PN}-common"
RDEPENDS:${PN}-still = "${PN}-common"
RDEPENDS:${PN}-ui = "${PN}-common"
RDEPENDS:${PN}-updater = "${PN}-common"
RDEPENDS:${PN}-common = "nftables v4l-utils"
RDEPENDS:${PN} = "\
    ${PN}-arbiter \
    ${PN}-call \
    ${PN}-gate \
    ${PN}-link \
    ${PN}-peers \
    ${PN}-still \
    ${PN}-ui \
    ${PN}-updater \
    ${PN}-common \
"
