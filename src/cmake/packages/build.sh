#!/usr/bin/env bash
# Makes the Debian packages out of a build directory, which has the library and the server; nothing is compiled here.
#
#   build.sh [--revision N] BUILD_DIR OUTPUT_DIR
#
# Missing tools are installed by install-packages.sh, which without root prints the line to run instead.
#
# OUTPUT_DIR gets tcsync-server, libtcsync0, libtcsync-dev and python3-tcsync, each as NAME_VERSION_ARCHITECTURE.deb.
# Packages of the same names are replaced, and only when all new ones are complete. VERSION is RELEASE-N~SYSTEM, such as
# 0.1.0-1~deb12: packages are for the system on which the build was made, and those of a later system are newer. N, by
# default 1, is for packages that differ while the release does not.
#
# The same sources, tools and N give the same bytes, in any directory. The time in the packages is SOURCE_DATE_EPOCH
# where that is set, else that of the commit, and without git that of the file tcsync.h, to which an archive of the
# sources gives the time of the commit.
set -euo pipefail
umask 022
export LC_ALL=C.UTF-8 TZ=UTC

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source_dir="$(cd "$here/../../.." && pwd)"
readonly header="$source_dir/capi/include/tcsync.h"

fail() {
  printf 'build.sh: %s\n' "$@" >&2
  exit 1
}

revision=1
if [[ "${1-}" == --revision ]]; then
  revision="${2-}"
  [[ "$revision" =~ ^[1-9][0-9]*$ ]] || fail "the revision '$revision' is not a number from 1 on"
  shift 2
fi
if [[ $# -ne 2 || "$1" == -* ]]; then
  sed -n '2,/^set/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d' >&2
  exit 2
fi
[[ -f "$1/CMakeCache.txt" ]] || fail "$1 is not a build directory: cmake --preset release makes one"
build_dir="$(cd "$1" && pwd)"
mkdir -p "$2"
output_dir="$(cd "$2" && pwd)"

"$source_dir/src/cmake/install-packages.sh" package

setting() { sed -n "s/^$1:[A-Z]*=//p" "$build_dir/CMakeCache.txt"; }
[[ -z "$(setting TCSYNC_SANITIZE)" ]] || fail "$build_dir was built with a sanitizer, which is not for users"
[[ "$(setting CMAKE_BUILD_TYPE)" != Debug ]] || fail "$build_dir was built without optimisation: use the preset release"
for file in bin/tcsync-server lib/libtcsync.so.0 lib/libtcsync.a; do
  [[ -f "$build_dir/$file" ]] || fail "$build_dir has no $file: cmake --build $build_dir makes it"
done
release="$(sed -nE 's/^#define TCSYNC_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+)$/\2/p' "$header" | paste -sd .)"
built="$("$build_dir/bin/tcsync-server" --version)"
[[ "$built" == "tcsync-server $release" ]] \
  || fail "the sources are of tcsync $release, but $build_dir has $built: build again"

# shellcheck source=/dev/null
. /etc/os-release
system="${ID/debian/deb}${VERSION_ID-$VERSION_CODENAME}"
version="$release-$revision~$system"
if [[ -z "${SOURCE_DATE_EPOCH-}" ]]; then
  SOURCE_DATE_EPOCH="$(git -c safe.directory='*' -C "$source_dir" log -1 --format=%ct 2> /dev/null \
    || stat --format %Y "$header")"
fi
export SOURCE_DATE_EPOCH

# Debhelper's temporary files are beside its results.
work="$(mktemp -d "$output_dir/.packages.XXXXXX")"
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"
cp -r "$here/debian" "$here/python_package.py" "$work/tree"
cd "$work/tree"
cat > debian/changelog << TEXT
tcsync ($version) $VERSION_CODENAME; urgency=medium

  * Release $release. Its changes are in changelog.gz beside this file.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(date --rfc-email --date "@$SOURCE_DATE_EPOCH")
TEXT
# The licence's text, in the form of that file.
sed '1,/^Permission/ { /^Permission/!d }; s/^$/./; s/^/ /' "$source_dir/LICENSE" >> debian/copyright

export TCSYNC_BUILD_DIR="$build_dir" TCSYNC_SOURCE_DIR="$source_dir" DEB_BUILD_OPTIONS=noautodbgsym
unset MAKEFLAGS MAKELEVEL DESTDIR
if ! debian/rules binary > "$work/log" 2>&1; then
  cat "$work/log" >&2
  fail "no packages were made; the messages are above"
fi
mv "$work"/*.deb "$output_dir"
for package in tcsync-server libtcsync0 libtcsync-dev python3-tcsync; do
  printf '%s\n' "$output_dir/${package}_${version}_$(dpkg --print-architecture).deb"
done
