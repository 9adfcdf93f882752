#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# gpus.sh: ranks with a GPU each (GPT2_EMULATOR_GPUS emulated ones) give the bits of one GPU: metrics, weights, moments; whole
# runs of 4 ranks, in bf16 with either wire, with the optimizer whole and in shares, and a run that goes on from 1 to 4, 2
# and 1 ranks. Ranks without a GPU of their own, or with another kind than the first one's, are refused.
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

for wire in fp32 bf16; do
  train 0 4 "one_$wire" --wire $wire
  train 4 4 "four_$wire" --wire $wire
  compare "one_$wire" "four_$wire"
done
! cmp -s <(metrics one_fp32) <(metrics one_bf16) || fail '--wire bf16 rounds nothing'
train 4 4 whole_optimizer --zero 0
compare one_fp32 whole_optimizer

for world_and_step in '1 1' '4 2' '2 3' '1 4'; do train $world_and_step chain; done
compare one_fp32 chain
moments=checkpoints/final/optimizer-00000-of-00001.safetensors
cmp {one_fp32,chain}/$moments || fail 'the chain: other moments'

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
