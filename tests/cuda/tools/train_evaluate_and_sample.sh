# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# The tools on a GPU: a run with validation, questions and samples, which goes on to the bit; its checkpoint scored, asked
# and continued, with the figures that a CPU gives.
source "$CASE_DIR/../../support/needs_gpu.bash"
within=2e-4 # the library takes sums in other orders, and AdamW's first steps enlarge that
[[ $gpu != *emulated* ]] || within=2e-5
for number in {1..400}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 280 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text --val-tokens 100
for number in {11..13}; do
  printf '{"activity_label": "A", "ctx_a": "the number %d", "ctx_b": "", "ctx": "the number %d", "label": %d, "endings": %s}\n' \
    "$number" "$number" $((number % 4)) '["comes after", "after comes 7", "the number", "comes"]'
done >questions.jsonl
train() {
  gpt2-train -q --train 'shards/text_train_*.bin' --val 'shards/text_val_*.bin' --vocab vocab --layers 1 --heads 2 \
    --channels 32 --context 24 --batch-size 2 --total-batch-tokens 96 --schedule constant --warmup-steps 0 \
    --dropout 0.1 --val-every 2 --hellaswag questions.jsonl --hellaswag-every 4 --sample-every 4 \
    --sample-prompt 'the number' "$@"
}
near() { # near A B: two numbers no further apart than float sums in another order leave them
  awk -v a="$1" -v b="$2" -v within=$within 'BEGIN { exit !(a - b < within && b - a < within) }'
}
train --out gpu --device cuda --precision fp32 --max-steps 4 --recompute block
train --out cpu --device cpu --max-steps 4
join -o 1.2,2.2,1.3,2.3 gpu/log.txt cpu/log.txt | while read -r kind kind_of_cpu figure figure_of_cpu; do
  [ "$kind" != "$kind_of_cpu" ] || near "$figure" "$figure_of_cpu"
done
[ "$(cut -d' ' -f1,2 gpu/log.txt)" = "$(cut -d' ' -f1,2 cpu/log.txt)" ]

train --out bf16 --device auto --max-steps 4 --save-every-steps 2 # a GPU is there, so it is taken, in bf16
# The checkpoint says how products are done, whatever a timing would find now.
GPT2_EMULATOR_TIMINGS=1 gpt2-train -q --out parts --resume bf16/checkpoints/step_00000002 --recompute mlp
cmp bf16/checkpoints/final/model.safetensors parts/checkpoints/final/model.safetensors
cmp bf16/checkpoints/final/optimizer-00000-of-00001.safetensors \
  parts/checkpoints/final/optimizer-00000-of-00001.safetensors
! cmp -s bf16/checkpoints/final/model.safetensors gpu/checkpoints/final/model.safetensors
train --out fp16 --device cuda --precision fp16 --max-steps 1
grep -q '"kind": "train", .*"loss_scale": 65536' fp16/metrics.jsonl

loss_on() { gpt2-eval-loss --checkpoint gpu --text text.val --json "$@" | sed -n 's/.*"loss": \([^,]*\),.*/\1/p'; }
head -3 text.txt >text.val
near "$(loss_on --device cuda --precision fp32)" "$(loss_on --device cpu)"
awk -v a="$(loss_on --device cuda --precision fp16)" -v b="$(loss_on --device cpu)" 'BEGIN { exit !(a != b && a - b < 2e-3 && b - a < 2e-3) }'
for device in cuda cpu; do
  gpt2-eval-hellaswag --checkpoint gpu --data questions.jsonl --json --device $device --precision fp32 >answers.$device
  gpt2-sample --checkpoint gpu --prompt 'the number' --max-tokens 5 --top-k 1 --device $device --precision fp32 >sample.$device
done
[ "$(grep -o '"acc_norm": [0-9.]*' answers.cuda)" = "$(grep -o '"acc_norm": [0-9.]*' answers.cpu)" ]
cmp sample.cuda sample.cpu
gpt2-sample --checkpoint gpu --prompt 'the number' --max-tokens 5 --top-k 1 --device cuda --precision fp16 >sample.fp16
gpt2-train --dry-run --out dry --train 'shards/text_train_*.bin' --layers 1 --heads 2 --channels 32 --context 24 \
  --total-batch-tokens 96 --batch-size auto --memory-limit 4Mi >plan
grep -q '^device       cuda: GPU 0' plan
grep -q '^on the host  snapshot' plan
