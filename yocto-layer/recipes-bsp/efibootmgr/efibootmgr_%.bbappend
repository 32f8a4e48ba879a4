# Where the reference image has it, and where alone RAUC's unit may start it (ExecPaths in systemd/units/parloir-rauc.service).
EXTRA_OEMAKE:append:parloir-box = " sbindir=${bindir}"
