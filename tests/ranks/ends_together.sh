#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# ends_together.sh [full]: a rank that is killed, leaves early or meets an error ends the job in 3 s; one that is stopped in
# 3 s after --rank-timeout, with words that name it. Nobody is left behind, and what all ranks meet is said once. full: each
# rank of four, in each phase, in each way. FAILING_CALL_LIBRARY is the library made from failing_call.cpp.
source "$(dirname "$0")/ranks.bash"

measure=${1:-}
slack=5  # of a machine that runs other tests too
[ "$measure" != full ] || slack=0

# fails CODE RANK CALL NUMBER ACTION: the job ends with this code in time after the rank's failure, leaving nobody behind.
fails() {
  local expected=$1 code=0 seconds=$((3 + slack)) timeout=60 took words here="$work/$2_$3_$5"
  shift
  [ "$4" != stop ] || seconds=$((5 + slack)) timeout=2
  mkdir "$here"
  FAILING_CALL="$*" timeout 30 mpirun -np 4 -x FAILING_CALL -x FAILED="$here/failed" -x LD_PRELOAD="$FAILING_CALL_LIBRARY" \
    gpt2-train -q "${shape[@]}" --max-steps 1000000 --threads 1 --save-every-seconds 0.2 --rank-timeout "$timeout" \
    --out "$here/run" 2>"$here/words" || code=$?
  took=$(date +%s%N)
  words=$(<"$here/words")
  [ -e "$here/failed" ] || fail "$*: ended before: $words"
  took=$((took - $(stat -c %.9Y "$here/failed" | tr -d .)))
  [ "$code" -eq "$expected" ] || fail "$*: exit code $code, expected $expected: $words"
  ((took <= seconds * 1000000000)) || fail "$*: took $took ns"
  ! pgrep -f -- "--out $here/run" >/dev/null || fail "$*: ranks are left behind"
  [ "$measure" != full ] || echo "$*: gone after $((took / 1000000)) ms"
  case $2,$4 in
    MPI_Init_thread,stop | MPI_Comm_rank,stop) words_wanted='the ranks did not find each other within 2 s' ;;
    *,stop) words_wanted="rank $1 on .* has not been heard of for 2 s (last in: .*)" ;;
    *,error) words_wanted='.*\(fsync\|MPI_Isend\|matrix\)' ;;
    *) return 0 ;;
  esac
  grep -q "^gpt2-train: $words_wanted" <<<"$words" || fail "$*: other words: $words"
}

if [ "$measure" = full ]; then
  for rank in 0 1 2 3; do
    for call in 'MPI_Init_thread 1' 'MPI_Comm_rank 1' "dnnl_sgemm $((RANDOM % 2000 + 500))" \
      "MPI_Isend $((RANDOM % 50 + 10))" "fsync $((RANDOM % 2 + 1))"; do
      fails 137 $rank $call kill
      fails 69 $rank $call stop
      case $call in
        MPI_*_*) ;;
        fsync*) fails 74 $rank $call error ;;
        *) fails 69 $rank $call error ;;
      esac
      [[ $call = MPI_Init_thread* ]] || fails 1 $rank $call exit
    done
  done
else
  side_by_side() {  # they wait most of the time
    local case job jobs=()
    for case in "$@"; do
      (fails $case) &
      jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job" || exit 1; done
  }
  side_by_side '69 0 MPI_Init_thread 1 stop' '137 1 dnnl_sgemm 777 kill' '69 2 MPI_Isend 33 error'
  side_by_side '69 3 MPI_Isend 33 stop' '1 2 dnnl_sgemm 777 exit' '74 3 fsync 1 error'
fi

code=0
ranks 4 gpt2-train -q "${shape[@]}" --total-batch-tokens 500 --max-steps 1 --out refused 2>words || code=$?
[ "$code" -eq 64 ] || fail "a step that does not divide: exit code $code"
[ "$(grep -c '^gpt2-train: ' words)" -eq 1 ] || fail "said by each rank: $(<words)"
[ ! -e refused ] || fail 'a refused start left its folder'

code=0
ranks 3 gpt2-train -q "${shape[@]}" --max-steps 1 --out refused 2>words || code=$?
[ "$code" -eq 64 ] || fail "3 ranks for 8 slots: exit code $code"
grep -q 'start one of 1, 2, 4, 8, or give --reduction fast' words || fail "other words: $(<words)"
ranks 3 gpt2-train -q "${shape[@]}" --max-steps 2 --reduction fast --out fast 2>words || fail "fast: $(<words)"
