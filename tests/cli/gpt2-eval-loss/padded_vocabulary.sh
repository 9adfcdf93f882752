# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Rows that pad the vocabulary count in the softmax, as they did in training: ln 264 nats, not ln 257.
ROWS=264 "$CASE_DIR"/../gpt2-sample/make_uniform_model padded
printf 'hello, wide world\n' >text
gpt2-tokenize --vocab padded text | gpt2-shard --out-dir shards --prefix p
for source in '--text text' '--shards shards/p_train_000000.bin'; do
  gpt2-eval-loss --checkpoint padded $source --json >json
  sed -n 's/^  "loss": \(.*\),$/\1/p' json | awk '{ off = $1 / log(264) - 1; if (off < -1e-6 || off > 1e-6) print "loss " $1 }'
  grep -q '"byte_count": 18$' json
done
