# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# SIGINT and SIGTERM leave no shard and no temporary file, and the exit status says which signal it was.
source "$CASE_DIR/stream.bash"
make_stream 20 >stream
for signal in INT TERM; do
  mkfifo pipe
  # A child of env, so that the shell's habit of ignoring SIGINT in the background does not reach it.
  env --default-signal=INT gpt2-shard --out-dir d --prefix p <pipe 2>words &
  exec 3>pipe
  head -c 70 stream >&3
  while [ ! -d d/.tmp-p ]; do sleep 0.01; done
  kill -$signal $!
  code=0
  wait $! || code=$?
  exec 3>&-
  [ $code = $((128 + $(kill -l $signal))) ] || { echo "exit $code after $signal"; cat words; }
  [ -z "$(ls -A d)" ]
  rm pipe
  rm -r d
done
