#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# same_bits.sh [full]: a run goes on from 1 to 4, 2, 8 and 1 ranks; losses, norms, validation, HellaSwag, samples and every
# byte of the last checkpoint are those of one process that was left alone. full: also each world size alone, all with 1 and
# 2 threads.
source "$(dirname "$0")/ranks.bash"

# The course of a constant schedule does not depend on its length, so a run can end and be made longer.
train() {  # RANKS THREADS STEPS RUN [OPTION...]
  ranks "$1" gpt2-train -q "${shape[@]}" --schedule constant --warmup-steps 2 --max-steps "$3" --val-every 4 \
    --val-tokens 1Ki --hellaswag questions.jsonl --hellaswag-every 4 --sample-every 4 --save-every-steps 0 --save-every-epochs 0 --threads "$2" --resume auto \
    --out "${@:4}" 2>words || fail "$1 ranks, $2 threads: exit code $?: $(<words)"
}
compare() {  # RUN WHAT
  cmp <(metrics whole) <(metrics "$1") || fail "$2: other metrics"
  cmp whole/log.txt "$1/log.txt" || fail "$2: another log.txt"
  cmp whole/checkpoints/final/model.safetensors "$1/checkpoints/final/model.safetensors" || fail "$2: other weights"
}

for number in {11..70}; do
  printf '{"activity_label": "A", "ctx_a": "the number %d", "ctx_b": "", "ctx": "the number %d", "label": %d, "endings": %s}\n' \
    "$number" "$number" $((number % 4)) '["comes after", "after comes 7", "the number", "comes"]'
done >questions.jsonl

train 0 1 20 whole
train 0 1 20 narrow --wire bf16
train 4 1 20 narrow_4 --wire bf16
! cmp -s <(metrics whole) <(metrics narrow) || fail '--wire bf16 rounds nothing'
cmp <(metrics narrow) <(metrics narrow_4) || fail '--wire bf16, 4 ranks: other metrics'
for threads in 1 ${1:+2}; do
  for world in ${1:+1 2 4 8}; do
    train "$world" "$threads" 20 "run_${world}_$threads"
    compare "run_${world}_$threads" "$world ranks of $threads threads"
  done
  train 1 "$threads" 4 "chain_$threads"
  train 4 $((3 - threads)) 8 "chain_$threads"
  train 2 "$threads" 12 "chain_$threads"
  train 8 "$threads" 16 "chain_$threads"
  parts=$(find "chain_$threads/checkpoints/final" -name 'optimizer-*-of-00008.safetensors' | wc -l)
  [ "$parts" -eq 8 ] || fail "8 ranks wrote $parts parts of the optimizer's state"
  train 1 "$threads" 20 "chain_$threads"
  compare "chain_$threads" "the chain of $threads threads"
  moments=checkpoints/final/optimizer-00000-of-00001.safetensors
  cmp "whole/$moments" "chain_$threads/$moments" || fail "the chain of $threads threads: other moments"
done
