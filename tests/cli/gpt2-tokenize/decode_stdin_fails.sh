# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A standard input that cannot be read is no stream that was cut: 74, not 65.
echo 'word word' >text.txt
gpt2-tokenize train --vocab-size 258 --out vocab text.txt
code=0
gpt2-tokenize decode --vocab vocab <. >stdout 2>stderr || code=$?
[ $code = 74 ]
[ "$(<stderr)" = 'gpt2-tokenize: standard input: read: Is a directory' ]
[ ! -s stdout ]
