#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# kill_training.sh [KILLS] [SEED]: gpt2-train is killed (SIGKILL) at random moments, before, in and between its steps and
# saves, some runs several times; each start goes on from what the one before left. Every run must end as one that was
# left alone: metrics but for times and saves, log.txt, and each file of the last checkpoint, to the byte. The tools come
# from PATH, the device from GPT2_TEST_DEVICE (cpu).
set -euo pipefail
kills_wanted=${1:-50}
RANDOM=${2:-1}
device=${GPT2_TEST_DEVICE:-cpu}
[ "$device" = cpu ] || source "$(dirname "$0")/../support/needs_gpu.bash"
export OMP_WAIT_POLICY=passive
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

for number in {1..2000}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text --val-tokens 2000

train() {  # RUN: begins it, or goes on
  GPT2_EMULATOR_TIMINGS=$RANDOM exec gpt2-train -q --train 'shards/text_train_*.bin' --val 'shards/text_val_*.bin' \
    --vocab vocab --out "$1" --device "$device" --resume auto --layers 2 --heads 2 --channels 48 --context 32 --total-batch-tokens 512 --dropout 0.1 \
    --max-steps 60 --val-every 10 --val-tokens 1Ki --sample-every 20 --save-every-steps 7 --save-every-seconds 0.02 \
    --keep-last 2 --threads 1
}
# A run to come. A GPU's products are done in ways that are found by timing, and the same ways give the same bits: there it
# goes on from the first checkpoint of the whole run, which says them.
prepare_run() {
  rm -rf run
  [ "$device" != cpu ] || return 0
  mkdir -p run/checkpoints
  cp whole/{config.yaml,log.txt,metrics.jsonl} run
  cp -r whole/checkpoints/step_00000007 run/checkpoints
}
metrics() {
  sed -e '/"kind": "checkpoint"/d' -e 's/"time": [^,]*, //' -e 's/, "tokens_per_second": [^,}]*//' "$1/metrics.jsonl"
}
differs() {
  echo "after $kills kills: $1"
  exit 1
}
compare_with_whole() {
  cmp <(metrics whole) <(metrics run) || differs 'other metrics'
  cmp whole/log.txt run/log.txt || differs 'another log.txt'
  local file
  for file in whole/checkpoints/final/*; do
    [ "${file##*/}" = checkpoint.json ] || cmp "$file" "run/checkpoints/final/${file##*/}" || differs 'another checkpoint'
  done
  [ "$(readlink run/checkpoints/latest)" = final ] || differs 'latest is not the end'
  [ -z "$(find run -name '.tmp-*')" ] || differs "unfinished files: $(find run -name '.tmp-*')"
}

start=${EPOCHREALTIME/./}
(train whole)
whole_microseconds=$((${EPOCHREALTIME/./} - start))

kills=0 in_saves=0 runs=0
while ((kills < kills_wanted)); do
  prepare_run
  while
    (train run) 2>words &
    sleep "$(awk -v random=$RANDOM -v whole=$whole_microseconds 'BEGIN { print random / 32768 * whole / 1e6 }')"
    if kill -KILL $! 2>/dev/null; then
      ((++kills))
      [ -z "$(find run/checkpoints -name '.tmp-*' 2>/dev/null)" ] || ((++in_saves))
    fi
    code=0
    wait $! 2>/dev/null || code=$?
    ((code == 137 || code == 0)) || differs "exit code $code: $(<words)"
    ((RANDOM % 2))
  do :; done
  (train run) 2>words || differs "exit code $?: $(<words)"
  compare_with_whole
  ((++runs))
done
echo "$kills kills in $runs runs, $in_saves of them while a checkpoint was unfinished: every run ended as the one left alone"
