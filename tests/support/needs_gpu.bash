# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Sourced by tests of the tools on a GPU. Where gpt2-train finds none they end with 77, which CTest shows as skipped, or with
# 1 where GPT2_TEST_NEEDS_GPU is set. gpu: what it finds.
gpu=$(gpt2-train --version | sed -n 's/^  cuda: //p')
if [[ $gpu != 'GPU '* ]]; then
  echo "$gpu" >&2
  [ -n "${GPT2_TEST_NEEDS_GPU+set}" ] && exit 1
  exit 77
fi
