# Mounts are units of ours (systemd/units), names come from nowhere.
FILESEXTRAPATHS:prepend:parloir-box := "${THISDIR}/files:"
hostname:parloir-box = "parloir"
