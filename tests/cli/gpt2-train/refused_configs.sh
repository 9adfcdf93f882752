# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Wrong configurations: one sentence each, with file, line and, where a name is wrong, the nearest that is not.
. "$CASE_DIR/../refusal.bash"
config() { printf -- "$1" >c.yaml; refusal 64 gpt2-train --out run --train x --config c.yaml; }
config 'model: {num_layer: 12}\n'
config 'model:\n  embed_dims: 768\n'
config 'trainning: {batch_size: 8}\n'
config 'training:\n  learning_rte: 6e-4\n'
config 'training: {gradient_acumulation_steps: 4}\n'
config 'wandb: {projct: p}\n'
config 'model: {n_layer: 12, num_layers: 12}\n'
config 'layers: 12\nmodel: {n_layer: 12}\n'
config 'training: {batch_size: eight}\n'
config 'training: {batch_size: -8}\n'
config 'training: {batch_size: }\n'
config 'training: {use_mixed_precision: maybe}\n'
config 'model: {bias: false}\n'
config 'model: {activation: relu}\n'
config 'optimizer: {betas: 0.9}\n'
config 'optimizer: {betas: [0.9, 0.95, 0.99]}\n'
config 'optimizer: {name: sgd}\n'
config 'training: {optimizer: {lr: 1}}\n'
config 'schedule: cosin\n'
config 'training: {learning_rate: 6e-4, learning-rate: 1e-4}\n'
config 'data: {num_worker: 4}\n'
config 'training: {max_steps: 10, max_epochs: 1}\n'
config 'training: {warmup_steps: many}\n'
config 'model: {}\n'
# What only the data or other settings show to be wrong has its line, too.
for number in {1..40}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text
fit() { printf -- "$1" >c.yaml; refusal 64 gpt2-train -q --out run --train 'shards/*.bin' --vocab vocab --config c.yaml; }
fit 'training:\n  batch_size: 0\n'
fit 'training:\n  lr: 1\n  min_lr: 2\n'
fit 'model: {dropout: 1.5}\n'
fit 'layers: 1\nmodel:\n  n_embd: 32\n  n_head: 5\n'
fit 'model:\n  type: gpt2-huge\n'
fit 'model: {n_layer: 1, n_head: 1, n_embd: 8, block_size: 16}\ntotal_batch_tokens: 100\n'
