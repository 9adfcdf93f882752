# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Every type, units, = and blank, _ for -, the last one wins, lists grow, -- ends options.
probe() { gpt2-probe --out-dir d "$@" | grep -E '\(given\)|FILE' | grep -v '^out-dir'; }
probe --tokens-per-shard 1.5M --offset -3 --small=4294967295 --layers -2147483648
probe --tokens_per-shard=18446744073709551615 --offset -9223372036854775808
probe --tokens-per-shard 2Gi --offset +7K --small 64Ki --layers 1Mi
probe --tokens-per-shard 000000000000000000000000000000001.50000000000000000000K
probe --learning_rate 1e-3 --epsilon=-.5
probe --text= --json --kind round
probe --text --json
probe --text '[a, b]' --json=false
probe --text x=y --text 'last one'
probe --text -- --json
probe --train a 'b c' --json --train='[d]' -- file --not-an-option -
probe -qv one - two
