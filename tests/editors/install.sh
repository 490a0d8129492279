#!/usr/bin/env bash
# Put the editors under test into a folder of their own: Emacs (Eglot is part of it) and Helix.
# usage: install.sh [folder]     without one: .editors beside this file; what is already there is kept
#
# They are Debian's newer packages with every library they need, unpacked and started by their own loader,
# so that Debian 12 runs them and the system stays as it is. The mirror is the one that apt uses here.
set -euo pipefail

suite=forky # the first with Helix 25.07 and Emacs 30; the floors are checked by the tests
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/.editors}
done_mark=$folder/installed-$suite-1

[ -e "$done_mark" ] && exit 0

rm -rf "$folder"
mkdir -p "$folder"/apt/{state/lists,cache/archives,debs}/partial "$folder"/{root,bin}
folder=$(cd "$folder" && pwd)
trap 'rm -rf "$folder/apt"' EXIT

codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' "Codename: $codename" | head -n 1)
[ -n "$mirror" ] || { echo "apt has no Debian mirror here: install Emacs 30 and Helix 25.07 and name them in CMT_TEST_EMACS and CMT_TEST_HELIX." >&2; exit 1; }
keys=/usr/share/keyrings/debian-archive-keyring.gpg

: >"$folder/apt/status" # nothing counts as installed, so that every library comes along
echo "deb [signed-by=$keys] $mirror $suite main" >"$folder/apt/list"
cat >"$folder/apt/conf" <<CONF
Dir::Etc::sourcelist "$folder/apt/list";
Dir::Etc::sourceparts "/dev/null";
Dir::State "$folder/apt/state";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt/cache";
Dir::Cache::archives "$folder/apt/debs";
Acquire::Languages "none";
Debug::NoLocking "1";
CONF
export APT_CONFIG=$folder/apt/conf
apt-get -qq update
apt-get -qq -y --no-install-recommends --download-only install hx emacs-nox
unset APT_CONFIG

for package in "$folder"/apt/debs/*.deb; do
  case ${package##*/} in
    emacs-el_* | *-dev_* | binutils* | lib*san[0-9]* | perl*) ;; # sources and a compiler: nothing here starts them
    *) dpkg-deb --extract "$package" "$folder/root" ;;
  esac
done

one() { # the only path that fits a pattern
  [ "$#" -eq 1 ] && [ -e "$1" ] || { echo "Expected one such file: $*" >&2; exit 1; }
  printf '%s' "$1"
}

root=$folder/root
relative() { # the only path that fits a pattern, as seen from the wrappers
  [ "$#" -eq 1 ] && [ -e "$1" ] || { echo "Expected one such file: $*" >&2; exit 1; }
  printf '$root%s' "${1#"$root"}"
}

loader=$(relative "$root"/usr/lib/*/ld-linux-*.so.*)
lisp=$(relative "$root"/usr/share/emacs/[0-9]*)
helpers=$(relative "$root"/usr/libexec/emacs/*/*)
dump=$(relative "$root"/usr/libexec/emacs/*/*/*.pdmp)
folders=$(cd "$root/usr/share/emacs" && find ./[0-9]*/lisp -type d | sed 's,^\.,$root/usr/share/emacs,' | paste -sd :)
start="#!/bin/sh
root=\$(cd \"\$(dirname \"\$0\")/../root\" && pwd)
loader=$loader"
run='exec "$loader" --library-path "$(dirname "$loader")"'

cat >"$folder/bin/hx" <<WRAPPER
$start
export HELIX_RUNTIME="\$root/usr/lib/hx/runtime"
$run "\$root/usr/lib/hx/hx" "\$@"
WRAPPER
cat >"$folder/bin/emacs" <<WRAPPER
$start
export EMACSLOADPATH="$folders"
export EMACSDATA="$lisp/etc" EMACSDOC="$lisp/etc" EMACSPATH="$helpers"
$run "\$root/usr/bin/emacs-nox" --dump-file="$dump" "\$@"
WRAPPER
chmod +x "$folder"/bin/*
"$folder/bin/hx" --version
"$folder/bin/emacs" --version | head -n 1
touch "$done_mark"
