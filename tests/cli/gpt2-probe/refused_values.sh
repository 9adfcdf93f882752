# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
. "$CASE_DIR/../refusal.bash"
probe() { refusal 64 gpt2-probe --out-dir d "$@"; }
probe --tokens-per-shard -5
probe --tokens-per-shard 18446744073709551616
probe --tokens-per-shard 99999999999G
probe --tokens-per-shard 1000000000000000000000000000000000000000000
probe --tokens-per-shard 1.5
probe --tokens-per-shard 1.0001K
probe --tokens-per-shard 5k
probe --tokens-per-shard ''
probe --tokens-per-shard K
probe --tokens-per-shard 1e6
probe --tokens-per-shard 0x10
probe --tokens-per-shard '1 '
probe --tokens-per-shard .
probe --offset -9223372036854775809
probe --small 4Gi
probe --layers 2147483648
probe --layers --2
probe --learning-rate nan
probe --learning-rate inf
probe --learning-rate 1e99
probe --learning-rate 1e-3x
probe --epsilon ''
probe --kind oval
probe --json=maybe
probe --layers $'\e[31m\x7f\n\xc2\x9b31m\xc3\xa9'
probe --text $'caf\xe9' --print-config
probe --tokens-per-shard
# A value out of a file can be long; what is told of it is not.
{ gpt2-probe --out-dir d --layers "$(printf '%09000d' 0)x" 2>&1 || true; } | wc -c
