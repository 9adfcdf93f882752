# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A stream is not read from a keyboard and not written to a screen.
source "$CASE_DIR/../terminal.bash"
source "$CASE_DIR/stream.bash"
make_stream 5 >stream
gpt2-shard --out-dir d --prefix p <stream
script -qec 'gpt2-shard --out-dir e --prefix p' /dev/null </dev/null >words && exit 1
grep -q 'standard input is a terminal' words
[ ! -e e ]
script -qec 'gpt2-shard cat d/p_train_000000.bin' /dev/null </dev/null >words && exit 1
grep -q 'terminal' words
