# nooelint: oelint.var.mandatoryvar,oelint.var.suggestedvar
require recipes-multimedia/gstreamer/gstreamer1.0-plugins-bad_1.28.2.bb
require parloir-gstreamer.inc

SRC_URI[sha256sum] = "d8af55faef2958c1a8663751475ee46f5164877cf4d8c5913ea906ef180aeb71"
