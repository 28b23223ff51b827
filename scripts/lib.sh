# shellcheck shell=bash
# What the scripts share. Sourced, never run.

# shellcheck disable=SC2034  # used by those who source this
RDU_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RDU_SCRIPT=${0##*/}

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '==> %s\n' "$*"; }

# Ends the script with one clear line.
die() {
  printf '%s: %s\n' "$RDU_SCRIPT" "$*" >&2
  exit 1
}

# usage: prints the comment at the top of the calling script, which is its help.
usage() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; }

# bad_option OPTION: an argument that the script does not know.
bad_option() { die "unknown option '$1' (see $RDU_SCRIPT --help)"; }

# needs_value OPTION COUNT: COUNT is $#, the option included.
needs_value() { [ "$2" -ge 2 ] || die "$1 needs a value (see $RDU_SCRIPT --help)"; }
