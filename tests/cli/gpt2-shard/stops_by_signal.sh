# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A signal leaves no shard and no unfinished one, whether it comes while a shard is finished or while the stream makes us
# wait, and shards that --force was to replace are there as before.
source "$CASE_DIR/../interruption.bash"
source "$CASE_DIR/stream.bash"
make_stream 20 >stream
mkfifo pipe
for signal in INT TERM HUP; do
  interrupt $signal gpt2-shard --out-dir new --prefix p --tokens-per-shard 10 <stream
  exec 3<>pipe
  head -c 70 stream >&3
  interrupt $signal gpt2-shard --out-dir new --prefix p <pipe
  exec 3<&-
done
gpt2-shard --out-dir old --prefix p <stream
interrupt INT gpt2-shard --out-dir old --prefix p --force <stream
