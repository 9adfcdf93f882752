# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A text has the loss of the shards made of it, whatever their size, the batch and the threads.
"$CASE_DIR"/../gpt2-sample/make_uniform_model model
seq 300 | sed 's/$/ bottles###/' | tr -d '\n' >text
gpt2-tokenize --vocab model --separator '###' text | gpt2-shard --out-dir shards --prefix p --tokens-per-shard 1000
[ "$(ls shards | wc -l)" -gt 2 ]
evaluate() { gpt2-eval-loss --checkpoint model --json "$@"; }
evaluate --text text --separator '###' >wanted
grep -q "\"byte_count\": $(sed 's/###//g' text | tr -d '\n' | wc -c)" wanted
evaluate --text - --separator '###' <text | cmp - wanted
evaluate --shards 'shards/p_*.bin' | cmp - wanted
evaluate --shards shards/p_*.bin --batch-size 3 --threads 2 | cmp - wanted
