# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A text too short for the size gives the smaller vocabulary and says so.
echo 'ab ab' >a.txt
gpt2-tokenize train --vocab-size 5000 --out vocab a.txt 2>words
grep -q '^gpt2-tokenize: no pair of tokens occurs 2 times any more: the vocabulary has 258 entries, not 5000$' words
[ "$(tail -n 1 vocab/merges.txt)" = 'a b' ]
