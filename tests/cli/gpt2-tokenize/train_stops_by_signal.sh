# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A signal leaves no half of a vocabulary, and an older vocabulary as it was.
source "$CASE_DIR/../interruption.bash"
echo 'ab ab' >a.txt
for signal in INT TERM; do interrupt $signal gpt2-tokenize train --vocab-size 258 --out vocab a.txt; done
gpt2-tokenize train --vocab-size 258 --out vocab a.txt
echo 'cd cd' >b.txt
interrupt INT gpt2-tokenize train --vocab-size 258 --out vocab --force b.txt
