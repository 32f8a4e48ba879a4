# nooelint: oelint.var.mandatoryvar,oelint.var.suggestedvar
require recipes-multimedia/gstreamer/gstreamer1.0_1.28.2.bb
require parloir-gstreamer.inc

SRC_URI[sha256sum] = "a5a9f783809b17a8eb774f4a7695b2cb8cba6b15520129906f87eaf30e7f8469"

CVE_STATUS[CVE-2026-12891] = "cpe-stable-backport: Fixed since 1.28.5"
CVE_STATUS[CVE-2026-12892] = "cpe-stable-backport: Fixed since 1.28.5"
