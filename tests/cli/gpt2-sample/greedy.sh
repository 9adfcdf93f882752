# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Of equally likely tokens the first.
"$CASE_DIR"/make_uniform_model model
gpt2-sample --checkpoint model --temperature 0 --max-tokens 20
