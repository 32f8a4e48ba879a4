# What systemd itself thinks of our units, from the tree of the last build. Sourced by scripts/image.
# shellcheck shell=bash
# shellcheck disable=SC2154 # root and image are of scripts/image

# Exposure, in tenths, that a unit may have; gate's is told and not bounded. What is above `explained` needs its reason in the unit.
most=15 explained=5

# The root that is looked at; a test has one with faults.
looked_at=$image/root

# analyze ARGUMENTS...: systemd-analyze of the tools tree on that root.
analyze() { in_tools systemd-analyze "$@" --root="$looked_at" --no-pager; }

# security: a line for each service of ours, then what is open in it; an error when one is over its limit or has no reason.
security() {
  local unit file report tenths bad=0
  for file in "$root"/systemd/units/parloir-*.service; do
    unit=$(basename "$file")
    report=$(analyze security --offline=true "$unit")
    tenths=$(sed -n 's/.*exposure level for .*: \([0-9]*\)\.\([0-9]\) .*/\1\2/p' <<<"$report")
    [ -n "$tenths" ] || { echo "$unit: systemd-analyze says no exposure" >&2; return 1; }
    printf '%2d.%d  %-26s' $((10#$tenths / 10)) $((10#$tenths % 10)) "$unit"
    sed -n 's/^[-✗] \([^ ]*\) .*[^0-9.]\([0-9]\.[0-9]\)$/\1 \2/p' <<<"$report" | tr '\n' ';' | sed 's/;$//; s/;/, /g; s/RestrictAddressFamilies=~//g'
    echo
    if [ $((10#$tenths)) -gt $most ] && [ "$unit" != parloir-gate.service ]; then
      echo "$unit is above $((most / 10)).$((most % 10))" >&2
      bad=1
    fi
    if [ $((10#$tenths)) -gt $explained ] && ! grep -q '^# Above 0\.5 of systemd-analyze security: ' "$file"; then
      echo "$unit is above 0.5 and its head does not say why" >&2
      bad=1
    fi
  done
  return $bad
}

# verify: no unit of the image has a line that systemd does not understand, names a program that is not there, or waits for itself.
verify() {
  local said
  said=$(analyze verify --man=no --recursive-errors=yes default.target boot-complete.target parloir-call@x.service parloir-help.service parloir-trial@well.service 2>&1) || true
  [ -z "$said" ] || { echo "$said" >&2; return 1; }
  echo 'systemd-analyze verify: nothing to say about default.target and what it starts'
}
