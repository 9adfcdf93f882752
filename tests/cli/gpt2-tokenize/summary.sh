# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Silent, but for -v: documents, tokens, bytes, speed.
printf 'ab' >a.txt
printf '{"text": "abc"}\n{"text": null}\n' >b.jsonl
gpt2-tokenize train --vocab-size 257 --out vocab a.txt
gpt2-tokenize -v --vocab vocab a.txt b.jsonl 2>words >stream
grep -q '^gpt2-tokenize: 2 documents, 7 tokens, 5 bytes of text, [0-9.]* MB/s$' words
grep -q '^gpt2-tokenize: passed over 1 line whose text is null$' words
gpt2-tokenize -q --vocab vocab b.jsonl >stream
