# nooelint: oelint.var.mandatoryvar.SRC_URI
SUMMARY = "Parloir's update"
DESCRIPTION = "A RAUC bundle in verity format with the boot and the root image of one release: a slot group, both or nothing."
HOMEPAGE = "https://parloir.example"
BUGTRACKER = "https://parloir.example/issues"
SECTION = "base"
LICENSE = "Apache-2.0"

inherit bundle features_check parloir_product

REQUIRED_DISTRO_FEATURES = "parloir efi"

PARLOIR_IMAGE = "${@bb.utils.contains('DISTRO_FEATURES', 'parloir-product', 'parloir-image', 'parloir-image-dev', d)}"

# As in parloir-image.inc.
PARLOIR_ROOT_TYPE = "erofs-lz4hc"

RAUC_BUNDLE_COMPATIBLE = "${PARLOIR_COMPATIBLE}"
RAUC_BUNDLE_VERSION = "${DISTRO_VERSION}"
RAUC_BUNDLE_DESCRIPTION = "${DISTRO_NAME} ${DISTRO_VERSION}"
RAUC_BUNDLE_FORMAT = "verity"
# Without the time of the build, so that the same images are the same bundle up to its signature.
RAUC_BUNDLE_BUILD = "${DISTRO_VERSION}"
BUNDLE_NAME = "${BUNDLE_BASENAME}-${MACHINE}-${DISTRO_VERSION}"

RAUC_BUNDLE_SLOTS = "efi rootfs"
RAUC_SLOT_efi = "parloir-esp"
RAUC_SLOT_efi[type] = "boot"
RAUC_SLOT_efi[file] = "parloir-esp-${MACHINE}.vfat"
RAUC_SLOT_efi[rename] = "efi.vfat"
RAUC_SLOT_efi[imagetype] = "raw"
RAUC_SLOT_rootfs = "${PARLOIR_IMAGE}"
RAUC_SLOT_rootfs[fstype] = "${PARLOIR_ROOT_TYPE}.verity"
RAUC_SLOT_rootfs[rename] = "root.img"
RAUC_SLOT_rootfs[imagetype] = "raw"
RAUC_SLOT_rootfs[adaptive] = "block-hash-index"

# Paths or PKCS#11 URIs, from outside.
RAUC_KEY_FILE = "${PARLOIR_RAUC_KEY}"
RAUC_CERT_FILE = "${PARLOIR_RAUC_CERT}"
RAUC_KEYRING_FILE = "${PARLOIR_RAUC_KEYRING}"
PARLOIR_KEYS = "PARLOIR_RAUC_KEY PARLOIR_RAUC_CERT PARLOIR_RAUC_KEYRING"
do_bundle[prefuncs] += "parloir_require_keys"
