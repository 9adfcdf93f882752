# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A standard input that cannot be read is no stream that was cut: 74, not 65.
code=0
gpt2-shard --out-dir shards --prefix p <. 2>stderr || code=$?
[ $code = 74 ]
[ "$(<stderr)" = 'gpt2-shard: standard input: read: Is a directory' ]
[ ! -e shards ]
