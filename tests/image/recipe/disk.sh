# A disk as a factory would write it: both slots, and a data partition with the keys of one box. Sourced by scripts/image.
# shellcheck shell=bash disable=SC2154 # root, target, recipe, image, packages, work, out, kernel: set by scripts/image

# The data partition holds one bundle while it is installed.
efi_mib=48 root_mib=192 data_mib=320

# owned OWNER MODE FROM TO...: a copy with a numeric owner, as the data partition holds it.
owned() {
  install -o "$1" -g "$1" -m "$2" -- "${@:3}"
}

# data_tree BOX BROKER DIR: what design section 4 lists, for the box that `parloirctl init` made in BOX.
data_tree() {
  local box=$1 broker=$2 dir=$3 file
  for file in box/device.id box/site.id tls/ca.pem tls/box.pem tls/box.key; do
    [ -e "$box/$file" ] || { echo "$box is not a directory that parloirctl init made: no $file in it" >&2; exit 2; }
  done
  install -d -m 755 "$dir" "$dir/keys"
  install -d -o 801 -g 801 -m 700 "$dir/gate"
  install -d -o 802 -g 802 -m 700 "$dir/arbiter" "$dir/keys/box"
  install -d -o 803 -g 803 -m 700 "$dir/keys/tls"
  for file in "$box"/box/*; do
    [ -f "$file" ] && owned 802 600 "$file" "$dir/keys/box/"
  done
  owned 803 600 "$box"/tls/{ca.pem,box.pem,box.key} "$dir/keys/tls/"
  # A box that takes no updates has none of these.
  if [ -e "$box/updater/box.key" ]; then
    install -d -o 809 -g 809 -m 700 "$dir/keys/updater"
    owned 809 600 "$box"/updater/{ca.pem,box.pem,box.key} "$dir/keys/updater/"
  fi
  if [ -e "$box/box.env" ]; then
    install -m 644 "$box/box.env" "$dir/box.env"
    return
  fi
  (umask 022 && printf 'PARLOIR_DEVICE=%s\nPARLOIR_SITE=%s\nPARLOIR_BROKER=%s\n' \
    "$(cat "$box/box/device.id")" "$(cat "$box/box/site.id")" "$broker" >"$dir/box.env")
}

# efi_image UKI FILE: the file system of an EFI partition with this boot image, no larger than it must be. The same bytes for the same image.
efi_image() {
  local mib=$(($(stat -c %s "$1") / 1048576 + 2))
  [ $mib -le "$efi_mib" ] || { echo "$1 has outgrown its partition of $efi_mib MiB: raise efi_mib in $recipe/disk.sh" >&2; exit 1; }
  truncate -s "${mib}M" "$2"
  in_tools mkfs.vfat --invariant -n EFI "$2" >/dev/null
  in_tools mmd -i "$2" ::EFI ::EFI/BOOT
  in_tools mcopy -i "$2" "$1" ::EFI/BOOT/BOOTX64.EFI
}

# disk BOX UKI BROKER FILE
disk() {
  local box=$1 uki=$2 broker=$3 file=$4 at=1 name size type from parts
  [ -e "$out/$uki.efi" ] || { echo "$out/$uki.efi is not there: scripts/image build makes it" >&2; exit 2; }
  [ "$(stat -c %s "$out/root.img")" -le $((root_mib * 1048576)) ] ||
    { echo "the root has outgrown its partition of $root_mib MiB: raise root_mib in $recipe/disk.sh" >&2; exit 1; }
  # The directory has the keys: nobody else's, and gone whatever happens.
  parts=$(mktemp -d "$target/disk.XXXXXX")
  # shellcheck disable=SC2064 # now
  trap "rm -rf '$parts'" EXIT
  data_tree "$box" "$broker" "$parts/tree"
  in_tools mke2fs -q -t ext4 -L data -E root_owner=0:0 -d "$parts/tree" "$parts/data" "${data_mib}M"
  efi_image "$out/$uki.efi" "$parts/efi"
  truncate -s $((2 * efi_mib + 2 * root_mib + data_mib + 2))M "$parts/disk"
  {
    echo label: gpt
    for name in efi-a:$efi_mib:U efi-b:$efi_mib:U root-a:$root_mib:L root-b:$root_mib:L data:$data_mib:L; do
      IFS=: read -r name size type <<<"$name"
      echo "size=${size}MiB, type=$type, name=$name"
    done
  } | in_tools sfdisk --quiet "$parts/disk"
  # One MiB of table, then the partitions in that order, each a whole number of MiB.
  for name in "efi $efi_mib" "efi $efi_mib" "root $root_mib" "root $root_mib" "data $data_mib"; do
    read -r name size <<<"$name"
    [ "$name" = root ] && from=$out/root.img || from=$parts/$name
    dd if="$from" of="$parts/disk" bs=1M seek="$at" conv=notrunc,sparse status=none
    at=$((at + size))
  done
  mv "$parts/disk" "$file"
}
