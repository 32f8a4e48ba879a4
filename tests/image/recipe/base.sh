# From the package tree to the part of the root that is Debian's: what `keep` and `modules` name, and the libraries that it needs.
# Sourced by scripts/image.
# shellcheck shell=bash disable=SC2154 # root, target, recipe, image, packages, work, out, kernel: set by scripts/image

# in_tools COMMAND...: runs it inside the tools tree, in this directory; repository and target directory are there under their own paths.
in_tools() {
  local mapped=()
  [ "$(id -u)" = 0 ] || mapped=(--map-root-user)
  # shellcheck disable=SC2016 # expanded inside
  unshare "${mapped[@]}" --mount --propagation private -- sh -euc '
    tools=$1 root=$2 target=$3
    for dir in /proc /sys /dev "$root" "$target"; do mkdir -p "$tools$dir" && mount --rbind "$dir" "$tools$dir"; done
    shift 3
    exec chroot "$tools" /usr/bin/env -i PATH=/usr/sbin:/usr/bin LC_ALL=C SOURCE_DATE_EPOCH=0 sh -c "cd \"\$1\" && shift && exec \"\$@\"" sh "$@"
  ' sh "$image/tools" "$root" "$target" "$PWD" "$@"
}

# lines_of FILE: its lines without comments.
lines_of() { sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d' "$1"; }

# expand TREE LIST: the files and links in TREE that LIST names, without the leading slash. A line that names nothing is an error.
expand() {
  local tree=$1 list=$2 line path found
  lines_of "$list" | while read -r line; do
    found=
    # shellcheck disable=SC2086 # globs
    for path in $(cd "$tree" && printf '%s\n' .$line); do
      [ -e "$tree/$path" ] || [ -L "$tree/$path" ] || continue
      found=yes
      (cd "$tree" && find "$path" ! -type d) | sed 's|^\./||'
    done
    [ -n "$found" ] || { echo "$list: nothing is called $line in $tree" >&2; exit 1; }
  done
}

# libraries FILE...: what the loader of the package tree finds for these ELF files, links and files.
libraries() {
  local path
  chroot "$packages" ldd "$@" 2>/dev/null |
    awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\/lib64/ { print $1 }' | sort -u |
    while read -r path; do
      echo "$path"
      chroot "$packages" realpath "$path"
    done | sed 's|^/lib|/usr/lib|; s|^/||' | sort -u
}

# closure: reads paths in the package tree; writes them, what their links point to, and the libraries that they need.
closure() {
  local path
  while read -r path; do
    echo "$path"
    if [ -L "$packages/$path" ]; then chroot "$packages" realpath -m "/$path" | sed 's|^/||'; fi
  done | sort -u >"$work/named"
  # shellcheck disable=SC2046 # no spaces in these names
  libraries $(cd "$packages" && xargs -d '\n' grep -laP '\A\x7fELF' <"$work/named" | sed 's|^|/|') | sort -u - "$work/named"
}

# modules any|initrd: the allowed kernel modules (for the initrd alone) and what they need, as paths in the package tree, in loading order.
modules() {
  lines_of "$recipe/modules" | awk -v only="$1" 'only == "any" || $2 == only { print $1 }' |
    while read -r name; do
      in_tools modprobe -d "$packages" -S "$kernel" --show-depends "$name" ||
        { echo "$recipe/modules: the kernel $kernel has no module $name" >&2; exit 1; }
    done | awk -v tree="$packages/" '$1 == "insmod" && !seen[$2]++ { sub(tree, "", $2); sub(/^lib/, "usr/lib", $2); print $2 }'
}

# base: makes $image/base, unless it is there for exactly these rules.
base() {
  local key
  key=$(cat "$image/packages.key" "$image/packages.versions" "$recipe"/{keep,modules,base.sh,sysusers.conf} | sha256sum | cut -c1-16)
  [ "$(cat "$image/base.key" 2>/dev/null)" = "$key" ] && return 0
  echo "taking from the packages what recipe/keep and recipe/modules name"
  rm -rf "$image/base" "$image/base.key"
  mkdir -p "$image/base"/{dev,proc,sys,run,tmp,var,etc,root,usr/{bin,sbin,lib,lib64,share}}
  ln -s usr/bin usr/sbin usr/lib usr/lib64 "$image/base/"
  expand "$packages" "$recipe/keep" | closure >"$work/files"
  (cd "$packages" && xargs -d '\n' cp -a --parents -t "$image/base") <"$work/files"
  base_modules
  # Nothing runs with more than its caller has.
  find "$image/base" -xdev -type f -perm /6000 -exec chmod ug-s {} +
  echo "$key" >"$image/base.key"
}

# Modules are unpacked: the file system compresses them, and the box loads them faster. Their signatures are inside.
base_modules() {
  modules any >"$work/modules"
  printf "usr/lib/modules/$kernel/modules.%s\n" builtin builtin.modinfo order >>"$work/modules"
  (cd "$packages" && xargs -d '\n' cp -a --parents -t "$image/base") <"$work/modules"
  find "$image/base/usr/lib/modules" -name '*.xz' -print0 | in_tools xargs -0 -r xz -d
  in_tools depmod -b "$image/base" "$kernel"
}
