# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Sourced by scripts that pack programs with the libraries that they need, for any folder of a machine that has a glibc as
# new as this one's and nothing else: builds with GPT2_BUNDLE=ON. Left out are glibc's libraries, and NVIDIA's, which are
# large and come with CUDA.

# add_libraries FOLDER LICENCES PROGRAM...: what all programs need, and what that needs, with the licences of Debian's
# packages. 65 if something is not found here.
add_libraries() {
  local folder=$1 licences=$2 library path package missing=()
  mkdir -p "$folder" "$licences"
  while read -r library path; do
    case $library in
      libc.so.* | libm.so.* | libmvec.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libresolv.so.* | libutil.so.* | ld-linux*) ;;
      libcuda.so.* | libcublas*.so.* | libcudart.so.* | libnccl.so.*) ;;
      *)
        if [[ $path != /* ]]; then
          missing+=("$library")
          continue
        fi
        install -m 644 "$path" "$folder/$library"
        strip --strip-unneeded "$folder/$library"
        # dpkg knows a library by the path without the links of a merged /usr, or with them.
        package=$( (dpkg-query -S "$(realpath "$path")" || dpkg-query -S "/lib${path#*/lib}") 2>/dev/null | head -n 1 | cut -d : -f 1)
        [[ -z $package ]] || cp "/usr/share/doc/$package/copyright" "$licences/$package"
        ;;
    esac
  done < <(ldd "${@:3}" | awk '$2 == "=>" {print $1, $3}' | sort -u)
  if ((${#missing[@]} > 0)); then
    echo "${0##*/}: these libraries are not found: ${missing[*]}" >&2
    return 65
  fi
}

# pack_folder FOLDER ARCHIVE MOST-BYTES: FOLDER as an archive, which appears whole or not at all; 70 if it would be larger.
pack_folder() {
  local bytes
  tar -C "$(dirname "$1")" --owner=0 --group=0 --numeric-owner --sort=name -c "$(basename "$1")" | xz -T0 >"$2.$$"
  bytes=$(stat -c %s "$2.$$")
  if ((bytes > $3)); then
    rm "$2.$$"
    echo "${0##*/}: $2 would be $bytes bytes, more than $3" >&2
    return 70
  fi
  mv "$2.$$" "$2"
  echo "$2"
}
