# The order of a build, and what it was asked for. Sourced by scripts/image.
# shellcheck shell=bash disable=SC2154 # root, target, recipe, image, packages, work, out, kernel: set by scripts/image
# shellcheck disable=SC2034 # version, compatible: used by the recipe

build_image() {
  local roots='' updates='' compiling=yes fetching=''
  while [ $# -gt 0 ]; do
    case $1 in
      --roots) wants_value "$1" $#; roots=$(realpath -e "$2"); shift ;;
      --updates) wants_value "$1" $#; updates=$(realpath -e "$2"); shift ;;
      --version) wants_value "$1" $#; version=$2; shift ;;
      --no-compile) compiling=no ;;
      --fetch) fetching=--fetch ;;
      *) unknown "$1" ;;
    esac
    shift
  done
  if [ $compiling = yes ]; then
    need "${packages_build[@]}"
    need_cargo
    step "programs" binaries
    [ -n "$roots" ] || development_site
    [ -n "$updates" ] || development_updates
  fi
  if [ "$(id -u)" != 0 ]; then
    again_as_root build --no-compile $fetching --version "$version" ${roots:+--roots "$roots"} ${updates:+--updates "$updates"}
    return
  fi
  need "${packages_image[@]}"
  umask 022
  mkdir -p "$work" "$out"
  # One build at a time: two would take each other's tree away.
  exec 9>"$image/lock"
  flock 9
  [ -z "$fetching" ] || rm -f "$image"/{tools,packages}.key
  step "package trees" trees
  step "Debian's part" base
  step "root" root_image "${roots:-$image/site/roots.bin}" "${updates:-$image/site/updates/ca.pem}"
  step "initrd" initrd
  step "boot images" ukis
  report
}
