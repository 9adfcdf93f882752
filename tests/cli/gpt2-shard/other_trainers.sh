# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# nanoGPT's bare tokens come in and go out unchanged; build-nanogpt's arrays are read as they are.
source "$CASE_DIR/stream.bash"
make_stream 100 >stream
gpt2-shard --out-dir a --prefix docs --val-tokens 150 <stream
own=(--vocab-size 260 --end-of-text 259)

gpt2-shard cat --to-bare 'a/docs_val_*' >val.bin
gpt2-shard cat --to-bare 'a/docs_train_*' >train.bin
[ "$(stat -c %s val.bin)" = 300 ]
gpt2-shard cat --from-bare --to-bare "${own[@]}" val.bin train.bin >whole.bin
cat val.bin train.bin | cmp - whole.bin
gpt2-shard cat --from-bare "${own[@]}" val.bin train.bin | gpt2-shard --out-dir b --prefix docs --val-tokens 150
for shard in a/*; do
  tail -c +1025 "$shard" | cmp - <(tail -c +1025 "b/${shard#a/}")
done
gpt2-shard cat --from-bare "${own[@]}" val.bin train.bin | gpt2-tokenize -q decode --vocab vocab --separator $'\n' >decoded
for ((i = 0; i < 100; ++i)); do echo "word $i"; done | head -c -1 | cmp - decoded

# numpy.save's header: 128 bytes.
dictionary="{'descr': '<u2', 'fortran_order': False, 'shape': ($(($(stat -c %s train.bin) / 2)),), }"
{ printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$dictionary"; cat train.bin; } >train_000001.npy
[ "$(gpt2-shard info --json train_000001.npy | grep -o '"token_count": [0-9]*')" = "\"token_count\": $(($(stat -c %s train.bin) / 2))" ]
gpt2-shard cat --to-bare "${own[@]}" train_000001.npy | cmp - train.bin
