# Owns: the refusals of a product build. What it refuses is in lib/parloir/product.py and shape.py, as functions that tests call.
# Never: makes or changes anything.
# Used by: the image, the boot image and the bundle of DISTRO parloir, and of parloir-dev for the part that is common (keys).

def parloir_end(said, d):
    if said:
        bb.fatal("ParloirProduct: %s" % "; ".join(said))

# Before anything is built: what the configuration says. A recipe that is skipped for its distro has nothing to say.
python () {
    if bb.utils.contains('DISTRO_FEATURES', 'parloir-product', False, True, d):
        return
    import parloir.product as product
    said = product.refuse_distro(d.getVar('DISTRO'))
    said += product.refuse_features("%s %s" % (d.getVar('IMAGE_FEATURES') or "", d.getVar('EXTRA_IMAGE_FEATURES') or ""))
    said += product.refuse_packages(" ".join(d.getVar(name) or "" for name in ('IMAGE_INSTALL', 'CORE_IMAGE_EXTRA_INSTALL', 'EXTRA_INSTALL')))
    said += product.refuse_build(d.getVar('DEBUG_BUILD'), "%s %s" % (d.getVar('CARGO_BUILD_FLAGS') or "", d.getVar('PACKAGECONFIG_CONFARGS') or ""))
    said += product.refuse_words(d.getVar('UKI_CMDLINE') or "")
    parloir_end(said, d)
}

# Before something is signed: the keys. Parsing and the graph need none.
PARLOIR_KEYS ?= ""
python parloir_require_keys() {
    import parloir.product as product
    keys = {name: d.getVar(name) or "" for name in (d.getVar('PARLOIR_KEYS') or "").split()}
    inside = [d.getVar('PARLOIR_TREE'), d.getVar('TOPDIR')] + (d.getVar('BBLAYERS') or "").split()
    # Development keys are what a development image is for; they lie outside all the same.
    development = not bb.utils.contains('DISTRO_FEATURES', 'parloir-product', True, False, d)
    parloir_end(product.refuse_keys(keys, inside, development), d)
}

# What the package manager put together, dependencies included.
python parloir_refuse_packages() {
    import parloir.product as product
    from oe.rootfs import image_list_installed_packages
    if bb.utils.contains('DISTRO_FEATURES', 'parloir-product', True, False, d):
        parloir_end(product.refuse_packages(" ".join(image_list_installed_packages(d))), d)
}
