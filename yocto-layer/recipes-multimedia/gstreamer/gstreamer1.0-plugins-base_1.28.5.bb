# nooelint: oelint.var.mandatoryvar,oelint.var.suggestedvar
require recipes-multimedia/gstreamer/gstreamer1.0-plugins-base_1.28.2.bb
require parloir-gstreamer.inc

SRC_URI[sha256sum] = "776f19228f91fd25bbf54d9850597e158507f594872a52b9b6814e2429b43eaa"
