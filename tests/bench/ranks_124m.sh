#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# ranks_124m.sh VOCAB TEXT [PAIRS]: one step of 32 Ki tokens of GPT-2 124M, fp32, by one rank of two threads and by two ranks
# of one thread in turn; tokens a second. VOCAB holds GPT-2's tokenizer files, TEXT at least 200 KB of text. The tools come
# from PATH. EACH_RUN, if set, is a command that runs each of them (taskset ...).
set -euo pipefail
vocab=${1:?VOCAB} text=${2:?TEXT} pairs=${3:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
gpt2-tokenize --vocab "$vocab" "$text" | gpt2-shard --out-dir "$work" --prefix bench

measure() {  # WORDS THREADS LAUNCHER...
  rm -rf "$work/run"
  ${EACH_RUN:-} "${@:3}" gpt2-train -q --train "$work/bench_train_*.bin" --out "$work/run" --total-batch-tokens 32Ki \
    --max-steps 1 --threads "$2"
  sed -n "s/.*\"kind\": \"train\".*\"loss\": \([0-9.]*\).*\"tokens_per_second\": \([0-9]*\).*/$1: \2 tokens\/s, loss \1/p" \
    "$work/run/metrics.jsonl"
}
for ((pair = 0; pair < pairs; ++pair)); do
  measure 'one rank of two threads' 2 env
  measure 'two ranks of one thread' 1 mpirun -np 2 --bind-to core
done
