# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Bytes are not counted, and it is said; --vocab brings them.
"$CASE_DIR"/../gpt2-sample/make_uniform_model model
echo 'some text' >text
gpt2-tokenize --vocab model text | gpt2-shard --out-dir shards --prefix p
mkdir bare
cp model/config.json model/model.safetensors bare
gpt2-eval-loss --checkpoint bare --shards 'shards/*.bin' --json >json 2>stderr
grep -q '"bits_per_byte": null' json
grep -q '"byte_count": null' json
grep -q -- --vocab stderr
gpt2-eval-loss --checkpoint bare --vocab model --shards 'shards/*.bin' --json | grep -q '"byte_count": 10$'
