#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# run_case.sh CASE.sh TOOL: runs one case in a fresh folder and compares what it printed and returned (README.md).
set -u
case_script=$(realpath "$1")
expected=${case_script%.sh}
export TOOL=$2 CASE_DIR=${case_script%/*} LC_ALL=C
export OMP_WAIT_POLICY=passive  # cases share the cores: threads that wait should sleep, not spin
for name in ${!GPT2_*}; do  # a developer's own settings are no part of the case
  [[ $name == GPT2_TEST_* ]] || unset "$name"
done

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/cwd"
cd "$work/cwd" || exit 1
bash -euo pipefail "$case_script" </dev/null >"$work/stdout" 2>"$work/stderr"
code=$?
[ $code -eq 77 ] && { cat "$work/stderr"; exit 77; }

wrong=0
expected_code=0
[ -e "$expected.exit" ] && expected_code=$(<"$expected.exit")
if [ "$code" != "$expected_code" ]; then
  echo "exit code $code, expected $expected_code"
  wrong=1
fi
for stream in stdout stderr; do
  wanted=$expected.$stream
  [ -e "$wanted" ] || wanted=/dev/null
  if ! diff -u --label "expected $stream" --label "$stream" "$wanted" "$work/$stream"; then
    wrong=1
  fi
done
exit $wrong
