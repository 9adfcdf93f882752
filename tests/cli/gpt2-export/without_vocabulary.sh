# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A model without its vocabulary is exported without one, which is said; --vocab brings it.
"$CASE_DIR"/../gpt2-sample/make_uniform_model model
mkdir vocab
mv model/vocab.json model/merges.txt vocab
rm -f model/tokenizer*.json
gpt2-export --checkpoint model --out out 2>words
grep -q 'has no vocabulary.*--vocab DIR' words
[ ! -e out/vocab.json ]
gpt2-export --checkpoint model --out out --vocab vocab
cmp vocab/vocab.json out/vocab.json
