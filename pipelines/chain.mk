# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Text to a trained, evaluated, sampled, exported GPT-2: what demo.mk and train.mk share. Every step is a rule, so an
# interrupted chain goes on where it stopped. Set by the includer:
#   OUT        folder of everything made here
#   DOCUMENTS  text files in the order in which they are tokenised, the held-out ones first
#   HOLD_OUT   gpt2-shard's option that says how much of their beginning is held out
#   VOCAB      own: train a vocabulary of VOCAB_SIZE tokens; gpt2: fetch GPT-2's to DATA/gpt2-vocab, once; else a folder
#              with encoder.json and vocab.bpe
#   CONFIG     gpt2-train's configuration (YAML)
#   PROMPT     what the samples continue
#   TRAIN_OPTIONS, TRAIN_NEEDS   more options of gpt2-train, and files that it needs for them; may be empty

include pipelines/recipes.mk
VOCAB ?= own
VOCAB_SIZE ?= 4096

ifeq ($(VOCAB),own)
vocabulary := $(OUT)/vocab
$(vocabulary)/vocab.json: $(DOCUMENTS)
	@$(say) 'Train a vocabulary of $(VOCAB_SIZE) tokens: gpt2-tokenize train'
	gpt2-tokenize train --force --vocab-size $(VOCAB_SIZE) --out $(vocabulary) $(DOCUMENTS)
vocabulary_ready := $(vocabulary)/vocab.json
else ifeq ($(VOCAB),gpt2)
vocabulary := $(DATA)/gpt2-vocab
vocabulary_ready := $(vocabulary)/encoder.json $(vocabulary)/vocab.bpe
$(vocabulary_ready) &:
	@$(say) "Fetch GPT-2's vocabulary: gpt2-fetch"
	$(call fetch,gpt2-vocab,encoder.json vocab.bpe)
else
vocabulary := $(VOCAB)
vocabulary_ready :=
endif

$(OUT)/shards/complete: $(DOCUMENTS) $(vocabulary_ready)
	@$(say) 'Tokenise and shard: gpt2-tokenize | gpt2-shard'
	gpt2-tokenize -v --vocab $(vocabulary) $(DOCUMENTS) | gpt2-shard -v --out-dir $(OUT)/shards --prefix text $(HOLD_OUT) --force
	touch $@

# --resume auto: a run that was interrupted goes on from its newest checkpoint.
$(OUT)/run/checkpoints/final/checkpoint.json: $(OUT)/shards/complete $(CONFIG) $(TRAIN_NEEDS)
	@$(say) 'Train: gpt2-train'
	gpt2-train --config $(CONFIG) --train '$(OUT)/shards/text_train_*.bin' --val '$(OUT)/shards/text_val_*.bin' \
	  --vocab $(vocabulary) --out $(OUT)/run --resume auto $(TRAIN_OPTIONS)
	touch -c $@

$(OUT)/evaluation.json: $(OUT)/run/checkpoints/final/checkpoint.json
	@$(say) 'Evaluate on the held-out text: gpt2-eval-loss'
	gpt2-eval-loss --checkpoint $(OUT)/run --shards '$(OUT)/shards/text_val_*.bin' --json > $@.part
	$(show)

$(OUT)/samples.txt: $(OUT)/run/checkpoints/final/checkpoint.json
	@$(say) 'Sample: gpt2-sample'
	gpt2-sample --checkpoint $(OUT)/run --prompt '$(PROMPT)' --num-sequences 2 --max-tokens 120 --temperature 0.8 > $@.part
	$(show)

$(OUT)/export/model.safetensors: $(OUT)/run/checkpoints/final/checkpoint.json
	@$(say) 'Export for transformers and others: gpt2-export'
	gpt2-export -v --checkpoint $(OUT)/run --out $(OUT)/export --format hf
	touch -c $@

$(OUT)/curves.svg: $(OUT)/run/checkpoints/final/checkpoint.json
	@$(say) 'Draw the loss curve: gpt2-plot'
	gpt2-plot $(OUT)/run --out $@

.PHONY: chain
chain: $(OUT)/evaluation.json $(OUT)/samples.txt $(OUT)/export/model.safetensors $(OUT)/curves.svg
	@sed -n 's/.*"bits_per_byte": *\([0-9.]*\).*/\1/p' $(OUT)/evaluation.json | xargs printf '\nHeld-out text: %.3f bits per byte.\n'
	printf '%-24s %s\n' 'vocabulary' $(vocabulary) 'token shards' $(OUT)/shards 'run, log, checkpoints' $(OUT)/run \
	  'samples' $(OUT)/samples.txt 'Hugging Face model' $(OUT)/export 'loss curve' $(OUT)/curves.svg
