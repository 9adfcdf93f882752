# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Several documents: separated text, JSONL, several files; decode writes the separator between them.
echo 'aa bb aa bb' >text.txt
gpt2-tokenize train --vocab-size 258 --out vocab text.txt
printf 'one==two==' >a.txt
printf '{"text": "three"}\n{"text": ""}\n' >b.jsonl
gpt2-tokenize --vocab vocab --separator == a.txt b.jsonl >stream
[ "$(gpt2-tokenize decode --vocab vocab <stream)" = 'one<|endoftext|>two<|endoftext|><|endoftext|>three<|endoftext|>' ]
[ "$(gpt2-tokenize decode --vocab vocab --separator / <stream)" = 'one/two//three/' ]
gpt2-tokenize --vocab vocab --format jsonl --text-field body <<<'{"body": "x", "text": 1}' |
  gpt2-tokenize decode --vocab vocab | cmp - <(printf x)
