# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Weights so large that their sums have no number: an error, not a figure.
"$CASE_DIR"/make_uniform_model model
weights=model/model.safetensors
begin=$((8 + $(od -An -tu8 -N8 $weights)))
count=$((($(wc -c <$weights) - begin) / 4))
{
  head -c $begin $weights
  for ((i = 0; i < count; ++i)); do printf '\377\377\177\177'; done
} >model/large
mv model/large $weights
code=0
gpt2-sample --checkpoint model >stdout 2>stderr || code=$?
[ $code = 65 ]
[ ! -s stdout ]
grep -q 'damaged or .*diverged' stderr
