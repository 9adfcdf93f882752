#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# What each kernel takes of a GPU: kernel_resources.sh BUILD [ARCHITECTURE]. Compiles the kernels once more as the
# build does, for one architecture (sm_90), and prints for each its registers, bytes of spills, stack and static shared
# memory, and its instructions of the tensor cores where cuobjdump is. 1 if a kernel spills, or if one of attention_mma
# does without the tensor cores.
set -euo pipefail
build=${1:?kernel_resources.sh BUILD [ARCHITECTURE]}
architecture=${2:-sm_90}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The build's commands of its .cu files, without what makes objects for several architectures.
sed -n 's/^ *"command": "\(.* -c [^ ]*\.cu\) -o .*",\{0,1\}$/\1/p' "$build/compile_commands.json" |
  sed 's/\\"/"/g; s/--generate-code=[^ ]* //g; s/ -c / /' | sort -u >"$work/commands"
[[ -s $work/commands ]] || { echo "$build has no kernels: is it configured with GPT2_WITH_CUDA=ON?" >&2; exit 1; }

# One command; its words of ptxas go to NAME.log.
compile() {
  local name
  name=$(basename "${1##* }" .cu)
  (cd "$build" && eval "$1 -cubin -arch=$architecture -Xptxas=-v -o $work/$name.cubin") >"$work/$name.log" 2>&1 ||
    { cat "$work/$name.log" >&2; return 1; }
}
export -f compile
export build work architecture
tr '\n' '\0' <"$work/commands" | xargs -0 -P "$(nproc)" -I{} bash -c 'compile "$1"' compile {} || exit 1

# Kernel, then its instructions: lines "symbol count".
: >"$work/instructions"
if command -v cuobjdump >/dev/null; then
  for cubin in "$work"/*.cubin; do
    cuobjdump -sass "$cubin"
  done | awk '/Function : /{kernel = $3; count[kernel] = 0} / HMMA/{++count[kernel]}
              END {for (kernel in count) print kernel, count[kernel]}' >"$work/instructions"
else
  echo "cuobjdump is not on the path: instructions are not looked at" >&2
fi

# Registers, spill stores + loads, stack, shared memory, instructions of the tensor cores, symbol.
cat "$work"/*.log | awk -v instructions="$work/instructions" '
  BEGIN {while ((getline line < instructions) > 0) {split(line, word, " "); tensor[word[1]] = word[2]}}
  /Compiling entry function/ {split($0, part, "\047"); kernel = part[2]; waits = 1}
  waits && /bytes stack frame/ {stack = $1; spilled = $5 + $9; waits = 0}
  /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
    shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
    print registers, spilled, stack, shared, kernel in tensor ? tensor[kernel] : "?", kernel
  }' | c++filt | sed 's/(anonymous namespace):://g; s/gpt2::kernels:://g; s/void //; s/(.*//' | sort -k6 >"$work/table"

{
  echo "registers spilled stack shared tensor kernel, $architecture"
  cat "$work/table"
} | awk '{printf "%9s %7s %5s %6s %6s ", $1, $2, $3, $4, $5; for (i = 6; i <= NF; ++i) printf " %s", $i; print ""}'
awk '
  $2 > 0 {print $6 " spills " $2 " bytes of registers"; failed = 1}
  /_mma_kernel/ && $5 == 0 {print $6 " has no instruction of the tensor cores"; failed = 1}
  /_mma_kernel/ {++of_tensor_cores}
  END {
    if (of_tensor_cores == 0) {print "no kernel of the tensor cores was found"; failed = 1}
    exit failed
  }' "$work/table" >&2
