# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Equally likely tokens are the random numbers themselves, so the text is known; --- stands between sequences.
"$CASE_DIR"/make_uniform_model model
gpt2-sample --checkpoint model --prompt 'a b ' --top-k 94 --max-tokens 20 --num-sequences 2
