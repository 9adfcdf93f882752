# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
. "$CASE_DIR/../refusal.bash"
refusal 64 gpt2-probe
refusal 64 gpt2-probe --out-dir ''
GPT2_OUT_DIR=from_environment gpt2-probe | grep -qx 'out-dir=from_environment (given)'
echo 'out_dir: from_file' >c.yaml
gpt2-probe --config c.yaml | grep -qx 'out-dir=from_file (given)'
