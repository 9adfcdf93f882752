# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Where no GPU is, or none was built for, --device cuda says what is missing (69) and leaves nothing; auto takes the CPU.
if gpt2-train --version | grep -q '^  cuda: GPU'; then
  echo "this machine has a GPU" >&2
  exit 77
fi
for number in {1..100}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 280 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text
options=(--train 'shards/*.bin' --vocab vocab --layers 1 --heads 1 --channels 8 --context 16 --total-batch-tokens 64
  --max-steps 1)
echo '{"activity_label": "A", "ctx_a": "the", "ctx_b": "", "ctx": "the", "label": 0, "endings": ["a", "b", "c", "d"]}' >questions.jsonl
gpt2-train "${options[@]}" --out run 2>words
grep -q ' in the vocabulary; cpu: ' words
refused() {
  local code=0
  "$@" --device cuda >out 2>words || code=$?
  [ $code = 69 ]
  [ ! -s out ]
  [ "$(wc -l <words)" = 1 ]
  grep -qE "^$1: device cuda: (this build has no GPU kernels|this machine has no NVIDIA driver|the driver shows 0 GPUs).*; take auto or cpu\$" words
}
refused gpt2-train "${options[@]}" --out on_gpu
[ ! -e on_gpu ]
refused gpt2-train "${options[@]}" --out on_gpu --precision bf16 --batch-size auto
[ ! -e on_gpu ]
refused gpt2-eval-loss --checkpoint run --text text.txt
refused gpt2-sample --checkpoint run --prompt the
refused gpt2-eval-hellaswag --checkpoint run --data questions.jsonl
