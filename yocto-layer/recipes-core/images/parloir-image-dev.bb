SUMMARY = "Parloir's root, for a developer's desk"
DESCRIPTION = "The same root as the product's, of another distro: other names, another keyring, another `compatible`, so that neither takes \
the other's updates. Unsigned unless keys are given."

require parloir-image.inc

REQUIRED_DISTRO_FEATURES = "parloir-development systemd rauc"

PARLOIR_ESP = "parloir-esp"
