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
refused_at_once() {  # the same, before anything is read or written
  refused "$@"
  [ ! -s stream ]
}
echo text >a.txt
gpt2-tokenize train --vocab-size 257 --out vocab a.txt
printf '{"text": "x"}\n{"txt": "x"}\n' >field.jsonl
printf '{"text": "x"}\n\n{"text": "x"\n' >broken.jsonl
printf '{"text": "\xff"}\n' >bytes.jsonl
gzip -c a.txt | head -c 20 >cut.txt.gz
cp a.txt plain.gz
cp a.txt a.parquet
mkdir folder
refused_at_once 'missing.txt: No such file or directory' a.txt missing.txt
refused 'field.jsonl:2: has no field "text"' field.jsonl
refused 'broken.jsonl:3: is not valid JSON' broken.jsonl
refused 'bytes.jsonl:1: is not valid JSON' bytes.jsonl
refused 'standard input:1: is not valid JSON' --format jsonl - <a.txt
refused 'cut.txt.gz: byte 20, gzip member: the file ends before it does' cut.txt.gz
refused 'plain.gz: byte 0, packing: is not gzip, which the name promises' plain.gz
refused 'a.parquet: byte 0, size: is 5 bytes, a Parquet file has at least 12' a.parquet
refused 'standard input: byte 0, magic: is not PAR1' --format parquet - < <(cat broken.jsonl)
refused_at_once 'folder: is a directory' a.txt folder
refused_at_once 'a file name is empty' ''
refused 'no-vocabulary' --vocab no-vocabulary a.txt
refused 'there is no text to train on' train --out nothing /dev/null
[ ! -e nothing ]
