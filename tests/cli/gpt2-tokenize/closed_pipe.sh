# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A reader that has enough ends the tool without a word.
head -c 3000000 /dev/urandom >noise
gpt2-tokenize train --vocab-size 257 --out vocab noise
{ gpt2-tokenize --vocab vocab noise 2>words || echo $? >code; } | head -c 100 >start
[ "$(cat code)" = 141 ]
[ ! -s words ]
