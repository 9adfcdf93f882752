#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# lost_gpu.sh: a rank with a GPU that is killed, is stopped, or loses the others' GPUs (its exchange does not end, and NCCL
# tells it) ends the job within the deadline, with words that say so; nobody is left behind.
source "$(dirname "$0")/ranks.bash"

slack=5  # of a machine that runs other tests too
job=(gpt2-train -q "${shape[@]}" --layers 1 --channels 16 --context 16 --batch-size 1 --total-batch-tokens 64 --max-steps 1000000
  --val-every 0 --save-every-steps 0 --save-every-epochs 0 --rank-timeout 2 --device cuda --out)

# lost RUN CODE WORDS SIGNAL COMMAND...: after three steps one of the ranks gets the signal, if any.
lost() {
  local code=0 run="$work/$1" pids
  "${@:5}" 2>"$run.words" &
  local launcher=$!
  until grep -qs '"step": 3' "$run/metrics.jsonl"; do
    kill -0 "$launcher" 2>/dev/null || fail "$1: ended before: $(<"$run.words")"
    sleep 0.02
  done
  if [ -n "$4" ]; then
    pids=($(pgrep -f -- "^gpt2-train .*--out $run"))
    kill "-$4" "${pids[-1]}"
  fi
  SECONDS=0
  wait "$launcher" || code=$?
  [ "$code" -eq "$2" ] || fail "$1: exit code $code: $(<"$run.words")"
  ((SECONDS <= 5 + slack)) || fail "$1: took $SECONDS s"
  grep -q "$3" "$run.words" || fail "$1: other words: $(<"$run.words")"
  ! pgrep -f -- "--out $run" >/dev/null || fail "$1: ranks are left behind"
}

jobs=()
lost killed 137 'exited on signal 9' KILL mpirun -np 4 "${job[@]}" "$work/killed" &
jobs+=($!)
lost stopped 69 '^gpt2-train: rank [01] on .* has not been heard of for 2 s' STOP mpirun -np 2 "${job[@]}" "$work/stopped" &
jobs+=($!)
lost cut 69 '^gpt2-train: NCCL: the GPUs lost each other: .*; the run ends, and --resume latest goes on' '' \
  mpirun -np 1 "${job[@]}" "$work/cut" : -np 1 -x GPT2_EMULATOR_NCCL_FAILS=13 "${job[@]}" "$work/cut" &
jobs+=($!)
for job in "${jobs[@]}"; do wait "$job" || exit 1; done
