#!/usr/bin/env bash
# Installs what is missing of the Debian packages that tcsync needs.
#
#   install-packages.sh build     what a build needs
#   install-packages.sh bench     that, and what the benchmarks need
#   install-packages.sh package   what a build, packages/build.sh and capi/python/portable_wheels.py need
#   install-packages.sh test      all of these, and what the tests need
#
# As root it installs with apt-get. Without root it changes nothing, prints the one line to run, and
# exits with 1. On a system without dpkg and apt-get it says what is needed and exits with 0: then a
# build shows what is missing. When everything is there it says nothing and does nothing.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly list="$here/debian-packages.txt"

case "${1-}" in
  build) sections='build' ;;
  bench) sections='build bench' ;;
  package) sections='build package' ;;
  test) sections='build bench package test' ;;
  *)
    echo "usage: install-packages.sh build|bench|package|test" >&2
    exit 2
    ;;
esac

# The names in the sections asked for, without comments and empty lines.
packages=()
section=''
while read -r line; do
  case "$line" in
    '' | '#'*) ;;
    '['*']') section="${line:1:-1}" ;;
    *) if [[ " $sections " == *" $section "* ]]; then packages+=("$line"); fi ;;
  esac
done < "$list"

if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
  cat >&2 <<'TEXT'
This is not a Debian system, so nothing is installed. tcsync needs CMake 3.22, a C++20 compiler,
pkg-config, and the libraries Abseil, Boost (headers, 1.74), CLI11, cpp-httplib, libpq (14),
libsodium, nlohmann-json, OpenSSL, RocksDB (7.8), spdlog, SQLite (3.38) and zlib, with their headers.
With -DTCSYNC_POSTGRES=OFF no libpq is needed. Their Debian packages:
TEXT
  printf '  %s\n' "${packages[@]}" >&2
  exit 0
fi

# dpkg-query fails when one of the packages is unknown to it, and lists the others.
installed="$(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "${packages[@]}" \
  2> /dev/null || true)"
missing=()
for package in "${packages[@]}"; do
  if ! grep -qxF "installed $package" <<< "$installed"; then missing+=("$package"); fi
done
if [[ ${#missing[@]} -eq 0 ]]; then exit 0; fi

if [[ "$(id -u)" -ne 0 ]]; then
  echo "Packages are missing. Please run this once, and then this script again:" >&2
  echo "sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

echo "Installing: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
# The tests start their own servers: those that come with a package are neither started nor enabled.
services=()
for package in "${missing[@]}"; do
  case "$package" in
    caddy) services+=(caddy) ;;
    etcd-server) services+=(etcd) ;;
    haproxy) services+=(haproxy) ;;
    nginx-light) services+=(nginx) ;;
    patroni) services+=(patroni) ;;
    pgbouncer) services+=(pgbouncer) ;;
    postgresql) services+=(postgresql) ;;
    prometheus) services+=(prometheus) ;;
  esac
done
readonly policy=/usr/sbin/policy-rc.d
if [[ ${#services[@]} -gt 0 && ! -e "$policy" ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
fi
apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
if [[ ${#services[@]} -gt 0 ]] && command -v systemctl > /dev/null; then
  # In a container without systemd this may fail, and then there is nothing that would start them.
  systemctl disable --quiet "${services[@]}" >&2 || true
fi
