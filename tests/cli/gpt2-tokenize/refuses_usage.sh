# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# 64 for a command line that cannot be meant.
refused() {
  local code=0
  gpt2-tokenize "$@" 2>words >stdout || code=$?
  [ $code = 64 ]
  [ "$(wc -l <words)" = 1 ]
  [ ! -s stdout ]
}
echo text >a.txt
refused a.txt
refused --vocab x --format csv a.txt
refused --vocab x --threads -1 a.txt
refused train a.txt
refused train --vocab-size 256 --out vocab a.txt
grep -q 'at least 257' words
refused train --vocab-size 65537 --out vocab a.txt
[ ! -e vocab ]
