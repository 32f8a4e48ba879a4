# A program that reads one file: no shell of its own, no Python.
PACKAGECONFIG:parloir-box = "json mini-gmp"
