#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Packs the tools with the libraries that they need (scripts/bundle.bash) into one archive: make_bundle.sh BUILD FOLDER, as
# make bundle does it. Prints the archive's name, gpt2-tools-cuda-... for a build with CUDA: its tools need a driver, and
# libcublasLt of the CUDA that they were built with, from the loader's path, /usr/local/cuda or LD_LIBRARY_PATH.
set -euo pipefail
source "$(dirname "$0")/bundle.bash"
build=${1:?make_bundle.sh BUILD FOLDER}
folder=${2:?make_bundle.sh BUILD FOLDER}
from_cache() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
cuda=
[[ $(from_cache GPT2_WITH_CUDA) != ON ]] || cuda=-cuda
name=gpt2-tools$cuda-$(from_cache CMAKE_PROJECT_VERSION)-linux-$(uname -m)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/$name" --strip >/dev/null
add_libraries "$work/$name/lib/gpt2-tools" "$work/$name/share/doc/gpt2-tools/licences" "$work/$name"/bin/*
mkdir -p "$folder"
pack_folder "$work/$name" "$folder/$name.tar.xz" $((60 * 1024 * 1024))
