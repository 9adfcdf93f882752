#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# gpt2-train takes every configuration in pipelines/, and a step of each is a whole number of micro-batches.
set -euo pipefail
for file in pipelines/*.yaml; do
  resolved=$(gpt2-train --out run --train x --config "$file" --print-config) || { echo "$file"; exit 1; }
  number() { sed -nE "s/^(# )?$1: \"?([0-9]+)\"?$/\2/p" <<<"$resolved"; }
  context=$(number context)
  ((context > 0)) || context=1024
  (($(number total-batch-tokens) % ($(number batch-size) * context) == 0)) || { echo "$file: tokens of a step"; exit 1; }
done
