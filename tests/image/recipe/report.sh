# What the image is: figures, the Debian versions in it, and whether it comes out the same twice. Sourced by scripts/image.
# shellcheck shell=bash disable=SC2154 # root, target, recipe, image, packages, work, out, kernel: set by scripts/image

# in_image: the Debian packages that at least one file of the image is from, with their versions.
in_image() {
  (cd "$image/base" && find . ! -type d -printf '%P\n') >"$work/base"
  awk '
    FILENAME ~ /base$/ { here["/" $1] = 1; next }
    FILENAME ~ /versions$/ { version[$1] = $2; next }
    !($1 in seen) {
      path = $2
      if (path ~ /^\/(bin|sbin|lib|lib64)\//) path = "/usr" path
      sub(/\.xz$/, "", path)
      if (path in here) seen[$1] = 1
    }
    END { for (package in seen) print package, version[package] }
  ' "$work/base" "$image/packages.versions" "$image/packages.owners" | sort
}

# versions compare|--record: tells what differs; that alone fails nothing.
versions() {
  in_image >"$out/packages"
  # The programs that made it count as well: those of the list.
  awk 'FNR == NR { wanted[$1] = 1; next } $1 in wanted { print "tool", $0 }' <(names "$recipe/tools.list") "$image/tools.versions" >"$out/tools"
  if [ "$1" = --record ]; then
    cat "$out/packages" "$out/tools" >"$recipe/versions"
    echo "recorded $(wc -l <"$out/packages") packages and $(wc -l <"$out/tools") tools in $recipe/versions"
  elif diff -u "$recipe/versions" <(cat "$out/packages" "$out/tools"); then
    echo "$(wc -l <"$out/packages") packages, as recorded in $recipe/versions"
  else
    echo "other versions than recorded (above): scripts/image packages --record, once the image has been tried with them"
  fi
}

# size WORDS FILE
size() { printf '%s\t%s\n' "$1" "$(stat -c %s "$2")"; }

# of_tree DIR: bytes of the files under a directory of the root, before compression.
of_tree() { (cd "$image/root" && find "$1" -type f -printf '%s\n') | awk '{ n += $1 } END { print n + 0 }'; }

# report: sizes, in $out/sizes and for a reader; the list of packages is $out/packages, that of files $out/manifest.
report() {
  versions compare
  {
    size "root, packed" "$out/root.img"
    printf '%s\t%s\n' "root, files" "$(of_tree .)" "  our programs" "$(of_tree usr/libexec/parloir)" "  libraries" "$(of_tree usr/lib/x86_64-linux-gnu)" \
      "  kernel modules" "$(of_tree usr/lib/modules)"
    size "initrd" "$out/initrd"
    size "box.efi" "$out/box.efi"
    printf '%s\t%s\n' "files" "$(wc -l <"$out/manifest")" "kernel modules" "$(grep -c '\.ko$' "$out/manifest")" \
      "packages" "$(wc -l <"$out/packages")"
  } >"$out/sizes"
  awk -F '\t' '{ if ($2 > 99999) printf "%-18s %6.1f MB\n", $1, $2 / 1e6; else printf "%-18s %6d\n", $1, $2 }' "$out/sizes"
  echo "root hash          $(cat "$out/root.hash")"
}

# sums: what must come out the same.
sums() { (cd "$out" && sha256sum root.img box.efi probe.efi); }

# same [ARGUMENTS of build]: everything but what was fetched is made twice.
same() {
  local first
  if [ "$(id -u)" != 0 ]; then
    build_image "$@"
    again_as_root same --no-compile "$@"
    return
  fi
  build_image "$@"
  first=$(sums)
  # Everything but what was fetched is made again.
  rm -rf "$image"/{base,base.key,root} "$work"
  build_image --no-compile "$@"
  if ! diff <(echo "$first") <(sums); then
    echo "the two builds differ (above): something in the recipe takes a time, a number or an order from this machine" >&2
    exit 1
  fi
  echo "the same twice, root hash $(cat "$out/root.hash")"
}
