# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A change of any byte of header or payload is found.
source "$CASE_DIR/stream.bash"
make_stream 5 | gpt2-shard --out-dir . --prefix p
shard=p_train_000000.bin
size=$(stat -c %s $shard)
for ((offset = 0; offset < size; offset += offset < 16 || offset >= 512 && offset < 576 || offset >= 1018 ? 1 : 37)); do
  cp $shard changed.bin
  byte=$(od -An -tu1 -j $offset -N 1 changed.bin)
  printf "\\x$(printf %02x $((byte ^ 1)))" | dd of=changed.bin bs=1 seek=$offset conv=notrunc status=none
  code=0
  gpt2-shard verify changed.bin 2>words || code=$?
  [ $code = 65 ] || { echo "byte $offset: exit $code"; exit 1; }
  grep -q 'changed.bin' words
done
