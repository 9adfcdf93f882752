# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# The printed configuration gives the same again: values, and what was given and what was not.
given=(--out-dir 'a "b"\c' --train x 'y: z' --text '# no comment' --kind round --learning-rate 0.1 --offset -2)
gpt2-probe "${given[@]}" --print-config >c.yaml
cat c.yaml
gpt2-probe --config c.yaml --print-config | cmp - c.yaml
gpt2-probe --config c.yaml >again
gpt2-probe "${given[@]}" | cmp - again
gpt2-probe --print-config | head -2
