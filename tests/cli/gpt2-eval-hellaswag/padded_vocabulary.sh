# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Rows that pad the vocabulary count in the softmax, as they did in training: ln 264 a token, not ln 257.
ROWS=264 "$CASE_DIR"/../gpt2-sample/make_uniform_model padded
echo '{"text": "ab c"}' >data.jsonl
gpt2-eval-hellaswag --checkpoint padded --data data.jsonl --task lambada --json >json
sed -n 's/^ *"perplexity": \(.*\),$/\1/p' json | awk '{ off = $1 / 264 ^ 2 - 1; if (off < -1e-5 || off > 1e-5) print }'
grep -q '"item_count": 1,' json
