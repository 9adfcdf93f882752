# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# 65 for a stream of another vocabulary, a cut one, and what is none.
refused() {  # refused PATTERN < STREAM
  local code=0
  gpt2-tokenize decode --vocab vocab 2>words >text || code=$?
  [ $code = 65 ]
  [ "$(wc -l <words)" = 1 ]
  grep -q "$1" words
}
echo 'ab ab cd' >a.txt
gpt2-tokenize train --vocab-size 258 --out vocab a.txt
gpt2-tokenize train --vocab-size 257 --out other a.txt
gpt2-tokenize --vocab other a.txt >stream
refused 'made with another vocabulary' <stream
gpt2-tokenize --vocab vocab a.txt >stream
bytes=$(wc -c <stream)
for length in 0 10 64 70 $((bytes - 1)); do
  head -c "$length" stream | refused 'standard input'
done
refused 'standard input' <a.txt
