COMPATIBLE_MACHINE:parloir-x86-64 = "parloir-x86-64"
KMACHINE:parloir-x86-64 = "common-pc-64"
KBRANCH:parloir-x86-64 = "v6.18/standard/base"
