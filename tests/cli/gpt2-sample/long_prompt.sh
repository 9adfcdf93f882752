# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A prompt beyond the context is printed whole, read in part, and that is said.
"$CASE_DIR"/make_uniform_model model
gpt2-sample --checkpoint model --prompt 'nine char' --temperature 0 --max-tokens 2
gpt2-sample --checkpoint model --prompt 'eight ch' --temperature 0 --max-tokens 2
