# A bundle: one release as boxes install it. And the development keys that sign bundles where nobody gives others. Sourced by scripts/image.
# shellcheck shell=bash disable=SC2154 # root, target, recipe, image, packages, work, out, kernel: set by scripts/image

# development_updates: keys for bundles of a development image, made once beside it. Their certificates say what they are: a product build
# refuses them. How an operator makes real ones is in docs/operating.md.
development_updates() {
  local dir=$image/site/updates
  [ ! -e "$dir/ca.pem" ] || return 0
  need "${packages_update[@]}"
  mkdir -p "$dir"
  (
    umask 077
    openssl ecparam -genkey -noout -name prime256v1 -out "$dir/ca.key"
    openssl ecparam -genkey -noout -name prime256v1 -out "$dir/signer.key"
    openssl req -x509 -new -key "$dir/ca.key" -days 3650 -subj '/O=Parloir/CN=development updates' -out "$dir/ca.new" \
      -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign
    openssl req -x509 -new -key "$dir/signer.key" -CA "$dir/ca.new" -CAkey "$dir/ca.key" -days 3650 -subj '/O=Parloir/CN=development bundles' \
      -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=critical,codeSigning \
      -out "$dir/signer.pem"
  )
  chmod 644 "$dir/ca.new" "$dir/signer.pem"
  mv "$dir/ca.new" "$dir/ca.pem"
}

# says UKI NAME: a value of the os-release inside a boot image. Version and board of a bundle are what its image says of itself.
says() {
  in_tools objcopy --dump-section .osrel="$parts/osrel" "$1" "$parts/copy"
  # The section is filled up with zeros.
  tr -d '\0' <"$parts/osrel" | sed -n "s/^$2=//p"
}

# make_bundle --out FILE [--from DIR] [--uki box|probe] [-- ARGUMENT...]
make_bundle() {
  local file='' from=$out uki=box parts updates=$image/site/updates version compatible keys=()
  while [ $# -gt 0 ]; do
    [ "$1" != -- ] || { shift; break; }
    wants_value "$1" $#
    case $1 in
      --out) file=$(realpath "$2") ;;
      --from) from=$(realpath -e "$2") ;;
      --uki) uki=$2 ;;
      *) unknown "$1" ;;
    esac
    shift 2
  done
  [ -n "$file" ] || { echo "bundle needs --out FILE; scripts/image --help" >&2; exit 2; }
  for part in "$from/$uki.efi" "$from/root.img"; do
    [ -e "$part" ] || { echo "$part is not there: scripts/image build makes it" >&2; exit 2; }
  done
  need "${packages_update[@]}"
  # Not while a build changes what is read.
  exec 9<"$image/lock"
  flock --shared 9
  if [ $# = 0 ]; then
    development_updates
    keys=(--cert "$updates/signer.pem" --key "$updates/signer.key" --keyring "$updates/ca.pem")
  fi
  parts=$(mktemp -d "$target/bundle.XXXXXX")
  # shellcheck disable=SC2064 # now
  trap "rm -rf '$parts'" EXIT
  version=$(says "$from/$uki.efi" IMAGE_VERSION) compatible=$(says "$from/$uki.efi" PARLOIR_COMPATIBLE)
  efi_image "$from/$uki.efi" "$parts/efi.img"
  "$image/cargo/debug/parloirctl" update bundle --image efi="$parts/efi.img" --image rootfs="$from/root.img" \
    --compatible "$compatible" --version "$version" "${keys[@]}" "$@" --out "$file"
}
