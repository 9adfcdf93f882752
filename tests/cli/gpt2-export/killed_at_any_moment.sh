# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Killed by SIGKILL at any moment, an export is the old one or the new one, whole, and the next run leaves nothing else.
# While one runs, a second one to the same place is 73.
"$CASE_DIR"/../gpt2-sample/make_uniform_model model ab
for dtype in f32 bf16; do gpt2-export --checkpoint model --out wanted/$dtype --dtype $dtype; done
export_as() { gpt2-export --checkpoint model --out out --dtype "$1"; }
differs() { ! diff -r "wanted/$1" out >difference; }
export_as f32

LD_PRELOAD=$ENDLESS_FSYNC ASAN_OPTIONS=verify_asan_link_order=0 gpt2-export --checkpoint model --out out --dtype bf16 &
until [ -n "$(ls -A .tmp-out 2>/dev/null)" ]; do kill -0 $!; sleep 0.01; done
code=0
export_as bf16 2>words || code=$?
[ $code = 73 ] && grep -q 'is being written by another process' words || { echo "exit code $code of the second export"; cat words; }
{ kill -KILL $!; wait $! || true; } 2>/dev/null
if differs f32; then echo 'a half was shown:'; cat difference; fi

RANDOM=1
before=f32
for dtype in bf16 f32 bf16 f32 bf16 f32 bf16 f32; do
  # The check for leaks of a sanitizer build complains when it is killed itself, and that is no word of the tool.
  LSAN_OPTIONS=detect_leaks=0 gpt2-export --checkpoint model --out out --dtype $dtype &
  sleep "0.0$((RANDOM % 90 + 10))"
  { kill -KILL $! || true; wait $! || true; } 2>/dev/null
  if differs $before && differs $dtype; then echo "killed while $dtype was written, it is neither:"; cat difference; fi
  export_as $dtype 2>/dev/null
  if differs $dtype; then echo "$dtype after a kill:"; cat difference; fi
  [ -z "$(find . -name '.tmp-*')" ] || find . -name '.tmp-*'
  before=$dtype
done
