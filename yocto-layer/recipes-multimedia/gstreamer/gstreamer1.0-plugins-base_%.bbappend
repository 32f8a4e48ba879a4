# opusenc and opusdec are off in the release. Nothing of X11, Wayland, OpenGL or file formats.
PACKAGECONFIG:parloir-box = "${GSTREAMER_ORC} alsa opus"
