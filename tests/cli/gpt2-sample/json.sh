# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# One object a sequence, without the prompt.
"$CASE_DIR"/make_uniform_model model
gpt2-sample --checkpoint model --prompt 'a b ' --top-k 94 --max-tokens 3 --num-sequences 3 --json
