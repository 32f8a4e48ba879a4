# The release's default has no AES-GCM.
PACKAGECONFIG:append:parloir-box = " openssl"
