# nooelint: oelint.var.mandatoryvar.SRC_URI
SUMMARY = "What hardware this box has, as Parloir's units read it"
DESCRIPTION = "board.toml of one board, rendered, with its udev rules and modules. docs/integrating.md tells how to describe a board."
HOMEPAGE = "https://parloir.example"
BUGTRACKER = "https://parloir.example/issues"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${PARLOIR_TREE}/LICENSE-APACHE;md5=3b83ef96387f14655fc854ddc3c6bd57"

DEPENDS = "parloirctl-native"

inherit features_check

REQUIRED_DISTRO_FEATURES = "parloir"
PACKAGE_ARCH = "${MACHINE_ARCH}"

# A directory with board.toml, udev/, modprobe.d/ and modules-load.d/. A real board's is the integrator's: sockets and ports differ
# between two cases of the same PC.
PARLOIR_BOARD_DIR ?= ""
PARLOIR_BOARD_DIR:qemux86-64 = "${PARLOIR_TREE}/systemd/boards/qemu"
do_compile[file-checksums] += "${@d.getVar('PARLOIR_BOARD_DIR') + '/*:True' if d.getVar('PARLOIR_BOARD_DIR') else ''}"

do_configure[noexec] = "1"

do_compile() {
    if [ -z "${PARLOIR_BOARD_DIR}" ]; then
        bbfatal "PARLOIR_BOARD_DIR is not set: name a directory with the board.toml of this board (docs/integrating.md)"
    fi
    parloirctl board check ${PARLOIR_BOARD_DIR}/board.toml
    parloirctl board render ${PARLOIR_BOARD_DIR}/board.toml > ${B}/board.env
}

do_install() {
    install -D -m 0644 ${B}/board.env ${D}${nonarch_libdir}/parloir/board.env
    for pair in udev:${nonarch_base_libdir}/udev/rules.d modprobe.d:${nonarch_libdir}/modprobe.d modules-load.d:${nonarch_libdir}/modules-load.d; do
        from=${PARLOIR_BOARD_DIR}/$(echo $pair | cut -d: -f1)
        to=${D}$(echo $pair | cut -d: -f2)
        [ -d $from ] || continue
        install -d $to
        cp -R -P $from/. $to/
        chmod 0644 $to/*
    done
}

FILES:${PN} = "${nonarch_libdir} ${nonarch_base_libdir}"
