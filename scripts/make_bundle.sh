#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Packs the tools with the libraries that they need into one archive, which runs from any folder of a machine with a
# glibc as new as this one's: make_bundle.sh BUILD FOLDER. BUILD is configured with
#   -DCMAKE_INSTALL_RPATH='$ORIGIN/../lib/gpt2-tools' -DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags
# as make bundle does it. Left out: glibc's libraries, and NVIDIA's, which a build with CUDA needs. Prints the
# archive's name.
set -euo pipefail
build=${1:?make_bundle.sh BUILD FOLDER}
folder=${2:?make_bundle.sh BUILD FOLDER}
most_bytes=$((60 * 1024 * 1024))
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
name=gpt2-tools-$version-linux-$(uname -m)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/$name" --strip >/dev/null
libraries=$work/$name/lib/gpt2-tools
licences=$work/$name/share/doc/gpt2-tools/licences
mkdir -p "$libraries" "$licences"

# Lines "name path" of the libraries of all tools, and of theirs.
needed() { ldd "$work/$name"/bin/* | awk '$2 == "=>" {print $1, $3}' | sort -u; }
if missing=$(needed | grep ' not$'); then
  echo "make_bundle.sh: these libraries are not found: $missing" >&2
  exit 65
fi
needed | while read -r library path; do
  case $library in
    libc.so.* | libm.so.* | libmvec.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libresolv.so.* | libutil.so.* | ld-linux*) ;;
    libcuda.so.* | libcublas*.so.* | libcudart.so.* | libnccl.so.*) ;;
    *)
      install -m 644 "$path" "$libraries/$library"
      strip --strip-unneeded "$libraries/$library"
      # dpkg knows a library by the path without the links of a merged /usr, or with them.
      package=$( (dpkg-query -S "$(realpath "$path")" || dpkg-query -S "/lib${path#*/lib}") 2>/dev/null | head -n 1 | cut -d : -f 1)
      [[ -z $package ]] || cp "/usr/share/doc/$package/copyright" "$licences/$package"
      ;;
  esac
done

mkdir -p "$folder"
archive=$folder/$name.tar.xz
tar -C "$work" --owner=0 --group=0 --numeric-owner --sort=name -c "$name" | xz -T0 >"$archive.$$"
bytes=$(stat -c %s "$archive.$$")
if ((bytes > most_bytes)); then
  rm "$archive.$$"
  echo "make_bundle.sh: $archive would be $bytes bytes, more than $most_bytes" >&2
  exit 70
fi
mv "$archive.$$" "$archive"
echo "$archive"
