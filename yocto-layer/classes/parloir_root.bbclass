# Owns: what happens to the root of a box once its packages are in: what programs write (the list of GStreamer's plugins, the
# stills, the list of fonts), what is taken away (shells, tools of packages), and the last look. The reference image does the same (tests/image/recipe/root.sh).
# Never: a setting; those come in packages.
# Used by: parloir-image, parloir-image-dev.

inherit qemu

do_rootfs[depends] += "qemu-native:do_populate_sysroot"

# Programs of the target, run on the build machine by QEMU's user mode. Paths that they read are those of the root; what they write is
# named with its whole path.
parloir_made_by_ours() {
    install -d ${IMAGE_ROOTFS}${datadir}/parloir/stills
    GST_REGISTRY_FORK=no GST_REGISTRY=${IMAGE_ROOTFS}${nonarch_libdir}/parloir/gstreamer.registry \
        ${@qemu_run_binary(d, '${IMAGE_ROOTFS}', '${libexecdir}/parloir/parloir-call')} --registry
    ${@qemu_run_binary(d, '${IMAGE_ROOTFS}', '${libexecdir}/parloir/parloir-ui')} --stills ${IMAGE_ROOTFS}${datadir}/parloir/stills
    # The list of fonts is good for directories of the date that the picture of the root gives them; the packages' own was made before.
    find ${IMAGE_ROOTFS}${datadir}/fonts -exec touch -hd @0 {} +
    rm -rf ${IMAGE_ROOTFS}${FONTCONFIG_CACHE_DIR}/*
    ${@qemu_run_binary(d, '${IMAGE_ROOTFS}', '${libexecdir}/fc-cache')} --sysroot=${IMAGE_ROOTFS} --system-only --force
    # The catalogue is made with the image; where journalctl looks for it is memory.
    ${@qemu_run_binary(d, '${IMAGE_ROOTFS}', '${bindir}/journalctl')} --root=${IMAGE_ROOTFS} --update-catalog
    mv ${IMAGE_ROOTFS}${localstatedir}/lib/systemd/catalog/database ${IMAGE_ROOTFS}${nonarch_libdir}/parloir/catalog.database
    echo "L ${localstatedir}/lib/systemd/catalog/database - - - - ${nonarch_libdir}/parloir/catalog.database" \
        > ${IMAGE_ROOTFS}${nonarch_libdir}/tmpfiles.d/parloir-image.conf
    # Those programs run outside of pseudo: what they wrote belongs to who builds.
    chown -R root:root ${IMAGE_ROOTFS}${nonarch_libdir}/parloir ${IMAGE_ROOTFS}${datadir}/parloir ${IMAGE_ROOTFS}${FONTCONFIG_CACHE_DIR}
}
ROOTFS_POSTPROCESS_COMMAND += "parloir_made_by_ours"

# After the last package tool has run: postinstall scripts may want a shell, the box does not.
python parloir_take_away() {
    import parloir.shape as shape
    root = d.getVar('IMAGE_ROOTFS')
    bb.note("taken away: %s" % " ".join(shape.take_away(root)))
    facts = shape.facts(d.getVar('PARLOIR_TREE') + "/systemd/facts.toml")
    said = shape.refuse_root(root, facts) + shape.refuse_missing(root, facts)
    if said:
        bb.fatal("ParloirRoot: %s" % "; ".join(said))
}
IMAGE_PREPROCESS_COMMAND:append = " parloir_take_away"
do_image[vardeps] += "PARLOIR_TREE"
do_image[file-checksums] += "${PARLOIR_TREE}/systemd/facts.toml:True"
