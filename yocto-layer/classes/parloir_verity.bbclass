# Owns: the hash tree behind the root's file system, and the table by which the initrd opens both: the same commands, salt and table as the
# reference image (tests/image/recipe/root.sh), so that one initrd fits both.
# Never: a superblock: nothing that is on the disk is asked how to check the disk.
# Used by: parloir-image, parloir-image-dev; parloir-initramfs reads the table.

PARLOIR_VERITY_DIR = "${TMPDIR}/work-shared/${MACHINE}/${DISTRO}-verity"
PARLOIR_VERITY_SALT = "7061726c6f6972"

CONVERSIONTYPES += "verity"
CONVERSION_CMD:verity = "parloir_verity ${IMAGE_NAME}.${type}"
CONVERSION_DEPENDS_verity = "cryptsetup-native"
IMAGE_TYPES += "${PARLOIR_ROOT_TYPE}.verity"

parloir_verity() {
    install -d ${PARLOIR_VERITY_DIR}
    cp --sparse=never "$1" "$1.verity"
    # Whole blocks.
    truncate -s %4096 "$1.verity"
    size=$(stat -c %s "$1.verity")
    blocks=$(expr $size / 4096)
    veritysetup format --no-superblock --salt=${PARLOIR_VERITY_SALT} --data-blocks=$blocks --hash-offset=$size \
        --root-hash-file=${PARLOIR_VERITY_DIR}/root.hash "$1.verity" "$1.verity"
    echo "0 $(expr $size / 512) verity 1 DEVICE DEVICE 4096 4096 $blocks $blocks sha256 $(cat ${PARLOIR_VERITY_DIR}/root.hash) ${PARLOIR_VERITY_SALT} 1 restart_on_corruption" \
        > ${PARLOIR_VERITY_DIR}/root.verity
}
