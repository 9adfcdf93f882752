# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Silent, but for -v and --json: documents, tokens, bytes, speed.
printf 'ab' >a.txt
printf '{"text": "abc"}\n{"text": null}\n' >b.jsonl
gpt2-tokenize train --vocab-size 257 --out vocab a.txt
gpt2-tokenize -v --vocab vocab a.txt b.jsonl 2>words >stream
grep -q '^gpt2-tokenize: 2 documents, 7 tokens, 5 bytes of text, [0-9.]* MB/s$' words
grep -q '^gpt2-tokenize: passed over 1 document whose text is null$' words
gpt2-tokenize -q --vocab vocab b.jsonl >stream
gpt2-tokenize -q --json --vocab vocab a.txt b.jsonl 2>words >stream
grep -qE '^\{"document_count": 2, "null_text_count": 1, "token_count": 7, "byte_count": 5, "seconds": [0-9.e-]+\}$' words
[ "$(wc -l <words)" = 1 ]
gpt2-tokenize train --json --vocab-size 258 --min-frequency 1 --force --out vocab a.txt b.jsonl 2>words >json
grep -qE '^\{"document_count": 2, "null_text_count": 1, "distinct_word_count": 2, "vocab_size": 258, "tokenizer": "[0-9a-f]{32}"\}$' json
gpt2-tokenize --vocab vocab a.txt | gpt2-shard --out-dir . --prefix p
gpt2-shard info --json p_train_000000.bin | grep -qF "$(grep -o '"tokenizer": .*' json)"
