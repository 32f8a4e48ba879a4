require recipes-kernel/linux/parloir-kernel.inc
