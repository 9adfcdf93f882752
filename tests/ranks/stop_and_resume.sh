#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# stop_and_resume.sh [STOPS]: signals at random moments to mpirun (SIGUSR1) and gpt2-mpirun (SIGTERM, SIGINT) leave a
# checkpoint and 75; the run goes on with another number of ranks and ends as one that was left alone.
source "$(dirname "$0")/ranks.bash"
stops_wanted=${1:-3}
RANDOM=1

tool=$(command -v gpt2-mpirun)
"$tool" --help | grep -q '^Example: gpt2-mpirun -np 4 ' || fail 'no help'
code=0
PATH=${tool%/*} /bin/bash "$tool" -np 1 true 2>words || code=$?
[ "$code" -eq 69 ] && grep -q 'no mpirun here; install' words || fail "without mpirun: exit code $code: $(<words)"

job=(gpt2-train -q "${shape[@]}" --max-steps $((stops_wanted * 40)) --val-every 20 --val-tokens 1Ki --save-every-steps 0
  --save-every-seconds 0.3 --threads 1 --resume auto --out)
"${job[@]}" whole

# all_catch N: N ranks of this folder catch SIGUSR1, as they do from their first moments.
all_catch() {
  local count=0 pid caught
  for pid in $(pgrep -x gpt2-train); do
    [ "$(readlink "/proc/$pid/cwd")" = "$work" ] || continue
    caught=$(sed -n 's/^SigCgt:[^0-9a-f]*//p' "/proc/$pid/status" 2>/dev/null) || continue
    ((0x${caught:-0} >> 9 & 1)) && ((++count))
  done
  ((count == $1))
}

worlds=(1 2 4) signals=(USR1 TERM INT)
for ((stops = 0; stops < stops_wanted; ++stops)); do
  world=${worlds[stops % 3]} signal=${signals[(stops + stops / 3) % 3]}
  mpirun=gpt2-mpirun
  [ "$signal" != USR1 ] || mpirun=mpirun
  # An interactive shell's child minds SIGINT; a background one's ignores it.
  env --default-signal=INT "$mpirun" -np "$world" "${job[@]}" run 2>words &
  launcher=$!
  until all_catch "$world" || ! kill -0 "$launcher" 2>/dev/null; do sleep 0.01; done
  sleep "0.$((RANDOM % 6))"
  kill "-$signal" "$launcher"
  code=0
  wait "$launcher" || code=$?
  [ "$code" -ne 0 ] || break
  [ "$code" -eq 75 ] || fail "SIG$signal, $world ranks: exit code $code: $(<words)"
  grep -q '^gpt2-train: stopped by ' words || fail "SIG$signal, $world ranks: $(<words)"
done
"${job[@]}" run
cmp <(metrics whole) <(metrics run) || fail 'other metrics after the stops'
cmp whole/checkpoints/final/model.safetensors run/checkpoints/final/model.safetensors || fail 'other weights after the stops'
[ -z "${1:-}" ] || echo "$stops stops"
