# VA-API for AMD graphics, on the machines that have it; nothing of Mesa is in the image otherwise.
PACKAGECONFIG:append:parloir-box = "${@bb.utils.contains('MACHINE_FEATURES', 'va', ' amd gallium-llvm va video-codecs', '', d)}"
