# nooelint: oelint.var.mandatoryvar.SRC_URI
SUMMARY = "Parloir's boot partition"
DESCRIPTION = "A FAT file system with the unified kernel image as the firmware's default loader: what RAUC writes into efi-a or efi-b."
HOMEPAGE = "https://parloir.example"
BUGTRACKER = "https://parloir.example/issues"
SECTION = "bootloaders"
LICENSE = "Apache-2.0"

DEPENDS = "dosfstools-native mtools-native"
INHIBIT_DEFAULT_DEPS = "1"

inherit deploy nopackages features_check

REQUIRED_DISTRO_FEATURES = "parloir efi"

require conf/image-uefi.conf

PACKAGE_ARCH = "${MACHINE_ARCH}"
PARLOIR_IMAGE = "${@bb.utils.contains('DISTRO_FEATURES', 'parloir-product', 'parloir-image', 'parloir-image-dev', d)}"

do_configure[noexec] = "1"
do_install[noexec] = "1"
do_compile[depends] += "${PARLOIR_IMAGE}:do_uki"

do_compile() {
    rm -f ${B}/esp.vfat
    # As small as the kernel image and a mebibyte: an update is hashed to its last byte.
    size=$(stat -c %s ${DEPLOY_DIR_IMAGE}/${PARLOIR_IMAGE}-${MACHINE}.efi)
    truncate -s $(expr $size / 1048576 + 2)M ${B}/esp.vfat
    # The same bytes for the same kernel image: times are those of the build's SOURCE_DATE_EPOCH.
    mkfs.vfat --invariant -n EFI ${B}/esp.vfat
    mmd -i ${B}/esp.vfat ::EFI ::EFI/BOOT
    mcopy -i ${B}/esp.vfat ${DEPLOY_DIR_IMAGE}/${PARLOIR_IMAGE}-${MACHINE}.efi ::EFI/BOOT/${EFI_BOOT_IMAGE}
}

do_deploy() {
    install -m 0644 ${B}/esp.vfat ${DEPLOYDIR}/${PN}-${MACHINE}.vfat
}
addtask deploy after do_compile before do_build
