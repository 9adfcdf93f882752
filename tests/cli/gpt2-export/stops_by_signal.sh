# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A signal leaves no half of an export, and an older export as it was.
source "$CASE_DIR/../interruption.bash"
"$CASE_DIR"/../gpt2-sample/make_uniform_model model ab
for signal in INT TERM; do interrupt $signal gpt2-export --checkpoint model --out out; done
gpt2-export --checkpoint model --out out
interrupt INT gpt2-export --checkpoint model --out out --dtype bf16
