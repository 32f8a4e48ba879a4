#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Owns: the packages that an image is made of, as bitbake resolves them, and what is said of them.
Never: a build. Libraries that are only found when a package is made are not seen; their recipes are (pn-buildlist).
Called by: tests/layer/graph.sh, in a build directory after `bitbake -g`: closure.py BITBAKE-LIB IMAGE."""

import os
import re
import sys

sys.dont_write_bytecode = True
sys.path[:0] = [sys.argv[1], os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../yocto-layer/lib")]

import bb.tinfoil  # noqa: E402
from parloir import product, shape  # noqa: E402

# Besides the packages that systemd/facts.toml names.
MUST = """
gstreamer1.0-plugins-bad-dtls gstreamer1.0-plugins-bad-openh264 gstreamer1.0-plugins-bad-srtp gstreamer1.0-plugins-bad-webrtc
gstreamer1.0-plugins-base-opus gstreamer1.0-plugins-good-rtpmanager gstreamer1.0-plugins-good-video4linux2 libnice
parloir-arbiter parloir-board parloir-call parloir-common parloir-gate parloir-link parloir-peers parloir-site parloir-still parloir-ui
parloir-updater rauc-conf
""".split()
# What has no recipe among those that are built for the box: how somebody gets in, looks into processes, records, speaks by radio.
NEVER_RECIPES = re.compile(
    "openssh|dropbear|gdb|strace|ltrace|tcpdump|valgrind|perf|ffmpeg|x264|gstreamer1.0-libav|gstreamer1.0-plugins-ugly|sudo|bluez5|iw|"
    "wpa-supplicant|ofono|pulseaudio|weston|xserver-xorg|avahi|rpcbind|rauc-hawkbit-updater|grub-efi|curl"
)
GSTREAMER = "1.28.5"


def closure(tinfoil, start):
    """Packages that `start` needs at run time, however far, and those that nothing provides. Recommendations do not count: the image
    takes none."""
    rundeps = tinfoil.cooker.recipecaches[""].rundeps
    found, missing, todo = set(), set(), [start]
    while todo:
        name = todo.pop()
        if name in found or name in missing:
            continue
        _, best = tinfoil.get_runtime_providers(name)
        if best is None:
            missing.add(name)
            continue
        found.add(name)
        todo += [wanted.split(" ")[0] for wanted in rundeps[best].get(name, [])]
    return found, missing


def versions(tinfoil, recipes):
    """Recipe to version, of those whose names begin with gstreamer1.0."""
    cache = tinfoil.cooker.recipecaches[""]
    return {name: cache.pkg_pepvpr[tinfoil.get_recipe_file(name)][1] for name in recipes if name.startswith("gstreamer1.0")}


def look(tinfoil, image):
    """Prints what is there; returns the faults."""
    with open("pn-buildlist", encoding="utf-8") as file:
        built = sorted(file.read().split())
    target = [name for name in built if not name.endswith("-native") and not name.startswith("nativesdk-")]
    packages, missing = closure(tinfoil, "packagegroup-parloir")
    faults = [f"nothing provides {name}" for name in sorted(missing)]
    facts = shape.facts(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../systemd/facts.toml"))
    must = sorted(MUST + [fact["package"] for fact in facts["must"]])
    faults += [f"the image lacks {name}" for name in must if name not in packages]
    faults += product.refuse_packages(" ".join(packages))
    faults += [f"{name} is built for the box" for name in target if NEVER_RECIPES.fullmatch(name)]
    seen = versions(tinfoil, target)
    faults += [f"{name} is {version}, not {GSTREAMER}" for name, version in sorted(seen.items()) if version != GSTREAMER]
    if seen.keys() < {"gstreamer1.0", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good", "gstreamer1.0-plugins-bad"}:
        faults.append("GStreamer's recipes are not among those that are built")
    for name in sorted(packages):
        print("package", name)
    print(f"said {len(packages)} packages are named by {image} and what it needs; all {len(must)} that must be are among them, none that must not.")
    print(f"said {len(target)} recipes are built for the box; " + ", ".join(f"{n} {v}" for n, v in sorted(seen.items())) + ".")
    return faults


def main():
    with bb.tinfoil.Tinfoil() as tinfoil:
        tinfoil.prepare(quiet=2)
        faults = look(tinfoil, sys.argv[2])
    for fault in faults:
        print("fault", fault)
    return 1 if faults else 0


sys.exit(main())
