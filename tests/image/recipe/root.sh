# The root: Debian's part, our part, and what is computed from both; then its picture, its hash tree and its list. Sourced by scripts/image.
# shellcheck shell=bash disable=SC2154 # root, target, recipe, image, packages, work, out, kernel: set by scripts/image

ours=(gate arbiter link ui call peers still updater)

# put FROM TO [GLOB]: our files into the tree, with the modes of the build and not of a checkout. Never in place: the tree shares its files
# with base.
put() {
  [ -d "$root/systemd/$1" ] || return 0
  mkdir -p "$tree/$2"
  (cd "$root/systemd/$1" && find . -mindepth 1 \( -type f -o -type l \) -name "${3-*}" -print0) |
    (cd "$root/systemd/$1" && xargs -0 -r cp -d --remove-destination --parents -t "$tree/$2")
}

# Our binaries, without the bench's doors. The whole workspace, because a choice of crates would have other features of what they are made
# from, and compile all of that again; the directory of intermediate files is the one that every other build has.
binaries() {
  (cd "$root" && CARGO_BUILD_BUILD_DIR=$target CARGO_TARGET_DIR=$image/cargo cargo build --workspace --locked --bins)
}

install_binaries() {
  local name from
  mkdir -p "$tree/usr/libexec/parloir" "$work/stripped"
  for name in "${ours[@]/#/parloir-}"; do
    from=$image/cargo/debug/$name
    [ -e "$from" ] || continue
    refuse_bench_doors "$from"
    # Stripping is the slowest step of all: only what changed.
    if [ ! "$work/stripped/$name" -nt "$from" ]; then
      in_tools strip --strip-all -o "$work/stripped/$name" "$from"
    fi
    cp --remove-destination "$work/stripped/$name" "$tree/usr/libexec/parloir/"
    libraries_for "$work/stripped/$name"
  done
}

# refuse_bench_doors FILE: a gate or ui that knows a flag of the bench has doors of the bench. (The arbiter's one flag of that kind opens
# no door; below it is made sure that no unit gives it.)
refuse_bench_doors() {
  case $1 in */parloir-gate | */parloir-ui) ;; *) return 0 ;; esac
  if grep -qa -e '--bench-' "$1"; then
    echo "$1 has the doors of the bench (it knows a --bench- flag): it is not for the image" >&2
    exit 1
  fi
}

# libraries_for FILE: those of the package tree that our binary needs and the tree does not have.
libraries_for() {
  cp "$1" "$packages/tmp/program"
  libraries /tmp/program | while read -r path; do
    [ -e "$tree/$path" ] || [ -L "$tree/$path" ] || (cd "$packages" && cp -a --parents -t "$tree" "$path")
  done
  if chroot "$packages" ldd /tmp/program | grep 'not found'; then
    echo "$1 needs a library that the package tree does not have: name its package in $recipe/packages.list" >&2
    exit 1
  fi
  rm "$packages/tmp/program"
}

install_ours() {
  put units usr/lib/systemd/system
  put sysusers.d usr/lib/sysusers.d
  put tmpfiles.d usr/lib/tmpfiles.d
  put sysctl.d usr/lib/sysctl.d
  put journald.conf.d usr/lib/systemd/journald.conf.d
  put system.conf.d usr/lib/systemd/system.conf.d
  put preset usr/lib/systemd/system-preset
  put udev usr/lib/udev/rules.d '*.rules'
  put dbus usr/share/dbus-1/system.d '*.conf'
  put catalog usr/lib/systemd/catalog
  put nftables usr/lib/parloir/nftables
  put network usr/lib/systemd/network
  put modules-load.d usr/lib/modules-load.d
  put boards/qemu/udev usr/lib/udev/rules.d '*.rules'
  put boards/qemu/modprobe.d usr/lib/modprobe.d
  put boards/qemu/modules-load.d usr/lib/modules-load.d
}

# development_site: a site whose root keys an image trusts that is given no others. Made once; no real site trusts its keys.
development_site() {
  local site=$image/site
  [ -e "$site/roots.bin" ] || "$image/cargo/debug/parloirctl" init --dir "$site" >/dev/null
}

# run_inside COMMAND...: one of our programs in the finished tree, with the libraries and plugins that it will have on the box.
run_inside() {
  # shellcheck disable=SC2016 # expanded inside
  unshare --mount --net --propagation private -- sh -euc '
    tree=$1; shift
    mount -t tmpfs tmpfs "$tree/dev" && for node in null zero urandom; do : >"$tree/dev/$node" && mount --bind "/dev/$node" "$tree/dev/$node"; done
    mount --rbind /proc "$tree/proc"
    exec env -i PATH=/usr/sbin:/usr/bin HOME=/nonexistent LC_ALL=C.UTF-8 GST_REGISTRY_FORK=no GST_REGISTRY=/usr/lib/parloir/gstreamer.registry chroot "$tree" "$@"
  ' sh "$tree" "$@"
}

# The list of fonts, which a program would otherwise make at each start. It is good for directories of the date that the image gives them.
font_cache() {
  find "$tree/usr/share/fonts" -exec touch -hd @0 {} +
  cp "$packages/usr/bin/fc-cache" "$tree/usr/bin/"
  run_inside /usr/bin/fc-cache --force
  rm "$tree/usr/bin/fc-cache"
}

