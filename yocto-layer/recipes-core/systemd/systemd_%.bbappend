# What the box uses: manager, journal, udev, networkd, tmpfiles. The rest is not built, so that nothing has to be masked that is not there.
PACKAGECONFIG:append:parloir-box = " no-dns-fallback no-ntp-fallback"
PACKAGECONFIG:remove:parloir-box = "\
    backlight \
    binfmt \
    coredump \
    hibernate \
    hostnamed \
    idn \
    localed \
    logind \
    machined \
    myhostname \
    nss-mymachines \
    nss-resolve \
    osc-context \
    quotacheck \
    randomseed \
    resolved \
    rfkill \
    serial-getty-generator \
    timedated \
    timesyncd \
    userdb \
    utmp \
    vconsole \
    wheel-group \
"

# Log-in on a line, mounts over /var, swap: not on a box.
RDEPENDS:${PN}:remove:parloir-box = "systemd-serialgetty util-linux-agetty util-linux-mkswap util-linux-swaponoff volatile-binds"

# Ours are in the packages of Parloir's own units.
do_install:append:parloir-box() {
    rm -f ${D}${systemd_system_unitdir}/default.target ${D}${systemd_system_unitdir}/tmp.mount
    rm -f ${D}${systemd_system_unitdir}/local-fs.target.wants/tmp.mount
}
