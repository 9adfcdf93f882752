#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# run_targets.sh BUILD RUNS MOST_SECONDS [FORMAT...]: runs fuzz targets (all, or those of FORMAT...) on RUNS inputs each,
# the same ones every time, or as many as MOST_SECONDS (0: any) allow, and prints a line for each. The input of a finding
# goes to BUILD/findings; then the exit code is 1.
set -euo pipefail
build=$1 runs=$2 most_seconds=$3
shift 3
seeds=$build/tests/fuzz
if [[ $# -eq 0 ]]; then
  for list in "$seeds"/*.seeds; do set -- "$@" "$(basename "$list" .seeds)"; done
fi

scratch=$(mktemp -d -p "$([[ -w /dev/shm ]] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$build/findings"
export TMPDIR=$scratch ASAN_OPTIONS=quarantine_size_mb=16

printf '%-22s %9s %8s %7s %9s %7s\n' format runs seconds edges features inputs
failed=0
for format in "$@"; do
  mkdir "$scratch/corpus"
  mapfile -t options <"$seeds/$format.options"
  options=(-seed=1 -runs="$runs" -max_total_time="$most_seconds" -timeout=10 -malloc_limit_mb=64
    -rss_limit_mb=1024 "${options[@]}"
    -seed_inputs="$(paste -sd, "$seeds/$format.seeds")" -artifact_prefix="$build/findings/$format-")
  if "$build/bin/fuzz_$format" "${options[@]}" "$scratch/corpus" 2>"$scratch/log"; then
    sed -nE "s/^#([0-9]+)\s+DONE\s+cov: ([0-9]+) ft: ([0-9]+) corp: ([0-9]+).*/\1 \2 \3 \4/p" "$scratch/log" |
      while read -r done edges features inputs; do
        seconds=$(sed -nE 's/^Done .* in ([0-9]+) second.*/\1/p' "$scratch/log")
        printf '%-22s %9d %8d %7d %9d %7d\n' "$format" "$done" "$seconds" "$edges" "$features" "$inputs"
      done
  else
    grep -vE '^#[0-9]+' "$scratch/log" >&2 || true
    failed=1
  fi
  rm -rf "$scratch/corpus"
done
exit "$failed"
