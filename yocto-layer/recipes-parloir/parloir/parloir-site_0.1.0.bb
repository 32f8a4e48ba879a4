# nooelint: oelint.var.mandatoryvar.SRC_URI
SUMMARY = "Whom this image trusts"
DESCRIPTION = "roots.bin of one site or country (parloirctl init), from outside: an image trusts one set of roots. Whose updates it takes is in \
rauc-conf, and judged here with them."
HOMEPAGE = "https://parloir.example"
BUGTRACKER = "https://parloir.example/issues"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${PARLOIR_TREE}/LICENSE-APACHE;md5=3b83ef96387f14655fc854ddc3c6bd57"

inherit allarch features_check parloir_product

REQUIRED_DISTRO_FEATURES = "parloir"

PARLOIR_KEYS = "PARLOIR_ROOTS PARLOIR_RAUC_KEYRING"
do_configure[noexec] = "1"
do_compile[prefuncs] += "parloir_require_keys"
do_compile[file-checksums] += "${@' '.join(d.getVar(name) + ':True' for name in d.getVar('PARLOIR_KEYS').split() if d.getVar(name))}"
do_compile[vardeps] += "${PARLOIR_KEYS}"

do_compile() {
    cp ${PARLOIR_ROOTS} ${B}/roots.bin
}

do_install() {
    install -D -m 0644 ${B}/roots.bin ${D}${nonarch_libdir}/parloir/roots.bin
}

FILES:${PN} = "${nonarch_libdir}/parloir"
