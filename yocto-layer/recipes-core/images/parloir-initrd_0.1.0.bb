SUMMARY = "The first process of Parloir's initrd"
DESCRIPTION = "The /init that the reference image has, installed as it is."
HOMEPAGE = "https://parloir.example"
BUGTRACKER = "https://parloir.example/issues"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${PARLOIR_TREE}/LICENSE-APACHE;md5=3b83ef96387f14655fc854ddc3c6bd57"

FILESEXTRAPATHS:prepend := "${PARLOIR_TREE}/tests/image/recipe:"
SRC_URI = "file://init"

S = "${UNPACKDIR}"

inherit allarch features_check

REQUIRED_DISTRO_FEATURES = "parloir"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -m 0755 ${S}/init ${D}/init
    install -d ${D}/dev ${D}/proc ${D}/sys ${D}/run
}

FILES:${PN} = "/init /dev /proc /sys /run"
RDEPENDS:${PN} = "busybox"
