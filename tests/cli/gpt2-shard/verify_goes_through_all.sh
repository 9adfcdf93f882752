# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Damage in one file does not hide the others; foreign shards are said to be unverified; -v names the good ones, --json all.
source "$CASE_DIR/stream.bash"
make_stream 60 | gpt2-shard --out-dir . --prefix p --tokens-per-shard 50
for shard in p_train_000001.bin p_train_000003.bin; do printf X | dd of=$shard bs=1 seek=1040 conv=notrunc status=none; done
{ printf '\x88\xd8\x34\x01\x01\0\0\0\x03\0\0\0'; head -c 1012 /dev/zero; printf '\x01\0\x02\0\x03\0'; } >foreign.bin
code=0
gpt2-shard verify -v 'p_*.bin' foreign.bin >stdout 2>words || code=$?
[ $code = 65 ]
[ ! -s stdout ]
[ "$(grep -c '^gpt2-shard: p_train_00000[13].bin: ' words)" = 2 ]
grep -q '^gpt2-shard: p_train_000000.bin: good, 50 tokens$' words
grep -q '^gpt2-shard: foreign.bin: foreign, unverified' words
grep -qE "^gpt2-shard: 2 of $(($(ls p_*.bin | wc -l) + 1)) files refused\$" words
code=0
gpt2-shard verify -q --json p_train_000000.bin p_train_000001.bin foreign.bin >lines 2>words || code=$?
[ $code = 65 ]
[ "$(sed -n 1p lines)" = '{"file": "p_train_000000.bin", "good": true, "token_count": 50, "foreign": false, "problem": null}' ]
sed -n 2p lines | grep -qE '^\{"file": "p_train_000001.bin", "good": false, "token_count": null, "foreign": null, "problem": "p_train_000001.bin: .*"\}$'
[ "$(sed -n 3p lines)" = '{"file": "foreign.bin", "good": true, "token_count": 3, "foreign": true, "problem": null}' ]
[ "$(wc -l <lines)" = 3 ]
code=0
gpt2-shard verify --json p_train_000001.bin >alone 2>words || code=$?
[ $code = 65 ]
cmp alone <(sed -n 2p lines)
[ "$(wc -l <words)" = 1 ]

gpt2-shard verify -q foreign.bin
gpt2-shard verify -q --vocab-size 4 foreign.bin
code=0
gpt2-shard verify -q --vocab-size 3 foreign.bin 2>words || code=$?
[ $code = 65 ]
grep -q 'foreign.bin: .*1028.*3' words
