# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Without <|endoftext|> in the vocabulary documents are not separated, and the tool says so.
[ -n "${GPT2_TEST_DATA:-}" ] || { echo 'GPT2_TEST_DATA is not set' >&2; exit 77; }
mkdir vocab
cp "$GPT2_TEST_DATA/gpt2/vocab.bpe" vocab/vocab.bpe
sed 's/, "<|endoftext|>": 50256//' "$GPT2_TEST_DATA/gpt2/encoder.json" >vocab/encoder.json
printf 'one|two' >a.txt
gpt2-tokenize --vocab vocab --separator '|' a.txt 2>words >stream
grep -q '^gpt2-tokenize: the vocabulary has no <|endoftext|>, so documents are not separated$' words
[ "$(gpt2-tokenize decode --vocab vocab <stream)" = onetwo ]
