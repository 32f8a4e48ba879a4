# SPDX-License-Identifier: Apache-2.0
"""Owns: what a product build refuses, as functions from values to lists of sentences.
Never: reads the datastore, writes a file, ends a build: the class does.
Called by: classes/parloir_product.bbclass, tests/layer."""

import base64
import binascii
import os
import re

# What opens a box up. Words of IMAGE_FEATURES (also by EXTRA_IMAGE_FEATURES, :append and fragments).
DEBUG_FEATURES = frozenset(
    "allow-empty-password allow-root-login dbg-pkgs debug-tweaks dev-pkgs doc-pkgs eclipse-debug empty-root-password overlayfs-etc "
    "package-management post-install-logging ptest-pkgs serial-autologin-root splash ssh-server-dropbear ssh-server-openssh tools-debug "
    "tools-profile tools-sdk tools-testapps weston x11".split()
)

# Packages that have no place in a box: a shell's door, a debugger, a package manager, a recorder, a radio.
NEVER_PACKAGES = (
    r"openssh.*", r"dropbear.*", r"telnetd?", r"util-linux-(agetty|login|sulogin|su)", r"shadow.*", r"sudo", r"gdb.*", r"strace", r"ltrace",
    r"tcpdump", r"valgrind", r"perf", r"opkg.*", r"apt", r"dpkg", r"rpm", r"dnf", r"python3-.*", r"perl.*", r"ffmpeg.*", r"gstreamer1.0-libav",
    r"gstreamer1.0-plugins-(good|bad)-(isomp4|matroska|mpegtsmux|avi|flv)", r"rauc-mark-good", r"rauc-hawkbit-updater", r"bluez.*",
    r"wpa-supplicant.*", r"iwd", r"hostapd", r"ofono", r"kernel-module-(cfg80211|mac80211|bluetooth|btusb|nfc).*", r"systemd-analyze",
    r".*-dbg", r".*-dev", r".*-ptest", r".*-staticdev",
)

# Words of a kernel's command line that hand the box to whoever sits before it.
NEVER_WORDS = ("init=", "rdinit=", "single", "rescue", "emergency", "systemd.debug_shell", "systemd.debug-shell", "rd.break", "rd.shell",
               "systemd.unit=", "root=", "lockdown=none", "module.sig_enforce=0", "systemd.import_credentials=yes", "earlycon", "kgdboc")

def refuse_distro(distro):
    """A product is a product's distro and nothing that was made from it."""
    return [] if distro == "parloir" else [f"DISTRO is {distro}: the product is built with DISTRO = \"parloir\""]


def refuse_features(features):
    """Features of the image that open it up."""
    return [f"IMAGE_FEATURES has {word}: a product has no debug features" for word in sorted(set(features.split()) & DEBUG_FEATURES)]


def refuse_packages(packages):
    """Packages that never go into a box, by whole name; `packages` as IMAGE_INSTALL or the manifest has them."""
    never = re.compile("|".join(NEVER_PACKAGES))
    return [f"package {name} must not be in a product" for name in sorted(set(packages.split())) if never.fullmatch(name)]


def refuse_build(debug_build, cargo_flags):
    """How the programs are compiled."""
    said = []
    if (debug_build or "0") not in ("", "0"):
        said.append("DEBUG_BUILD is set: a product has release builds")
    given = [word for word in cargo_flags.split() if word.startswith(("--features", "--all-features", "-F"))]
    if given:
        said.append(f"cargo is given {' '.join(given)}: the doors of the bench are features")
    return said


def refuse_words(line):
    """Words of the kernel's command line."""
    return [f"the command line has {word}" for word in line.split() if word.startswith(NEVER_WORDS)]


def command_line(text, image):
    """The command line of an image from the list that all images share (tests/image/recipe/cmdline)."""
    words = []
    for line in text.splitlines():
        who, _, rest = line.split("#", 1)[0].strip().partition(" ")
        if who in ("both", image):
            words += rest.split()
    return " ".join(words)


def refuse_keys(keys, inside, development=False):
    """`keys`: name to path or PKCS#11 URI. `inside`: directories that no key may lie in (layers, build, tree). `development`: whether such
    keys are taken."""
    said = []
    for name, value in sorted(keys.items()):
        if not value:
            said.append(f"{name} is not set: signing keys and roots come from outside (yocto-layer/README.md, Keys)")
        elif value.startswith("pkcs11:"):
            continue
        elif not os.path.isabs(value):
            said.append(f"{name} is {value}: an absolute path or a PKCS#11 URI is needed")
        elif not os.path.isfile(value):
            said.append(f"{name} is {value}: there is no such file")
        else:
            real = os.path.realpath(value)
            said += [f"{name} is {value}, inside {place}: keys lie in no tree and no build" for place in inside
                     if place and os.path.commonpath([real, os.path.realpath(place)]) == os.path.realpath(place)]
            said += [] if development else _development(name, real)
    return said


def _development(name, path):
    """Keys that scripts made for development: their certificates say so, or the secret roots lie beside what was made from them."""
    with open(path, "rb") as file:
        content = file.read(65536)
    if any(b"development" in found for found in _certificates(content)):
        return [f"{name} is {path}: a development certificate by its own names"]
    beside = os.path.join(os.path.dirname(path), "roots")
    if name == "PARLOIR_ROOTS" and os.path.isdir(beside) and any(entry.endswith(".key") for entry in os.listdir(beside)):
        return [f"{name} is {path}: the secret keys of these roots lie beside it in {beside}, as development sites have them"]
    return []


def _certificates(content):
    """The certificates of a PEM file, in lower case. Names in them are text as it is, so nothing has to be taken apart for a word: a build
    has no openssl among its tools."""
    found = []
    for body in re.findall(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", content, re.DOTALL):
        try:
            found.append(base64.b64decode(b"".join(body.split()), validate=True).lower())
        except binascii.Error:
            found.append(body.lower())
    return found
