# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# make_stream DOCUMENTS: a vocabulary in ./vocab and, on stdout, a token stream of that many documents "word N".
make_stream() {
  [ -d vocab ] || { echo 'word word word 1 2 3' >text.txt; gpt2-tokenize train --vocab-size 260 --out vocab text.txt; }
  for ((i = 0; i < $1; ++i)); do printf '{"text": "word %d"}\n' "$i"; done >docs.jsonl
  gpt2-tokenize --vocab vocab docs.jsonl
}
