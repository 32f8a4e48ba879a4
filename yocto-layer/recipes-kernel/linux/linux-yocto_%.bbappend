require parloir-kernel.inc

SRC_URI:append:parloir-box:qemux86-64 = " file://emulated-board.cfg"
SRC_URI:append:parloir-box:parloir-x86-64 = " file://pc.cfg"
