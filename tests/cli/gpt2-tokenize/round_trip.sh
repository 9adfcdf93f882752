# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Any bytes come back, through files, standard input and any number of threads.
printf 'the cat sat on the mat, the cat sat\n%.0s' {1..200} >text.txt
gpt2-tokenize train --vocab-size 265 --out vocab text.txt
head -c 300000 /dev/urandom >noise
for file in text.txt noise /dev/null; do
  gpt2-tokenize --vocab vocab --threads 1 - <"$file" >one
  gpt2-tokenize encode --vocab vocab --threads 3 <"$file" >three
  cmp one three
  gpt2-tokenize decode --vocab vocab <one | cmp - "$file"
done
