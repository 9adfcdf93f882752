# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# For cases about signals: interrupt SIGNAL COMMAND... sends it when the first unfinished file is there, and expects that
# the command dies by it and leaves everything in this folder as it was. The command never comes to an end by itself.
interrupt() {
  local signal=$1 code=0 process unfinished=
  shift
  { find . -type d && find . -type f -exec sha256sum {} +; } | sort >../files_before
  # In the background the shell ignores SIGINT and takes stdin away: env and <&0 undo that.
  LD_PRELOAD=$ENDLESS_FSYNC ASAN_OPTIONS=verify_asan_link_order=0 env --default-signal "$@" <&0 2>../interrupted.stderr &
  process=$!
  while [ -z "$unfinished" ]; do
    kill -0 $process || { echo "ended before the signal: $*"; cat ../interrupted.stderr; return 1; }
    unfinished=$(find . -name '.tmp-*' -print -quit)
  done
  kill -"$signal" $process
  wait $process 2>/dev/null || code=$?  # the shell would name the signal
  [ $code = $((128 + $(kill -l "$signal"))) ] || { echo "exit code $code after $signal: $*"; cat ../interrupted.stderr; }
  [ ! -s ../interrupted.stderr ] || cat ../interrupted.stderr
  { find . -type d && find . -type f -exec sha256sum {} +; } | sort | diff ../files_before -
}
