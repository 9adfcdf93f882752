# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A model whose table is padded, as nanoGPT's are, is trained on with its tokenizer; its samples hold no padding.
ROWS=320 "$CASE_DIR"/../gpt2-sample/make_uniform_model padded
for ((i = 0; i < 300; ++i)); do printf 'line %d of a text\n' "$i"; done >text.txt
gpt2-tokenize --vocab padded text.txt | gpt2-shard -q --out-dir shards --prefix text
train() { gpt2-train -q --train 'shards/*' --context 8 --batch-size 4 --total-batch-tokens 64 --sample-every 2 "$@"; }
train --init-from padded --out run --max-steps 4 --learning-rate 0
[ "$(grep -c '"kind": "sample"' run/metrics.jsonl)" = 2 ]
grep -q '"vocab_size": 320' run/checkpoints/final/config.json
gpt2-eval-loss --checkpoint run --shards 'shards/*' | grep -q '^perplexity *320\.'  # padding counts in the softmax
ROWS=328 "$CASE_DIR"/../gpt2-sample/make_uniform_model other
code=0
train --init-from other --out none --max-steps 4 2>stderr || code=$?
[ $code = 78 ] && grep -q 'the tokenizer has 257 tokens, the model 328' stderr