# Made by our own programs: the list of GStreamer's plugins, and the pictures for when the screen's program is not there.
made_by_ours() {
  install -d -m 755 "$tree/usr/share/parloir/stills"
  run_inside /usr/libexec/parloir/parloir-call --registry
  run_inside /usr/libexec/parloir/parloir-ui --stills /usr/share/parloir/stills
  font_cache
  rm -rf "$tree/run"/* "$tree/tmp"/*
}

# board: the machine that QEMU makes, as the units read it.
board() {
  local from=$root/systemd/boards/qemu/board.toml
  if [ -e "$from" ]; then
    "$image/cargo/debug/parloirctl" board render "$from" >"$tree/usr/lib/parloir/board.env"
  else
    : >"$tree/usr/lib/parloir/board.env"
  fi
}

# filled FROM TO: a file of the tree with the two words that say which image this is. Never in place: trees share their files.
filled() {
  rm -f "$2"
  sed "s/@VERSION@/$version/g; s/@COMPATIBLE@/$compatible/g" "$1" >"$2"
}

# identity: which image this is, for a reader and for RAUC.
identity() {
  filled "$recipe/os-release" "$tree/usr/lib/os-release"
  filled "$root/systemd/rauc/system.conf" "$tree/usr/lib/rauc/system.conf"
}

# configuration ROOTS UPDATES: what a system needs in /etc, and nothing else; the root keys; whose updates it takes; the board.
configuration() {
  [ -e "$2" ] || { echo "$2 is not there: scripts/image build without --no-compile makes it, or name one with --updates" >&2; exit 2; }
  [ -e "$1" ] || { echo "$1 is not there: scripts/image build without --no-compile makes it, or name one with --roots" >&2; exit 2; }
  install -m 644 "$recipe/sysusers.conf" "$tree/usr/lib/sysusers.d/00-parloir-base.conf"
  mkdir -p "$tree/usr/lib/rauc"
  install -m 644 "$2" "$tree/usr/lib/rauc/ca.cert.pem"
  identity
  ln -sf ../usr/lib/os-release "$tree/etc/os-release"
  ln -sf ../proc/self/mounts "$tree/etc/mtab"
  : >"$tree/etc/machine-id" # a new one for each boot, in memory
  : >"$tree/etc/fstab"
  echo parloir >"$tree/etc/hostname"
  echo '127.0.0.1 localhost parloir' >"$tree/etc/hosts"
  echo 'passwd: files
group: files
shadow: files
hosts: files' >"$tree/etc/nsswitch.conf"
  mkdir -p "$tree/etc/fonts" "$tree/usr/lib/parloir"
  echo '<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><dir>/usr/share/fonts</dir><cachedir>/usr/lib/fontconfig/cache</cachedir></fontconfig>' >"$tree/etc/fonts/fonts.conf"
  echo '# The catalogue is made with the image; where journalctl looks for it is memory.
L /var/lib/systemd/catalog/database - - - - /usr/lib/parloir/catalog.database' >"$tree/usr/lib/tmpfiles.d/parloir-image.conf"
  install -m 644 "$1" "$tree/usr/lib/parloir/roots.bin"
  board
}

# quietly COMMAND...: what it prints is shown only if it fails.
quietly() {
  local log=$work/quiet.log
  "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }
}

# What is computed from all that: users, units that start, units that must not, catalogue, loader cache.
computed() {
  local unit
  quietly in_tools systemd-sysusers --root="$tree"
  in_tools systemctl --root="$tree" --quiet preset-all
  lines_of "$root/systemd/masked" | while read -r unit; do
    ln -sf /dev/null "$tree/etc/systemd/system/$unit"
  done
  in_tools journalctl --root="$tree" --update-catalog
  mv "$tree/var/lib/systemd/catalog/database" "$tree/usr/lib/parloir/catalog.database"
  in_tools ldconfig -r "$tree"
  rm -rf "${tree:?}"/var/* "$tree"/etc/{passwd-,group-,shadow-,gshadow-,.pwd.lock,.updated}
}

# refuse FIND-EXPRESSION...: what must not be in the tree.
refuse() {
  local found
  found=$(cd "$tree" && find . "$@" -print)
  [ -z "$found" ] || { echo "this must not be in the image: $found" >&2; exit 1; }
}

# root_image ROOTS UPDATES: $image/root, and in $out root.img, root.hash, manifest.
root_image() {
  tree=$image/root
  rm -rf "$tree"
  cp -al "$image/base" "$tree"
  configuration "$1" "$2"
  install_ours
  install_binaries
  computed
  made_by_ours
  if grep -r -e '--bench-' "$tree/usr/lib/systemd"; then
    echo "a unit gives a flag of the bench (above): it is not for the image" >&2
    exit 1
  fi
  refuse -perm /6000
  refuse -regextype posix-extended -regex '.*/s?bin/(sh|bash|dash|busybox|apt|dpkg|perl.*|python.*|agetty|login|sulogin|su|sudo|sshd|passwd)'
  pack
}

# pack: the tree as one verified picture in $out.
pack() {
  (cd "$tree" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$out/manifest"
  rm -f "$out/root.img"
  # Times, owners and numbers are fixed, so that the same files are the same picture.
  in_tools mkfs.erofs --quiet -zlz4hc,1 -C65536 -T0 --all-root -x-1 -U 7061726c-6f69-7220-7265-666572656e63 "$out/root.img" "$tree"
  local size
  size=$(stat -c %s "$out/root.img")
  in_tools veritysetup format --no-superblock --salt=7061726c6f6972 --data-blocks=$((size / 4096)) --hash-offset="$size" \
    --root-hash-file="$out/root.hash" "$out/root.img" "$out/root.img" >/dev/null
  chmod 644 "$out/root.hash"
  echo "0 $((size / 512)) verity 1 DEVICE DEVICE 4096 4096 $((size / 4096)) $((size / 4096)) sha256 $(cat "$out/root.hash") 7061726c6f6972 1 restart_on_corruption" >"$out/root.verity"
}
