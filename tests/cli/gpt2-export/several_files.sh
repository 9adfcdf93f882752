# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# --max-shard-size shares the weights out to files with an index, which is read again; another size is another export.
"$CASE_DIR"/../gpt2-sample/make_uniform_model model ab
gpt2-export --checkpoint model --out one
gpt2-export --checkpoint model --out several --max-shard-size 1Ki
ls several | grep -q '^model-00002-of-00002.safetensors$'
[ ! -e several/model.safetensors ]
gpt2-export --checkpoint several --out again
cmp one/model.safetensors again/model.safetensors
gpt2-export --checkpoint model --out several --max-shard-size 1Ki 2>words
grep -q 'nothing new' words
gpt2-export --checkpoint model --out several
cmp one/model.safetensors several/model.safetensors
[ ! -e several/model.safetensors.index.json ]
