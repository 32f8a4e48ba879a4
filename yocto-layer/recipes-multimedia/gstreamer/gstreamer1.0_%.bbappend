# Without gst-launch, which can write what it is given into a file.
PACKAGECONFIG:parloir-box = "debug"
