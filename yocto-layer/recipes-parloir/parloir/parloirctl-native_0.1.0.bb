SUMMARY = "parloirctl on the build machine"
DESCRIPTION = "Renders a board's description into what the units read."

require parloir.inc

# Behind it the required file inherits nothing more.
# nooelint: oelint.var.inheritlast.native
inherit_defer native

REQUIRED_DISTRO_FEATURES = "parloir"

CARGO_BUILD_FLAGS += "--package parloir-ctl"

do_install() {
    install -D -m 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/parloirctl ${D}${bindir}/parloirctl
}
