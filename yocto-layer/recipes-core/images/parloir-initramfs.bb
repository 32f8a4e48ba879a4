SUMMARY = "Parloir's initrd"
DESCRIPTION = "Finds the slot that the firmware started, opens its verified root and becomes it. The reference image's own /init."
HOMEPAGE = "https://parloir.example"
BUGTRACKER = "https://parloir.example/issues"
SECTION = "images"
LICENSE = "Apache-2.0"

inherit core-image features_check

REQUIRED_DISTRO_FEATURES = "parloir"

PARLOIR_IMAGE = "${@bb.utils.contains('DISTRO_FEATURES', 'parloir-product', 'parloir-image', 'parloir-image-dev', d)}"
PARLOIR_VERITY_DIR = "${TMPDIR}/work-shared/${MACHINE}/${DISTRO}-verity"

# What the kernel needs until then is built into it (recipes-kernel): no modules here.
PACKAGE_INSTALL = "\
    busybox \
    efibootmgr \
    libdevmapper \
    parloir-initrd \
    util-linux-blkid \
"
PACKAGE_EXCLUDE = "kernel-image-*"
NO_RECOMMENDATIONS = "1"
IMAGE_FEATURES = ""
IMAGE_LINGUAS = ""
IMAGE_NAME_SUFFIX = ""
IMAGE_FSTYPES = "${INITRAMFS_FSTYPES}"
IMAGE_ROOTFS_SIZE = "8192"
IMAGE_ROOTFS_EXTRA_SPACE = "0"

UKI_CMDLINE = "${@parloir.product.command_line(open(d.getVar('PARLOIR_TREE') + '/tests/image/recipe/cmdline').read(), 'box')}"

# /init has PATH=/bin. What it reads beside itself belongs to exactly this root and this command line.
parloir_initrd_files() {
    for program in ${IMAGE_ROOTFS}${sbindir}/*; do
        name=$(basename $program)
        [ -e ${IMAGE_ROOTFS}${bindir}/$name ] || ln -s ../sbin/$name ${IMAGE_ROOTFS}${bindir}/$name
    done
    install -m 0644 ${PARLOIR_VERITY_DIR}/root.verity ${IMAGE_ROOTFS}/verity
    echo "${UKI_CMDLINE}" > ${IMAGE_ROOTFS}/cmdline
    install -d ${IMAGE_ROOTFS}/modules ${IMAGE_ROOTFS}/sysroot
    : > ${IMAGE_ROOTFS}/modules/order
}
ROOTFS_POSTPROCESS_COMMAND += "parloir_initrd_files"
do_rootfs[depends] += "${PARLOIR_IMAGE}:do_image_erofs_lz4hc"
do_rootfs[vardeps] += "UKI_CMDLINE"
