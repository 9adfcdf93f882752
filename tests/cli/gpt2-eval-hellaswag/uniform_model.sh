# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# All 257 tokens equally likely, every byte a token: -ln 257 for each, so that the shortest ending is chosen by its sum,
# and of all endings, which are equal by their means, the first.
"$CASE_DIR"/../gpt2-sample/make_uniform_model model
item() {  # LABEL ENDING...
  printf '{"activity_label": "A", "ctx_a": "B c.", "ctx_b": "d", "ctx": "B c. d", "label": %s, "endings": ["%s", "%s", "%s", "%s"]}\n' "$@"
}
{
  item 2 bbb cc d ee
  item 0 b cc dd ee
  item 0 bbb cc dd e
} >data.jsonl
gpt2-eval-hellaswag --checkpoint model --data data.jsonl --items items.jsonl --json >json
cat json
# Four sums and four lengths of each item by llm.c's convention.
sed -n 's/.*"llmc": {"sums": \[\([^]]*\)\], "tokens": \[\([^]]*\)\], \("acc": ., "acc_norm": .\)}.*/\1, \2, \3/p' items.jsonl |
  awk -F ', ' '{ for (i = 1; i <= 4; ++i) { off = $i / (-log(257) * $(i + 4)) - 1; if (off < -1e-6 || off > 1e-6) print "sum " $i } print $5, $6, $7, $8, $9, $10 }'
gpt2-eval-hellaswag --checkpoint model --data - <data.jsonl --limit 2
