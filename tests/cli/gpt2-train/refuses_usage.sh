# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# 64 for values that do not fit, each with one line that names the option; no folder is made.
refused() {
  local words_wanted=$1 code=0
  shift
  gpt2-train --out run "$@" 2>words >stdout || code=$?
  [ $code = 64 ]
  [ "$(wc -l <words)" = 1 ]
  grep -q -e "$words_wanted" words
  [ ! -e run ]
}
refused '--train'
refused '--max-steps and --max-epochs' --train a.bin --max-steps 1 --max-epochs 1
refused '--precision bf16' --train a.bin --precision bf16
refused '--slots' --train a.bin --slots few
refused '--beta2' --train a.bin --beta2 1
refused '--dropout' --train a.bin --dropout=1
refused 'batch-size' --train a.bin --batch-size -5
refused 'schedule' --train a.bin --schedule steps
refused 'learning-rate' --train a.bin --learning-rat 1
