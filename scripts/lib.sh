# Shared by the scripts beside it: packages, sub-ids, the build. Sourced, never run.
# shellcheck shell=bash disable=SC2034 # the scripts that source it use what it sets

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
# Doors of a developer's machine; an image build refuses them.
bench_features=parloir-gate/bench,parloir-ui/bench

packages_build=(build-essential pkg-config libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstreamer-plugins-bad1.0-dev
  libxkbcommon-dev libfontconfig-dev)
packages_run=(mosquitto coturn dbus-daemon uidmap gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-nice fonts-dejavu-core)
packages_visitor=(chromium chromium-driver)
packages_image=(mmdebstrap debian-archive-keyring util-linux)
packages_update=(rauc squashfs-tools openssl) # bundles, made and verified
packages_fuzz=(g++) # libFuzzer itself is C++
packages_layer=(python3-venv flex bison xz-utils systemd linux-source-6.12) # a long-term kernel, for its Kconfig
packages_test=(iproute2 nftables shellcheck binutils strace xvfb xauth xdotool imagemagick dbus-bin libfaketime
  "${packages_update[@]}" softhsm2 opensc libengine-pkcs11-openssl)

# help FILE: the comment block at the top of a script is its help.
help() {
  sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$1"
}

# as_root COMMAND...: runs it as root, or says what to do.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "needs root and there is no sudo; as root run: $*" >&2
    exit 3
  fi
}

# need PACKAGE...: installs those that are missing.
need() {
  local package missing=()
  if ! command -v dpkg-query >/dev/null; then
    echo "not a Debian: make sure that the equivalents of these are installed: $*" >&2
    return
  fi
  for package; do
    [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = 'install ok installed' ] || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  echo "installing: ${missing[*]}"
  as_root apt-get update -q
  # Parts start under the bench alone: an installed service must not take their ports.
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# need_cargo: the toolchain is the caller's own affair.
need_cargo() {
  command -v cargo >/dev/null && return
  [ -x "$HOME/.cargo/bin/cargo" ] && PATH=$HOME/.cargo/bin:$PATH && return
  echo "cargo is not here: install Rust (rustup.rs), then run this again" >&2
  exit 3
}

# need_sub_ids: the range of user numbers from which the bench gives every role a user of its own.
need_sub_ids() {
  local name
  name=$(id -un)
  grep -q "^$name:" /etc/subuid 2>/dev/null && grep -q "^$name:" /etc/subgid 2>/dev/null && return
  echo "giving $name a range of sub-ids in /etc/subuid and /etc/subgid, for roles as users of their own"
  as_root usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$name"
}

# build [ARGUMENT...]: the whole workspace, once, with the bench's doors. Cargo shows its own progress.
build() {
  (cd "$root" && cargo build --workspace --locked --features "$bench_features" "$@")
}

# free_gb: what is left on the disk of the target directory, GB.
free_gb() { df -Pk "$target" | awk 'NR == 2 { printf "%.1f", $4 / 1e6 }'; }
# A full disk breaks a stage in words of the tool that met it, which seldom tell.
# low_disk GB WORDS: says so, when less is left.
low_disk() {
  awk "BEGIN { exit !($(free_gb) < $1) }" || return 0
  echo "         only $(free_gb) GB are free for $target: $2"
}
