#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# two_hosts.sh: two hosts, made of network namespaces, with two ranks on each give the same bits as one process. Skipped (77)
# without the right to make them.
source "$(dirname "$0")/ranks.bash"

make_two_hosts
job=(gpt2-train -q "${shape[@]}" --max-steps 12 --threads 1 --save-every-steps 0 --out)
"${job[@]}" one
on_two_hosts 2 timeout 20 "${job[@]}" two 2>words || fail "two hosts: exit code $?: $(<words)"
cmp <(metrics one) <(metrics two) || fail 'other metrics on two hosts'
cmp one/checkpoints/final/model.safetensors two/checkpoints/final/model.safetensors || fail 'other weights on two hosts'
