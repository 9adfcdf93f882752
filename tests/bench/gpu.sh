#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# GPT-2 on this NVIDIA GPU, one table: training of 124M and 1558M in tokens a second and as a share of the GPU's peak,
# decoding, HellaSwag, every kernel beside its roofline, and PyTorch, compiled, where `python3` has one that sees the
# GPU. gpu.sh [--only 124M|1558M] VOCAB TEXT [HELLASWAG.jsonl]: VOCAB holds GPT-2's tokenizer files, TEXT is repeated up to
# 10 MB; kernels go with 124M. The tools and kernels_bench, of a build with CUDA, come from PATH; 1558M needs 20 GB under
# TMPDIR. A measurement that fails is FAILED in its row, after what it says, and the exit code is 1; 69 without a GPU.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
only=
if [ "${1:-}" = --only ]; then
  only=${2:?124M|1558M}
  shift 2
fi
vocab=${1:?VOCAB} text=${2:?TEXT} hellaswag=${3:-}
if ! gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1) || [ -z "$gpu" ]; then
  echo "gpu.sh: no NVIDIA GPU answers here: nvidia-smi, which comes with the driver, is missing or lists none" >&2
  exit 69
fi
# Dense bf16 by the data sheets; MFU is left out for others.
case $gpu in
  *H100* | *H200*) peak=989.5 ;;
  *A100*) peak=312 ;;
  *) peak=0 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
row() {  # NAME COMMAND...: what it prints is the cell
  local cell
  if ! cell=$("${@:2}") || [ -z "$cell" ]; then
    cell=FAILED failed=1
  fi
  printf '%-44s %s\n' "$1" "$cell"
}
# Median tokens a second of lines with numbers; from those MFU with N, L and C of a model.
rate() {  # PARAMETERS LAYERS CHANNELS
  sort -g | awk -v peak="$peak" -v n="$1" -v l="$2" -v c="$3" '
    {rate[NR] = $1}
    END {
      if (NR == 0) exit 1
      median = rate[int((NR + 1) / 2)]
      printf "%.0f tokens/s", median
      if (peak > 0) printf ", MFU %.1f %%", 100 * median * (6 * n + 12 * l * c * 1024) / (peak * 1e12)
      print ""
    }'
}
train() {  # NAME MODEL BATCH PARAMETERS LAYERS CHANNELS
  gpt2-train -q --device cuda --precision bf16 --model "$2" --train "$work/bench_train_*.bin" --vocab "$vocab" --out "$work/$1" \
    --batch-size "$3" --total-batch-tokens 524288 --max-steps 8 --save-every-epochs 0 --save-every-seconds 0 >/dev/null &&
    sed -n 's/.*"kind": "train", "step": [3-8],.*"tokens_per_second": \([0-9.e+]*\).*/\1/p' "$work/$1/metrics.jsonl" | rate "${@:4}"
}
train_with_torch() {
  python3 "$here/torch_train.py" "$work/bench_train_000000.bin" --device cuda --batch-size 64 --steps 20 |
    sed -n 's/.*: \([0-9.]*\) tokens.*/\1/p' | tail -n 15 | rate 124439808 12 768
}
decode() {  # SEQUENCES
  gpt2-sample --device cuda --checkpoint "$model" --prompt 'The' --max-tokens 1000 --num-sequences "$1" --ignore-end-of-text \
    --json --timing | tail -n 1 | sed -n 's/.*"tokens_per_second": \([^}]*\)}/\1 tokens\/s/p'
}
seconds_of() {
  local begin=$EPOCHREALTIME
  "$@" >/dev/null && awk -v begin="$begin" -v end="$EPOCHREALTIME" 'BEGIN { print end - begin }'
}
answer() {
  local questions=(gpt2-eval-hellaswag --device cuda --checkpoint "$model" --data "$hellaswag") all one
  all=$(seconds_of "${questions[@]}") && one=$(seconds_of "${questions[@]}" --limit 1) &&
    awk -v all="$all" -v one="$one" 'BEGIN { printf "%.1f s, start and loading left out", all - one }'
}

echo "$gpu, $(date -u +%F); MFU: (6 N + 12 L C T) x tokens/s of $peak TFLOP/s dense bf16; N with wte once, T 1024"
texts=("$text")
for ((bytes = $(stat -L -c %s "$text"); bytes * ${#texts[@]} < 10000000;)); do texts+=("$text"); done
gpt2-tokenize --vocab "$vocab" "${texts[@]}" | gpt2-shard --out-dir "$work" --prefix bench
if [ "$only" != 1558M ]; then
  row "training 124M, bf16, B 64" train small gpt2 64 124439808 12 768
  if python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    row "  PyTorch, compiled, bf16, B 64" train_with_torch
  else
    row "  PyTorch" echo "not run: python3 has no torch that sees the GPU"
  fi
  model=$work/small/checkpoints/final
  for sequences in 1 16; do row "decoding 124M, bf16, $sequences sequence(s)" decode $sequences; done
  if [ -n "$hellaswag" ]; then row "HellaSwag, 124M, $(wc -l <"$hellaswag") questions" answer; fi
fi
if [ "$only" != 124M ]; then
  row "training 1558M, bf16, largest B" train xl gpt2-xl auto 1557611200 48 1600
  rm -rf "$work/xl"
fi
if [ "$only" != 1558M ] && ! GPT2_TEST_DEVICE=cuda GPT2_TEST_PRECISION=bf16 kernels_bench; then
  row "kernels" false
fi
exit $failed
