# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A token stream is never written to a terminal.
source "$CASE_DIR/../terminal.bash"
echo text >a.txt
gpt2-tokenize train --vocab-size 257 --out vocab a.txt
code=0
script -qec 'gpt2-tokenize --vocab vocab a.txt' /dev/null >screen || code=$?
[ $code = 64 ]
grep -q 'terminal' screen
