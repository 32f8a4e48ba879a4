# The initrd and the two unified kernel images. Sourced by scripts/image.
# shellcheck shell=bash disable=SC2154 # root, target, recipe, image, packages, work, out, kernel: set by scripts/image

# cpio_of DIR FILE: the same bytes for the same files.
cpio_of() {
  find "$1" -exec touch -hd @0 {} +
  (cd "$1" && find . -mindepth 1 | LC_ALL=C sort | in_tools cpio --quiet -o -H newc --reproducible -R 0:0) | in_tools zstd -q -9 >"$2"
}

initrd() {
  local dir=$work/initrd path
  rm -rf "$dir"
  mkdir -p "$dir"/{bin,dev,proc,sys,run,sysroot,modules}
  # A variant's fault comes before the root is there.
  awk -v hook="${hook-}" '/^# The partition that the firmware took/ && hook { print hook } { print }' "$recipe/init" >"$dir/init"
  chmod 755 "$dir/init"
  cp "$out/root.verity" "$dir/verity"
  cp "$packages/usr/bin/busybox" "$dir/bin/"
  for path in sh mount umount cat insmod sleep reboot tail tr sed grep basename dirname readlink mkdir switch_root; do
    ln -s busybox "$dir/bin/$path"
  done
  cp "$packages"/usr/sbin/{dmsetup,blkid} "$packages/usr/bin/efibootmgr" "$dir/bin/"
  libraries /usr/sbin/dmsetup /usr/sbin/blkid /usr/bin/efibootmgr >"$work/initrd.libraries"
  for path in $(<"$work/initrd.libraries"); do
    mkdir -p "$dir/$(dirname "$path")"
    cp -a "$packages/$path" "$dir/$path"
  done
  ln -s usr/lib usr/lib64 "$dir/"
  # Not in the loop's own line: there a failure would be nobody's.
  modules initrd >"$work/initrd.modules"
  for path in $(<"$work/initrd.modules"); do
    cp "$image/base/${path%.xz}" "$dir/modules/"
    basename "${path%.xz}"
  done >"$dir/modules/order"
  cpio_of "$dir" "$out/initrd"
}

# uki NAME: $out/NAME.efi with its command line, which the initrd has too.
uki() {
  local line dir=$work/cmdline
  line=$(lines_of "$recipe/cmdline" | sed -n "s/^\(both\|$1\) //p" | paste -sd' ')
  rm -rf "$dir" && mkdir -p "$dir"
  echo "$line" >"$dir/cmdline"
  cpio_of "$dir" "$work/cmdline.cpio"
  in_tools ukify build --linux="$packages/boot/vmlinuz-$kernel" --initrd="$out/initrd" --initrd="$work/cmdline.cpio" --cmdline="$line" \
    --os-release=@"$tree/usr/lib/os-release" --uname="$kernel" --stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub --output="$out/$1.efi" 2>&1 | { grep -v '^Wrote' || true; }
}

ukis() {
  uki box
  uki probe
}
