# system.conf is the reference image's, with this machine's name; the keyring comes from outside.
FILESEXTRAPATHS:prepend:parloir-box := "${PARLOIR_TREE}/systemd/rauc:"
RAUC_KEYRING_URI:parloir-box = "${@'file://' + d.getVar('PARLOIR_RAUC_KEYRING') if d.getVar('PARLOIR_RAUC_KEYRING') else ''}"
PACKAGE_ARCH:parloir-box = "${MACHINE_ARCH}"

do_install:parloir-box() {
    if [ -z "${PARLOIR_RAUC_KEYRING}" ]; then
        bbfatal "PARLOIR_RAUC_KEYRING is not set: the certificates that an update must be signed by come from outside (yocto-layer/README.md, Keys)"
    fi
    install -d ${D}${nonarch_libdir}/rauc
    sed -e 's/@COMPATIBLE@/${PARLOIR_COMPATIBLE}/' -e 's/@VERSION@/${DISTRO_VERSION}/' ${UNPACKDIR}/system.conf > ${D}${nonarch_libdir}/rauc/system.conf
    chmod 0644 ${D}${nonarch_libdir}/rauc/system.conf
    install -m 0644 ${PARLOIR_RAUC_KEYRING} ${D}${nonarch_libdir}/rauc/ca.cert.pem
}
