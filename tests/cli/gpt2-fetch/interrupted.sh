# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A signal ends it without a word; the same command goes on from the byte that it had come to.
source "$CASE_DIR/server.bash"
mkdir files
head -c 400000 /dev/urandom >files/a.bin
hash=$(sha256_of files/a.bin)
serve files
for signal in INT TERM; do
  # A child of env, so that the shell's habit of ignoring SIGINT in the background does not reach it.
  env --default-signal=INT gpt2-fetch "$server/slow/a.bin" --sha256 $hash --out b.bin 2>words 9>&- &
  until [ -s b.bin.part ]; do kill -0 $! && sleep 0.01; done
  kill -$signal $!
  code=0
  wait $! || code=$?
  [ $code = $((128 + $(kill -l $signal))) ] || echo "exit $code after $signal"
  cat words
  kept=$(stat -c %s b.bin.part)
  [ "$(ls -A | grep b.bin)" = b.bin.part ]
  gpt2-fetch "$server/a.bin" --sha256 $hash --out b.bin
  tail -1 requests.log | grep -q "^/a.bin bytes=$kept- "
  cmp files/a.bin b.bin
  rm b.bin
done
