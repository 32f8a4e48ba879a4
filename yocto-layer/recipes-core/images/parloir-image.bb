SUMMARY = "Parloir's root, for a cell"
DESCRIPTION = "Read-only erofs with dm-verity, no shell, no log-in, no package tool; on UEFI machines with its signed unified kernel image and \
the disk with both slots."

require parloir-image.inc

REQUIRED_DISTRO_FEATURES = "parloir-product systemd rauc"

PARLOIR_ESP = "parloir-esp"
PARLOIR_KEYS = "PARLOIR_UKI_KEY PARLOIR_UKI_CERT"
do_uki[prefuncs] += "parloir_require_keys"
