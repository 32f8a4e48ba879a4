SUMMARY = "Everything that is in a Parloir box"
DESCRIPTION = "A list and nothing else: what is not here, or needed by what is here, is not in the image (NO_RECOMMENDATIONS)."
HOMEPAGE = "https://parloir.example"
BUGTRACKER = "https://parloir.example/issues"
SECTION = "base"
LICENSE = "Apache-2.0"

PACKAGE_ARCH = "${MACHINE_ARCH}"

inherit packagegroup features_check

REQUIRED_DISTRO_FEATURES = "parloir"

PACKAGES = "${PN} ${PN}-base ${PN}-media ${PN}-update"

RDEPENDS:${PN} = "\
    ${PN}-base \
    ${PN}-media \
    ${PN}-update \
    parloir \
    parloir-board \
    parloir-site \
"

# The system below: first process, network, bus, firewall, file system check of the data partition, HDMI-CEC. systemd only recommends its
# networkd and the libraries that it loads by name, and no recommendation is followed here; without libseccomp it applies no unit's
# SystemCallFilter, and goes on.
RDEPENDS:${PN}-base = "\
    base-files \
    base-passwd \
    dbus \
    e2fsprogs-e2fsck \
    kernel-base \
    libseccomp \
    netbase \
    nftables \
    os-release \
    systemd \
    systemd-networkd \
    util-linux-fsck \
    util-linux-libblkid \
    util-linux-mount \
    v4l-utils \
    ${PARLOIR_MACHINE_PACKAGES} \
"

# Plugins by name, those that call's pipeline makes and those that webrtcbin makes: no muxer, no file format, nothing that could record.
RDEPENDS:${PN}-media = "\
    alsa-conf \
    gstreamer1.0 \
    gstreamer1.0-plugins-bad-dtls \
    gstreamer1.0-plugins-bad-openh264 \
    gstreamer1.0-plugins-bad-srtp \
    gstreamer1.0-plugins-bad-videoparsersbad \
    gstreamer1.0-plugins-bad-webrtc \
    gstreamer1.0-plugins-base-alsa \
    gstreamer1.0-plugins-base-app \
    gstreamer1.0-plugins-base-audioconvert \
    gstreamer1.0-plugins-base-audioresample \
    gstreamer1.0-plugins-base-opus \
    gstreamer1.0-plugins-base-videoconvertscale \
    gstreamer1.0-plugins-base-volume \
    gstreamer1.0-plugins-good-debug \
    gstreamer1.0-plugins-good-jpeg \
    gstreamer1.0-plugins-good-level \
    gstreamer1.0-plugins-good-rtp \
    gstreamer1.0-plugins-good-rtpmanager \
    gstreamer1.0-plugins-good-video4linux2 \
    libnice \
    ttf-dejavu-sans \
    ttf-dejavu-sans-mono \
    ${@bb.utils.contains('MACHINE_FEATURES', 'va', 'gstreamer1.0-plugins-bad-va mesa-megadriver libva', '', d)} \
"

RDEPENDS:${PN}-update = "\
    efibootmgr \
    rauc \
    rauc-conf \
    rauc-service \
"

# What a board needs besides: drivers that are modules, firmware. Drivers in the kernel image need nothing here, and the kernel itself is in the boot partition.
PARLOIR_MACHINE_PACKAGES ?= ""
PARLOIR_MACHINE_PACKAGES:qemux86-64 = "kernel-module-snd-aloop kernel-module-vivid"
# Screen, its sound, H.264.
PARLOIR_MACHINE_PACKAGES:raspberrypi4-64 = "kernel-module-bcm2835-codec kernel-module-snd-soc-hdmi-codec kernel-module-vc4"
