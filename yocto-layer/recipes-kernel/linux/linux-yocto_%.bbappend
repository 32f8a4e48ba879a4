require parloir-kernel.inc

SRC_URI:append:parloir-box:qemux86-64 = " file://emulated-board.cfg"
SRC_URI:append:parloir-box:parloir-x86-64 = " file://pc.cfg"

COMPATIBLE_MACHINE:parloir-x86-64 = "parloir-x86-64"
KMACHINE:parloir-x86-64 = "common-pc-64"
KBRANCH:parloir-x86-64 = "v6.18/standard/base"
