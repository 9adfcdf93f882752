#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# ranks_exchange.sh [RATE]: seconds a step of two ranks of one thread, on one host and, over a cable of RATE (default 1gbit),
# on two hosts made of network namespaces; exact, fast and bf16 sums. 27M parameters, few tokens: the exchange weighs much. The
# tools come from PATH.
rate=${1:-1gbit}
source "$(dirname "$0")/../ranks/ranks.bash"
make_two_hosts
for host in "$left" "$right"; do
  ip netns exec "$host" tc qdisc add dev "v$host" root tbf rate "$rate" burst 1mb latency 50ms
done

job=(gpt2-train -q --train 'shards/text_train_*.bin' --layers 8 --heads 8 --channels 512 --context 256 --batch-size 1
  --total-batch-tokens 2048 --threads 1 --max-steps 5 --save-every-steps 0 --save-every-epochs 0 --save-every-seconds 0)
seconds_a_step() { # RUN: the median of all but the first two
  sed -n 's/.*"kind": "train", "step": \([3-9]\),.*"tokens": \([0-9]*\), "tokens_per_second": \([0-9.]*\).*/\3/p' "$1/metrics.jsonl" |
    sort -g | awk '{ speed[NR] = $1 } END { printf "%.3f", 2048 / speed[int((NR + 1) / 2)] }'
}
runs=0
for options in '' '--reduction fast' '--wire bf16'; do
  run=$((++runs))
  ranks 2 "${job[@]}" $options --out "near$run" 2>words || fail "$(<words)"
  on_two_hosts 1 "${job[@]}" $options --out "far$run" 2>words || fail "$(<words)"
  printf '%-24s %s s on one host, %s s over %s\n' "${options:-exact}" "$(seconds_a_step "near$run")" "$(seconds_a_step "far$run")" "$rate"
done
