# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Packed files and Parquet give what the plain files give, by name, from a pipe and from a redirected file.
export GPT2_VOCAB=vocab
samples=$CASE_DIR/../../../formats/samples/accepted
decoded() { gpt2-tokenize decode --separator '|'; }
printf '{"text": "one"}\n{"text": null}\n{"text": "two"}\n' >a.jsonl
printf 'three' >b.txt
gpt2-tokenize train --vocab-size 257 --out vocab b.txt
gzip -c a.jsonl >a.jsonl.gz
gzip -c b.txt >b.txt.gz
gpt2-tokenize -q a.jsonl b.txt >expected
gpt2-tokenize -q a.jsonl.gz b.txt.gz | cmp - expected
cat a.jsonl.gz a.jsonl.gz | gpt2-tokenize -q --format jsonl | decoded | cmp - <(printf 'one|two|one|two')
gpt2-tokenize -q b.txt - <b.txt.gz | decoded | cmp - <(printf 'three|three')
if command -v zstd >/dev/null; then
  zstd -q a.jsonl b.txt
  gpt2-tokenize -q a.jsonl.zst b.txt.zst | cmp - expected
fi

rows='one|two|one|twofold|'
parquet=$samples/zstd_delta_nulls_version_2.parquet
gpt2-tokenize "$parquet" 2>words | decoded | cmp - <(printf %s "$rows")
grep -q '^gpt2-tokenize: passed over 2 documents whose text is null$' words
gpt2-tokenize -q --format parquet <"$parquet" | decoded | cmp - <(printf %s "$rows")
TMPDIR=. gpt2-tokenize -q --format parquet - < <(cat "$parquet") | decoded | cmp - <(printf %s "$rows")
gpt2-tokenize -q "$samples/two_texts.parquet" b.txt "$parquet" | decoded | cmp - <(printf 'one|two!|three|%s' "$rows")
gpt2-tokenize train --vocab-size 257 --out from_parquet "$parquet" 2>words
[ "$(ls)" = "$(printf '%s\n' a.jsonl a.jsonl.gz $(ls a.jsonl.zst b.txt b.txt.gz b.txt.zst 2>/dev/null) expected from_parquet vocab words)" ]
