# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
. "$CASE_DIR/../refusal.bash"
refusal 64 gpt2-probe --out-dir d --learning-rat 1
refusal 64 gpt2-probe --out-dir d --tokens 1
refusal 64 gpt2-probe --out-dir d --tokens_per_shards=1
refusal 64 gpt2-probe --out-dir d --completely-different
refusal 64 gpt2-probe --out-dir d -x
refusal 64 gpt2-probe --out-dir d --verbos
refusal 64 gpt2-probe --out-dir d ---
refusal 64 gpt2-probe --out-dir d --=3
