# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# A YAML in groups, with the names that other trainers use, starts a training as it is; what was read as another option,
# and what changes nothing, is said. Flags win over it, also where it sets the same thing by another option.
for number in {1..400}; do echo "the number $number comes after $((number - 1))"; done >text.txt
gpt2-tokenize train --vocab-size 300 --out vocab text.txt
gpt2-tokenize --vocab vocab text.txt | gpt2-shard --out-dir shards --prefix text
cat >theirs.yaml <<'END'
model: {vocab_size: 50257, embed_dim: 768, num_layers: 12, num_heads: 12, ffn_dim: 3072, max_seq_len: 1024, dropout: 0.1}
training: {batch_size: 8, gradient_accumulation_steps: 4, learning_rate: 6e-4, max_epochs: 10, warmup_steps: 2000,
  use_mixed_precision: true, eval_interval: 500, save_interval: 1000}
wandb: {project: p, entity: e, tags: [a, b], enabled: true}
data: {num_workers: 4, pin_memory: true}
END
gpt2-train --out run --config theirs.yaml --print-config 2>words | sed '/^#/d' >resolved
diff resolved - <<'END'
out: "run"
layers: 12
heads: 12
channels: 768
ffn-channels: 3072
context: 1024
precision: "auto"
batch-size: "8"
accumulation-steps: 4
max-epochs: 10
learning-rate: 0.0006
warmup-steps: "at-most-2000"
dropout: 0.1
val-every: 500
save-every-steps: 1000
wandb: "p"
wandb-entity: "e"
wandb-tags: ["a", "b"]
wandb-mode: "offline"
END
diff words - <<'END'
gpt2-train: theirs.yaml:1: vocab_size changes nothing here: the tokenizer, or the shards, say how large the vocabulary is
gpt2-train: theirs.yaml:5: num_workers changes nothing here: one thread reads ahead and keeps up
gpt2-train: theirs.yaml:5: pin_memory changes nothing here: there is no Python between the shards and the device
gpt2-train: theirs.yaml: read embed_dim as channels, num_layers as layers, num_heads as heads, ffn_dim as ffn-channels, max_seq_len as context, gradient_accumulation_steps as accumulation-steps, warmup_steps 2000 as warmup-steps at-most-2000, use_mixed_precision true as precision auto, eval_interval as val-every, save_interval as save-every-steps, project as wandb, entity as wandb-entity, tags as wandb-tags, enabled true as wandb-mode offline
END
# The same file on a model that is small enough for a test, twice: it also goes on.
settings=(--train 'shards/*.bin' --vocab vocab --config theirs.yaml --layers 1 --heads 2 --channels 32 --ffn-channels 48
  --context 32 --batch-size 2)
gpt2-train -q "${settings[@]}" --max-steps 4 --out run
grep -q '"max-steps": "4"' run/checkpoints/final/checkpoint.json
grep -q '^total-batch-tokens: 256$' run/config.yaml
grep -q '^warmup-steps: "0"$' run/config.yaml
[ -s run/wandb/offline-run-*/run-*.wandb ]
gpt2-train -q "${settings[@]}" --max-steps 4 --out run --resume auto
code=0
gpt2-train -q "${settings[@]}" --max-steps 4 --accumulation-steps 8 --out run --resume auto 2>words || code=$?
[ $code = 78 ]
grep -q 'a step has 256 tokens in the checkpoint and 512 now' words
# nanoGPT's flat names do as well; two sizes of a step from one source are refused.
printf 'n_layer: 1\nn_head: 2\nn_embd: 32\nblock_size: 32\nbatch_size: 2\ngradient_accumulation_steps: 2\nmax_iters: 2
lr: 1e-3\nmin_lr: 1e-4\nwarmup_iters: 100\nbeta2: 0.99\ngrad_clip: 1.0\neval_interval: 2\ndecay_lr: true\ncompile: false
dtype: float32\nbias: true\n' >nano.yaml
gpt2-train -q --config nano.yaml --train 'shards/*.bin' --vocab vocab --out nano
grep -q '^total-batch-tokens: 128$' nano/config.yaml
grep -q '^precision: "fp32"$' nano/config.yaml
[ "$(grep -c train nano/log.txt)" = 2 ]
code=0
gpt2-train -q --config nano.yaml --total-batch-tokens 128 --accumulation-steps 2 --out n --train x 2>words || code=$?
[ $code = 64 ]
