#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# gpus.sh: ranks with a GPU each (GPT2_EMULATOR_GPUS emulated ones) give the bits of one GPU: metrics, weights, moments, with
# either wire, in fp16, the optimizer in shares or whole, in a run that goes on from 4 to 2 and 1 ranks, and in one that a
# signal stopped. Ranks without a GPU of their own, or with another kind than the first one's, are refused.
source "$(dirname "$0")/ranks.bash"

tiny=("${shape[@]}" --layers 1 --channels 16 --context 16 --batch-size 1 --total-batch-tokens 128 --schedule constant
  --warmup-steps 0 --val-every 1 --val-tokens 64 --save-every-steps 0 --save-every-epochs 0)
train() {  # RANKS STEPS RUN [OPTION...]
  ranks "$1" gpt2-train -q "${tiny[@]}" --max-steps "$2" --device cuda --resume auto --out "${@:3}" 2>words ||
    fail "$*: exit code $?: $(<words)"
}
compare() {  # RUN RUN
  cmp <(metrics "$1") <(metrics "$2") || fail "$2: other metrics than $1"
  cmp {"$1","$2"}/checkpoints/final/model.safetensors || fail "$2: other weights than $1"
}

train 0 3 one
train 4 3 four
compare one four
train 0 3 narrow --wire bf16
train 4 3 narrow_whole --wire bf16 --zero 0
compare narrow narrow_whole
! cmp -s <(metrics one) <(metrics narrow) || fail '--wire bf16 rounds nothing'
train 0 2 scaled --precision fp16
train 2 2 scaled_too --precision fp16
compare scaled scaled_too  # the scale of the loss is in the metrics

for world_and_step in '4 1' '2 2' '1 3'; do train $world_and_step chain; done
compare one chain
moments=checkpoints/final/optimizer-00000-of-00001.safetensors
cmp {one,chain}/$moments || fail 'the chain: other moments'

# Stopped by a signal to mpirun while steps are queued, it leaves a checkpoint, and 75.
mpirun -np 2 gpt2-train -q "${tiny[@]}" --max-steps 10000 --device cuda --out stopped 2>words &
launcher=$!
until grep -qs '"kind": "train"' stopped/metrics.jsonl || ! kill -0 $launcher 2>/dev/null; do sleep 0.01; done
kill -USR1 $launcher
code=0
wait $launcher || code=$?
[ "$code" -eq 75 ] && grep -q '^gpt2-train: stopped by ' words || fail "SIGUSR1: exit code $code: $(<words)"
steps=$(grep -c '"kind": "train"' stopped/metrics.jsonl)
train 1 $((steps + 1)) stopped --allow-change max-steps
train 0 $((steps + 1)) unstopped
compare unstopped stopped

refused() {  # WORDS COMMAND...: by 69, said once
  local code=0
  "${@:2}" 2>words || code=$?
  [ "$code" -eq 69 ] || fail "$1: exit code $code: $(<words)"
  [ "$(grep -c '^gpt2-train: ' words)" -eq 1 ] || fail "$1: $(<words)"
  grep -q "^gpt2-train: .*$1" words || fail "other words than $1: $(<words)"
}
one_step=(gpt2-train -q "${tiny[@]}" --max-steps 1 --out refused --device)
GPT2_EMULATOR_GPUS=1 refused "2 ranks on $(hostname) see 1 GPU (CUDA_VISIBLE_DEVICES?)" mpirun -np 2 "${one_step[@]}" cuda
refused "rank 1 on $(hostname) computes with another GPU, rank 0 with emulated GPU" \
  mpirun -np 1 "${one_step[@]}" cuda : -np 1 -x GPT2_EMULATOR_GPU='another GPU' "${one_step[@]}" cuda

# auto: GPUs for all, or CPUs for all.
for gpus in 4 1; do
  GPT2_EMULATOR_GPUS=$gpus mpirun -np 2 gpt2-train "${tiny[@]}" --out dry --dry-run --device auto >plan_$gpus
done
grep -q '^device  *cuda: GPU 0, emulated GPU' plan_4 && grep -q '^exchange  *64.0 MiB' plan_4 || fail "$(<plan_4)"
grep -q '^device  *cpu: ' plan_1 || fail "$(<plan_1)"
