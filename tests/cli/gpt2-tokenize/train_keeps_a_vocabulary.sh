# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A vocabulary is replaced only with --force.
echo 'ab ab' >a.txt
echo 'cd cd' >b.txt
gpt2-tokenize train --vocab-size 258 --out vocab a.txt
code=0
gpt2-tokenize train --vocab-size 258 --out vocab b.txt 2>words || code=$?
[ $code = 73 ]
grep -q '^gpt2-tokenize: vocab: holds a vocabulary already' words
[ "$(tail -n 1 vocab/merges.txt)" = 'a b' ]
gpt2-tokenize train --vocab-size 258 --out vocab --force b.txt
[ "$(tail -n 1 vocab/merges.txt)" = 'c d' ]
# What stands in the way is found before the text is read.
echo file >file
code=0
gpt2-tokenize train --vocab-size 300 --out file a.txt 2>words || code=$?
[ $code = 73 ]
[ "$(cat words)" = 'gpt2-tokenize: file: exists and is not a folder' ]
