# What only a machine with the public layers on disk can tell: that the layer parses, what its images are made of, and that it leaves other
# distros alone. Sourced by scripts/layer.
# shellcheck shell=bash disable=SC2154,SC2016 # root, target: set by scripts/lib.sh; bitbake and Markdown expand these, not the shell

packages_graph=(chrpath cpio diffstat file gawk git lz4 openssl socat xz-utils zstd locales)
graph_machines=(qemux86-64 parloir-x86-64 raspberrypi4-64 qemux86-64-dev)

# graph DIR [--machine NAME]... [--quick] [--record]
graph() {
  local dir='' machines=() quick='' record='' checking='' failed=''
  while [ $# -gt 0 ]; do
    case $1 in
      --machine) machines+=("${2?--machine needs a name}"); shift ;;
      --quick) quick=yes ;;
      --record) record=yes ;;
      -*) echo "what is $1? scripts/layer --help" >&2; return 2 ;;
      *) dir=$1 ;;
    esac
    shift
  done
  if [ -n "$record" ] && [ -n "$quick${machines[*]-}" ]; then echo "what is recorded is a whole run: --record with neither --quick nor --machine" >&2; return 2; fi
  [ -n "$dir" ] || { echo "graph needs the directory of the public layers; scripts/layer --help" >&2; return 2; }
  graph_layers "$dir" || return
  need "${packages_graph[@]}"
  locale -a | grep -qix 'en_US.utf-\?8' || as_root sh -c "sed -i 's/^# en_US.UTF-8/en_US.UTF-8/' /etc/locale.gen && locale-gen" >/dev/null
  [ ${#machines[@]} -gt 0 ] || machines=("${graph_machines[@]}")
  graph_tree "$record"
  report=$work/report.md
  graph_heading >"$report"
  # The longest of all, beside the rest.
  if [ -z "$quick" ]; then graph_check_layers & checking=$!; fi
  graph_images "${machines[@]}" || failed=yes
  if [ -n "$checking" ]; then
    echo "-- waiting for yocto-check-layer" >&2
    wait "$checking" || failed=yes
  fi
  [ -z "$checking" ] || cat "$work/checked-yocto-layer.md" "$work/checked-bsp.md" >>"$report"
  [ -z "$failed" ] || return 1
  [ -z "$record" ] || cp "$report" "$root/docs/layer-checks.md"
  echo "all of it: $report"
}

# graph_images MACHINE-FILE...: what they are made of, and what is refused.
graph_images() {
  local machine
  for machine; do graph_machine "$machine" || return; done
  printf '\n## What is refused\n\n| Given | Said |\n| --- | --- |\n' >>"$report"
  graph_refusals
}

# pin REPOSITORY: the commit that the kas files name.
pin() {
  sed -n "/^  $1:/,/commit:/s/.*commit: //p" "$root"/yocto-layer/kas/*.yml | sort -u
}

# graph_layers DIR: sets layers; every repository of the kas files is there, at the pinned commit. Otherwise 77: skipped.
graph_layers() {
  local name found
  layers=$(realpath "$1" 2>/dev/null) || { echo "skipped: there is no directory $1"; return 77; }
  for name in bitbake openembedded-core meta-openembedded meta-rauc meta-raspberrypi; do
    [ -d "$layers/$name" ] || { echo "skipped: $layers has no $name; yocto-layer/kas names where it is from and the commit"; return 77; }
    found=$(git -c safe.directory='*' -C "$layers/$name" rev-parse HEAD)
    [ "$found" = "$(pin "$name")" ] || { echo "$layers/$name is at $found, the kas files say $(pin "$name"): check that one out" >&2; return 1; }
  done
}

# graph_tree RECORD: sets work and commit. A copy of this tree, as a clone would be, for a user who is not root: bitbake refuses root, and writes
# beside what it reads. What is recorded is said of a commit, so then it is that commit's files and nobody's changes.
graph_tree() {
  work=$target/layer-graph
  commit=$(git -C "$root" rev-parse --short=12 HEAD)
  mkdir -p "$work"
  rm -rf "$work/tree"
  mkdir "$work/tree"
  if [ -n "$1" ]; then
    git -C "$root" archive "$commit" | tar -xC "$work/tree"
  else
    (cd "$root" && git ls-files -z --cached --others --exclude-standard | xargs -0 cp -P --parents -t "$work/tree")
    [ -z "$(git -C "$root" status --porcelain)" ] || commit+=' with changes'
  fi
  # bitbake asks git what the sources of our programs are.
  git -C "$work/tree" init -q && git -C "$work/tree" add -A && git -C "$work/tree" -c user.name=graph -c user.email=graph@localhost commit -qm tree
  [ "$(id -u)" != 0 ] || chown -R nobody: "$work/tree"
}

# graph_run BUILD COMMAND...: in bitbake's environment for that build directory, at the lowest priority.
graph_run() {
  local build=$work/$1 run=(nice -n 19)
  shift
  mkdir -p "$build/conf" "$work/home"
  if [ "$(id -u)" = 0 ]; then
    chown -R nobody: "$work/home" "$build"
    run+=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
  fi
  (cd "$layers" && "${run[@]}" env -i HOME="$work/home" PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=en_US.UTF-8 BITBAKEDIR="$layers/bitbake" \
    GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
    bash -c '. ./openembedded-core/oe-init-build-env "$1" >/dev/null && shift && exec "$@"' bash "$build" "$@")
}

# graph_configure BUILD MACHINE-FILE: local.conf and bblayers.conf as kas would write them: machine, distro and layers of the kas files,
# and the settings of kas/check.yml.
graph_configure() {
  local build=$work/$1 kas=$work/tree/yocto-layer/kas list=() name
  mkdir -p "$build/conf"
  list=("$layers"/openembedded-core/meta "$layers"/meta-openembedded/meta-{oe,python,multimedia,networking} "$layers/meta-rauc")
  if grep -q '^  meta-raspberrypi:' "$kas/$2.yml"; then list+=("$layers/meta-raspberrypi"); fi
  {
    echo 'CONF_VERSION = "2"'
    for name in machine distro; do sed -n "s/^$name: \(.*\)/${name^^} = \"\1\"/p" "$kas/$2.yml"; done
    sed -n '/^  check: |/,$ { s/^    //p }' "$kas/check.yml"
  } >"$build/conf/local.conf"
  printf 'BBPATH = "${TOPDIR}"\nBBFILES ?= ""\nBBLAYERS = "%s"\n' "${list[*]} $work/tree/yocto-layer $work/tree/yocto-layer/bsp" >"$build/conf/bblayers.conf"
}

# graph_heading: when, on what.
graph_heading() {
  local name
  echo "# What was checked of the Yocto layer"
  echo
  echo "Written by \`scripts/layer graph DIR --record\` on $(date -u +%F), tree $commit, $(nproc) processors with other work on them. **Nothing was compiled.**"
  printf '\n| Layer | Commit |\n| --- | --- |\n'
  for name in bitbake openembedded-core meta-openembedded meta-rauc meta-raspberrypi; do
    echo "| $name | $(git -c safe.directory='*' -C "$layers/$name" rev-parse HEAD) |"
  done
}

# graph_machine MACHINE-FILE: parses, resolves, and looks at the outcome.
graph_machine() {
  local name=$1 log=$work/$1.log targets image start=$SECONDS parsed closure
  targets=$(sed -n '/^target:/,/^[^ ]*:$/ s/^  - //p' "$work/tree/yocto-layer/kas/$name.yml" | paste -sd' ')
  image=${targets%% *}
  echo "-- $name: $targets" >&2
  graph_configure "$name" "$name"
  # shellcheck disable=SC2086 # several targets
  if ! graph_run "$name" bitbake -g $targets >"$log" 2>&1; then
    grep -aE '^(ERROR|WARNING)' "$log" | head -40 >&2
    echo "$name does not resolve; all of it: $log" >&2
    return 1
  fi
  parsed=$(grep -ao 'Parsing of .*errors\.' "$log" | head -1)
  case $parsed in *' 0 errors.') ;; *) echo "$name: $parsed" >&2; return 1 ;; esac
  closure=$(graph_run "$name" python3 "$work/tree/tests/layer/closure.py" "$layers/bitbake/lib" "$image") ||
    { grep -v '^package ' <<<"$closure" >&2; return 1; }
  echo "$closure" | grep -v '^package ' >&2
  {
    printf '\n## %s\n\n' "$name"
    echo "\`bitbake -g $targets\`, $((SECONDS - start)) s: $parsed"
    echo "$(grep -c . "$work/$name/pn-buildlist") recipes are built for it, $(grep -c -- -native "$work/$name/pn-buildlist") of them for the build machine."
    echo
    echo "$closure" | sed -n 's/^said /- /p'
  } >>"$report"
}

# refused WORDS CONF-LINE EXPECTED [RECIPE]: the recipe, the product's image unless another is named, with that line in its configuration is refused by these words.
refused() {
  local words=$1 line=$2 expected=$3 told recipe=$work/tree/yocto-layer/${4-recipes-core/images/parloir-image.bb}
  printf '%s\n' "$line" >"$work/refused.conf"
  chmod 644 "$work/refused.conf"
  if told=$(graph_run refused bitbake -e -b "$recipe" -R "$work/refused.conf" 2>&1); then
    echo "$words: bitbake takes it" >&2
    return 1
  fi
  told=$(grep -a -m 1 -e "$expected" <<<"$told") || { echo "$words: not refused by \"$expected\"" >&2; return 1; }
  echo "| $words | ${told#ERROR: } |" | sed "s|$work/||g" | tee -a "$report" >&2
}

# graph_refusals: what a local.conf may try.
graph_refusals() {
  graph_configure refused qemux86-64
  refused 'a debug feature by `:append`' 'IMAGE_FEATURES:append = " ssh-server-openssh"' 'conflicting IMAGE_FEATURES\|ParloirProduct' &&
    refused 'a debug feature by `EXTRA_IMAGE_FEATURES`' 'EXTRA_IMAGE_FEATURES = "empty-root-password"' ParloirProduct &&
    refused 'a debugger in the image' 'IMAGE_INSTALL:append = " gdb"' ParloirProduct &&
    refused 'a debug build' 'DEBUG_BUILD = "1"' ParloirProduct &&
    refused 'the doors of the bench' 'CARGO_BUILD_FLAGS:append = " --features parloir-gate/bench"' ParloirProduct recipes-parloir/parloir/parloir_0.1.0.bb &&
    refused 'another first process' 'UKI_CMDLINE:append = " init=/bin/sh"' ParloirProduct &&
    refused_keys && refused_distros
}

# refused_keys: the task that takes a site's root keys, and looks at whose updates are taken, with none, with those of development, and with
# others, which it takes.
refused_keys() {
  local keys status=0
  keys=$(mktemp -d)
  chmod 755 "$keys"
  mkdir -p "$keys/development/roots" "$keys/site"
  echo 'no real keys' | tee "$keys/development/roots.bin" "$keys/development/roots/0.key" "$keys/site/roots.bin" >/dev/null
  certificate "$keys/site/updates.pem" 'Updates' && certificate "$keys/development/updates.pem" 'Parloir development updates' &&
    refused_site 'no root keys' '' "$keys/site/updates.pem" 'PARLOIR_ROOTS is not set' &&
    refused_site 'root keys of a development site' "$keys/development/roots.bin" "$keys/site/updates.pem" 'the secret keys of these roots lie beside it' &&
    refused_site 'root keys inside the tree' "$work/tree/Cargo.toml" "$keys/site/updates.pem" 'keys lie in no tree and no build' &&
    refused_site 'updates of a development authority' "$keys/site/roots.bin" "$keys/development/updates.pem" 'a development certificate' &&
    { site_with "$keys/site/roots.bin" "$keys/site/updates.pem" >/dev/null || { echo 'keys from outside are not taken' >&2; false; }; } || status=1
  rm -rf "$keys"
  return $status
}

# certificate FILE NAME: one that signed itself; its key is nowhere.
certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=$2" -keyout /dev/null -out "$1" 2>/dev/null
  chmod 644 "$1"
}

# site_with ROOTS KEYRING: runs the task of parloir-site that takes the root keys.
site_with() {
  printf 'PARLOIR_ROOTS = "%s"\nPARLOIR_RAUC_KEYRING = "%s"\n' "$1" "$2" >"$work/given.conf"
  chmod 644 "$work/given.conf"
  graph_run refused bitbake -b "$work/tree/yocto-layer/recipes-parloir/parloir/parloir-site_0.1.0.bb" -f -c compile -R "$work/given.conf" 2>&1
}

# refused_site WORDS ROOTS KEYRING EXPECTED: those keys are refused by these words.
refused_site() {
  local told
  if told=$(site_with "$2" "$3"); then
    echo "$1: bitbake takes it" >&2
    return 1
  fi
  told=$(grep -a -o -m 1 "ParloirProduct: .*$4.*" <<<"$told") || { echo "$1: not refused by \"$4\"" >&2; return 1; }
  echo "| $1 | $told |" | sed "s|$work/||g; s|/tmp/tmp[^/]*|DIR|g" | tee -a "$report" >&2
}

# refused_distros: each image in the other distro, where both were parsed.
refused_distros() {
  local machine image told
  for machine in qemux86-64:parloir-image-dev qemux86-64-dev:parloir-image; do
    image=${machine#*:} machine=${machine%:*}
    [ -e "$work/$machine/pn-buildlist" ] || continue
    if told=$(graph_run "$machine" bitbake -g "$image" 2>&1); then
      echo "$image is there in the distro of $machine" >&2
      return 1
    fi
    told=$(grep -a -m 1 -o "$image was skipped: .*" <<<"$told") || { echo "$image is missing for another reason: $told" >&2; return 1; }
    echo "| \`$image\` with $machine's distro | $told |" | tee -a "$report" >&2
  done
}

# graph_check_layers: OE-core's own test, of the layer and of the small one for a machine.
graph_check_layers() {
  local failed='' bsp
  # What is not one machine's own is the same for both.
  graph_check_layer bsp yocto-layer/bsp --machines parloir-x86-64 qemux86-64 & bsp=$!
  graph_check_layer yocto-layer yocto-layer --dependency "$layers"/meta-openembedded/meta-{oe,python,multimedia,networking} "$layers/meta-rauc" || failed=yes
  wait $bsp || failed=yes
  [ -z "$failed" ]
}

# graph_check_layer NAME PATH ARGUMENT...: with and without that layer, everything else has the same signatures.
graph_check_layer() {
  local name=$1 path=$2 log=$work/check-$1.log build=check-$1 start=$SECONDS status=0
  shift 2
  echo "-- yocto-check-layer of $path, some 15 minutes, beside the rest" >&2
  mkdir -p "$work/$build/conf"
  printf 'BBPATH = "${TOPDIR}"\nBBFILES ?= ""\nBBLAYERS = "%s"\n' "$layers/openembedded-core/meta" >"$work/$build/conf/bblayers.conf"
  {
    printf 'CONF_VERSION = "2"\nMACHINE = "qemux86-64"\n'
    sed -n '/^  check: |/,$ { s/^    //p }' "$work/tree/yocto-layer/kas/check.yml"
    cat "$work/tree/tests/layer/check-layer.conf"
  } >"$work/$build/conf/local.conf"
  graph_run "$build" yocto-check-layer --no-auto --no-auto-dependency "$@" -- "$work/tree/$path" >"$log" 2>&1 || status=$?
  {
    printf '\n## yocto-check-layer %s\n\n' "$path"
    printf '%s s, ' $((SECONDS - start))
    [ $status = 0 ] && echo "passed:" || echo "**failed:**"
    printf '\n```\n'
    # A test's name and its outcome stand in two lines.
    grep -aE '^INFO: (Setting up for|test_| *\.\.\. (ok|ERROR|FAIL|skipped)|Ran |OK|FAILED| *\(skipped)' "$log" | sed "s|, $work.*||; s/^INFO: *//; /^test_/s/ (.*//" |
      awk '/^test_/ { name = $1; next } /^\.\.\. skipped/ { sub("... ", ""); print; next } /\.\.\./ { print name, $NF; next } { print }'
    echo '```'
  } | tee "$work/checked-$name.md" >&2
  [ $status = 0 ] || { echo "all of it: $log" >&2; return 1; }
}
