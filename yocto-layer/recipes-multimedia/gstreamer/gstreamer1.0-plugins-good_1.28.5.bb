# nooelint: oelint.var.mandatoryvar,oelint.var.suggestedvar
require recipes-multimedia/gstreamer/gstreamer1.0-plugins-good_1.28.2.bb
require parloir-gstreamer.inc

SRC_URI[sha256sum] = "58b45d24a1d77b39d7bb7d9ccc6e2d76bbf28618998c335c163f18e6f94a9324"
