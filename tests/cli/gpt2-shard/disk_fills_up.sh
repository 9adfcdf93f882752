# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# On a disk that is full before the last shard no shard gets its name, and nothing else stays.
unshare -rm mount -t tmpfs none /mnt 2>/dev/null || { echo 'no file system can be mounted here' >&2; exit 77; }
head -c 3000000 /dev/zero | tr '\0' a >text.txt
gpt2-tokenize train --vocab-size 257 --out vocab text.txt 2>/dev/null
gpt2-tokenize --vocab vocab text.txt >stream
mkdir disk
unshare -rm bash -euo pipefail <<'END'
mount -t tmpfs -o size=4m tmpfs disk
code=0
gpt2-shard --out-dir disk/shards --prefix p --tokens-per-shard 500K <stream 2>words || code=$?
[ $code = 74 ]
grep -q '^gpt2-shard: disk/shards/.*: No space left on device$' words
[ -z "$(ls -A disk)" ]
END
