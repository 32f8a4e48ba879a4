# Mounts are units of ours (systemd/units), names come from nowhere.
hostname:parloir-box = "parloir"

do_install:append:parloir-box() {
    : > ${D}${sysconfdir}/fstab
}
