# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# 65 and one sentence that names the file, and the line where there is one.
export GPT2_VOCAB=vocab
refused() {  # refused PATTERN ARGUMENT...: encoding them ends with 65 and says PATTERN
  local pattern=$1 code=0
  shift
  gpt2-tokenize "$@" 2>words >stream || code=$?
  [ $code = 65 ]
  [ "$(wc -l <words)" = 1 ]
  grep -q "^gpt2-tokenize: $pattern" words
}
echo text >a.txt
gpt2-tokenize train --vocab-size 257 --out vocab a.txt
printf '{"text": "x"}\n{"txt": "x"}\n' >field.jsonl
printf '{"text": "x"}\n\n{"text": "x"\n' >broken.jsonl
printf '{"text": "\xff"}\n' >bytes.jsonl
gzip -c a.txt >a.txt.gz
mkdir folder
refused 'missing.txt: No such file or directory' a.txt missing.txt
refused 'field.jsonl:2: has no field "text"' field.jsonl
refused 'broken.jsonl:3: is not valid JSON' broken.jsonl
refused 'bytes.jsonl:1: is not valid JSON' bytes.jsonl
refused 'standard input:1: is not valid JSON' --format jsonl - <a.txt
refused 'a.txt.gz: compressed files are not read; pipe it in: gzip -dc a.txt.gz | ' a.txt.gz
refused 'a.parquet: Parquet is not read' a.parquet
refused 'folder: is a directory' folder
refused 'no-vocabulary' --vocab no-vocabulary a.txt
