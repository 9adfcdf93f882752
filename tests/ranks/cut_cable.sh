#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# cut_cable.sh [full]: two hosts, made of network namespaces, lose each other by a link that goes down: the ranks of both are
# gone within 3 s after --rank-timeout, and say whom they lost. full: also by packets that get lost on one way, and the times
# are shown. Skipped (77) without the right to make hosts.
source "$(dirname "$0")/ranks.bash"

make_two_hosts
timeout=2 slack=5  # of a machine that runs other tests too
# of_this_folder NAME: processes of that name that run in it.
of_this_folder() {
  local pid
  for pid in $(pgrep -x "$1"); do
    [ "$(readlink "/proc/$pid/cwd")" != "$work" ] || echo "$pid"
  done
}

# Open MPI's own processes wait for each other for as long as TCP tries again.
end_open_mpi() { kill -KILL $(of_this_folder mpirun) $(of_this_folder orted) 2>/dev/null || true; }
trap 'end_open_mpi; remove_two_hosts' EXIT

cut_cable_by() {  # RUN COMMAND...
  on_two_hosts 2 gpt2-train -q "${shape[@]}" --max-steps 1000000 --threads 1 --rank-timeout "$timeout" --out "$1" 2>words &
  local launcher=$! cut milliseconds
  until grep -qs '"step": 3' "$1/metrics.jsonl"; do
    kill -0 "$launcher" 2>/dev/null || fail "$1: ended before: $(<words)"
    sleep 0.05
  done
  [ "$(of_this_folder gpt2-train | wc -l)" -eq 4 ] || fail "$1: other than 4 ranks"
  cut=$(date +%s%N)
  "${@:2}"
  while
    milliseconds=$((($(date +%s%N) - cut) / 1000000))
    [ -n "$(of_this_folder gpt2-train)" ]
  do
    ((milliseconds <= (timeout + 3 + slack) * 1000)) || fail "$1: ranks are left after $milliseconds ms: $(<words)"
    sleep 0.05
  done
  grep -q "^gpt2-train: rank [0-9] on $right has not been heard of for $timeout s" words || fail "$1: other words: $(<words)"
  echo "$1: gone after $milliseconds ms" >>times
  end_open_mpi
  wait "$launcher" 2>/dev/null || true
}
cut_cable_by link_down ip -n "$left" link set "v$left" down
[ "${1:-}" = full ] || exit 0
ip -n "$left" link set "v$left" up
cut_cable_by lost_packets ip -n "$right" neighbour replace "$address.1" lladdr 02:00:00:00:00:01 dev "v$right" nud permanent
cat times
