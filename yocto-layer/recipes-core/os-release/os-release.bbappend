# Which image runs, and which bundles it takes: parloir-updater and RAUC go by these.
OS_RELEASE_FIELDS:append:parloir-box = " IMAGE_ID IMAGE_VERSION PARLOIR_COMPATIBLE"
IMAGE_ID:parloir-box = "${DISTRO}"
IMAGE_VERSION:parloir-box = "${DISTRO_VERSION}"
PACKAGE_ARCH:parloir-box = "${MACHINE_ARCH}"
