# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Sourced by the tests of several ranks: a folder of their own with tiny data in it, and how ranks are started. The tools
# come from PATH.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

export OMP_WAIT_POLICY=passive OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# More ranks than CPUs, beside other tests; no shared memory that a container may forbid.
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1 \
  OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_btl_base_warn_component_unused=0
# Open MPI leaves much of what it has to the end of the process; and failing_call comes before the sanitizer.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0:verify_asan_link_order=0

for number in {1..600}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 290 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text --val-tokens 2000
shape=(--train 'shards/text_train_*.bin' --val 'shards/text_val_*.bin' --vocab vocab --layers 2 --heads 2 --channels 48
  --context 32 --batch-size 2 --total-batch-tokens 1024 --dropout 0.1)

# ranks N COMMAND...: N = 0 is one process without a launcher.
ranks() {
  if [ "$1" -eq 0 ]; then "${@:2}"; else mpirun -np "$1" "${@:2}"; fi
}
metrics() {
  sed -e '/"kind": "checkpoint"/d' -e 's/"time": [^,]*, //' -e 's/, "tokens_per_second": [^,}]*//' "$1/metrics.jsonl"
}
fail() {
  echo "$*"
  exit 1
}

# make_two_hosts: network namespaces $left and $right with a cable between them and names of their own. Exits with 77 without
# the right to make them.
make_two_hosts() {
  left=left$$ right=right$$ address=10.77.0
  if ! ip netns add "$left" 2>/dev/null; then
    echo 'skipped: no right to make network namespaces, or no ip (Debian package iproute2)' >&2
    exit 77
  fi
  trap remove_two_hosts EXIT
  ip netns add "$right"
  ip link add "v$left" netns "$left" type veth peer name "v$right" netns "$right"
  ip -n "$left" address add "$address.1/24" dev "v$left"
  ip -n "$right" address add "$address.2/24" dev "v$right"
  local host
  for host in "$left" "$right"; do
    ip -n "$host" link set lo up
    ip -n "$host" link set "v$host" up
  done
  # What mpirun starts its daemon on the other host with, in the place of ssh: agent ADDRESS COMMAND...
  cat >agent <<END
#!/bin/bash
shift
exec ip netns exec $right unshare --uts sh -c "hostname $right && cd $work && \$*"
END
  chmod +x agent
}
remove_two_hosts() {
  ip netns delete "$left"
  ip netns delete "$right" 2>/dev/null
  rm -rf "$work"
}
# on_two_hosts N COMMAND...: N ranks on each.
on_two_hosts() {
  ip netns exec "$left" mpirun --host "$address.1:$1,$address.2:$1" --mca plm_rsh_agent "$work/agent" -x PATH -x LD_LIBRARY_PATH \
    --mca btl tcp,self --mca oob_tcp_if_include "$address.0/24" --mca btl_tcp_if_include "$address.0/24" "${@:2}"
}
