# RAUC installs what parloir-updater has fetched: it has no network of its own, makes no bundles, and its service is started by our unit
# with the slot that the initrd found. Its own unit, its activation file and its open bus policy stay out.
PACKAGECONFIG:parloir-box = "service nocreate json"

do_install:append:parloir-box() {
    rm -f ${D}${systemd_system_unitdir}/rauc.service ${D}${systemd_system_unitdir}/rauc-mark-good.service
    rm -f ${D}${datadir}/dbus-1/system.d/de.pengutronix.rauc.conf ${D}${datadir}/dbus-1/system-services/de.pengutronix.rauc.service
}

SYSTEMD_SERVICE:${PN}-service:parloir-box = ""
SYSTEMD_SERVICE:${PN}-mark-good:parloir-box = ""
ALLOW_EMPTY:${PN}-service:parloir-box = "1"
