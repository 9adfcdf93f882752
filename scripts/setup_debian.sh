#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Installs the Debian packages that a target needs, and only those that are missing: setup_debian.sh demo|test|oracle...
# Needs root or sudo only when something is missing. Debian 12 or newer, Ubuntu 24.04 or newer.
set -eu

build="g++ make cmake ninja-build pkg-config libcli11-dev libfmt-dev libyaml-cpp-dev libsimdjson-dev
  libssl-dev libdnnl-dev libhwy-dev zlib1g-dev libzstd-dev libsnappy-dev liblz4-dev libzip-dev"
demo="$build bible-kjv zstd"
fetch="libcurl4-openssl-dev ca-certificates"
mpi="libopenmpi-dev openmpi-bin"
bundle="xz-utils binutils"
test="$demo $fetch $mpi $bundle libboost-test-dev groff-base procps lowdown zsh"
oracle="$test python3 python3-venv"
fuzz="$build clang libclang-rt-dev libomp-dev"

packages=""
for set_name in "$@"; do
  case $set_name in
    build) packages="$packages $build" ;;
    demo) packages="$packages $demo" ;;
    fetch) packages="$packages $build $fetch" ;;
    bundle) packages="$packages $bundle" ;;
    mpi) packages="$packages $build $mpi" ;;
    test) packages="$packages $test" ;;
    oracle) packages="$packages $oracle" ;;
    fuzz) packages="$packages $fuzz" ;;
    *) echo "setup_debian.sh: unknown set $set_name; known: build demo fetch bundle mpi test oracle fuzz" >&2; exit 64 ;;
  esac
done

missing=""
for package in $packages; do
  case " $missing " in *" $package "*) continue ;; esac
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "setup_debian.sh: no apt-get here; install what corresponds to:$missing" >&2
  exit 69
fi
if [ "$(id -u)" -eq 0 ]; then
  as_root="env"
elif command -v sudo >/dev/null; then
  as_root="sudo env"
else
  echo "setup_debian.sh: these packages are missing and need root; run as root: apt-get install -y$missing" >&2
  exit 69
fi
echo "Installing:$missing" >&2
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
