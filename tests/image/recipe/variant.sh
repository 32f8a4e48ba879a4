# The built image once more, with another version, a fault, or one crate compiled otherwise: what tests of updates install. Sourced by
# scripts/image.
# shellcheck shell=bash disable=SC2154 # root, target, recipe, image, packages, work, out, kernel: set by scripts/image
# shellcheck disable=SC2034 # version, compatible: used by the recipe

# drop_in UNIT LINE...: a fault in a unit, behind everything else that says something of it.
drop_in() {
  local dir=$tree/usr/lib/systemd/system/$1.d
  mkdir -p "$dir"
  printf '%s\n' '[Service]' "${@:2}" >"$dir/zz-fault.conf"
}

# sooner: the first deadline of the trial, for a version that will never be well: nobody needs to wait for four minutes.
sooner() {
  mkdir -p "$tree/usr/lib/systemd/system/parloir-trial-well.timer.d"
  printf '%s\n' '[Timer]' OnBootSec= OnBootSec=100s >"$tree/usr/lib/systemd/system/parloir-trial-well.timer.d/zz-sooner.conf"
}

# faulty FAULT: in $tree, or for the initrd in $work.
faulty() {
  case $1 in
    '') ;;
    # The kernel's first program never comes to the root: nothing but the hardware's watchdog is left.
    hang) hook='while :; do sleep 60; done' ;;
    crash-loop) sooner; drop_in parloir-arbiter.service ExecStart= 'ExecStart=/usr/libexec/parloir/parloir-arbiter --no-such-flag' ;;
    # In the screen's place is a program that says it is ready and draws nothing.
    never-draws) sooner; drop_in parloir-ui.service Type=exec WatchdogSec=0 ExecStart= 'ExecStart=/usr/bin/journalctl --follow --lines=0' 'ExecPaths=/usr/bin/journalctl' ;;
    # Its driver is not there. The test driver is also the HDMI cable: that is lost too.
    no-camera) find "$tree/usr/lib/modules" -name 'vivid.ko' -delete ;;
    *) echo "no fault is called $1; scripts/image --help" >&2; exit 2 ;;
  esac
}

# compiled_otherwise CRATE: its program with other machine code, everything else as it was: $image/otherwise/debug/CRATE.
compiled_otherwise() {
  (cd "$root" && CARGO_BUILD_BUILD_DIR=$target CARGO_TARGET_DIR=$image/otherwise cargo build --workspace --locked --bins \
    --config "profile.dev.package.$1.opt-level=2" --config "profile.dev.package.$1.debug-assertions=false")
}

# variant NAME FAULT CRATE: $image/variants/NAME has what `build` leaves in $image/out, as far as a disk and a bundle are made from it.
variant() {
  local hook='' out=$image/variants/$1 tree=$image/variants/$1/root work=$image/variants/$1/work
  [ -e "$image/out/root.hash" ] || { echo "there is no image yet: scripts/image build" >&2; exit 2; }
  kernel=$(ls "$packages/usr/lib/modules")
  rm -rf "$out"
  mkdir -p "$work"
  cp -al "$image/root" "$tree"
  identity
  faulty "$2"
  if [ -n "$3" ]; then
    in_tools strip --strip-all -o "$work/$3" "$image/otherwise/debug/$3"
    cp --remove-destination "$work/$3" "$tree/usr/libexec/parloir/"
  fi
  step "$1: root" pack
  step "$1: initrd" initrd
  step "$1: boot images" ukis
  rm -rf "$tree" "$work"
}

make_variant() {
  local crate='' fault='' name=${1-} given=("$@")
  [ -n "$name" ] || { echo "variant needs a name; scripts/image --help" >&2; exit 2; }
  shift
  while [ $# -gt 0 ]; do
    wants_value "$1" $#
    case $1 in
      --version) version=$2 ;;
      --compatible) compatible=$2 ;;
      --fault) fault=$2 ;;
      --crate) crate=$2 ;;
      *) unknown "$1" ;;
    esac
    shift 2
  done
  [ -z "$crate" ] || compiled_otherwise "$crate"
  [ "$(id -u)" = 0 ] || { again_as_root variant "${given[@]}"; return; }
  umask 022
  exec 9>"$image/lock"
  flock 9
  variant "$name" "$fault" "$crate"
}
