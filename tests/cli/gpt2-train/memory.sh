# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# What a run takes of memory is known before it begins: --dry-run prints it, a run that does not fit is refused with what
# would, and the first lines of one that does say it.
for number in {1..400}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text
options=(--train 'shards/*.bin' --vocab vocab --layers 4 --heads 2 --channels 32 --context 32 --total-batch-tokens 512
  --threads 1 --max-steps 2)
gpt2-train -q "${options[@]}" --out planned --dry-run >plan
[ ! -e planned ]
sed '/^device/d; /^free/d' plan | cmp - <(
  cat <<'END'
steps        2 of 512 tokens
step         4 slots x 1 micro-batches x 4 sequences x 32 tokens
parameters   251 KiB
gradients    752 KiB
optimizer    502 KiB
activations  1.2 MiB
workspace    257 KiB
snapshot     752 KiB
in all       3.6 MiB
END
)
code=0
gpt2-train -q "${options[@]}" --out refused --memory-limit 3300Ki 2>words || code=$?
[ $code = 69 ]
[ "$(wc -l <words)" = 1 ]
grep -q 'the run needs 3.6 MiB of memory (parameters 251 KiB, .*, snapshot 752 KiB), and 3.2 MiB is the --memory-limit; ' words
grep -q -- 'what fits: --recompute mlp (3.1 MiB) or --slots 1 --recompute none (3.1 MiB) or --batch-size 2 --recompute mlp (3.0 MiB)$' words
[ ! -e refused ]
gpt2-train "${options[@]}" --out run --memory-limit 3300Ki --batch-size auto --recompute block 2>words
grep -q 'of memory at the most (parameters 251 KiB, .*); 3.2 MiB free' words
grep -q '^batch-size: "8"$' run/config.yaml
