# The two package trees: where they come from and when they are fetched again. Sourced by scripts/image.
# shellcheck shell=bash disable=SC2154 # root, target, recipe, image, packages, work, out, kernel: set by scripts/image

suite=trixie

# mirror_lines: apt lines for the image's suite, from whatever mirror this machine uses itself. The recipe names none.
mirror_lines() {
  local codename site release
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --no-release-info --format '$(SITE) $(RELEASE)' 'Created-By: Packages' | sort -u |
    while read -r site release; do
      case $release in
        "$codename" | "$codename"-updates | "$codename"-security)
          echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite${release#"$codename"} main"
          ;;
      esac
    done
}

# names LIST: the packages in a list, without the comments.
names() { sed 's/#.*//; s/ //g; /^$/d' "$1"; }

# tree NAME: fetches $image/NAME from NAME.list, unless it is there for exactly this list. Packages are unpacked, not installed: none of
# their scripts runs, and what those would make, the recipe makes.
tree() {
  local name=$1 key lines
  key=$( (echo "$suite" && names "$recipe/$name.list") | sha256sum | cut -c1-16)
  [ "$(cat "$image/$name.key" 2>/dev/null)" = "$key" ] && return 0
  lines=$(mirror_lines)
  if [ -z "$lines" ]; then
    echo "apt knows no Debian mirror here (apt-get indextargets shows none of this release): the image needs a Debian machine" >&2
    exit 3
  fi
  echo "fetching the $name tree ($(names "$recipe/$name.list" | wc -l) packages and what they need), some minutes"
  rm -rf "$image/$name.new" "$image/$name.key"
  mkdir -p "$image"
  # What was unpacked is written down inside the run: afterwards the archives are gone.
  mmdebstrap --quiet --variant=extract --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --include="$(names "$recipe/$name.list" | paste -sd,)" \
    --extract-hook="$recipe/contents \"\$1\" '$image/$name'" \
    "$suite" "$image/$name.new" - <<<"$lines" ||
    { echo "the packages could not be fetched from this machine's mirror: what is above says why; then run this again" >&2; exit 1; }
  # Swapped at once: another build or a running machine may be in the old one.
  rm -rf "$image/$name.old"
  if [ -e "$image/$name" ]; then mv "$image/$name" "$image/$name.old"; fi
  mv "$image/$name.new" "$image/$name"
  rm -rf "$image/$name.old" || echo "something still uses $image/$name.old: remove it later" >&2
  echo "$key" >"$image/$name.key"
}

trees() {
  tree tools
  tree packages
  kernel=$(ls "$packages/usr/lib/modules")
  [ -e "$packages/usr/lib/modules/$kernel/modules.dep" ] || in_tools depmod -b "$packages" "$kernel"
}
