# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# make wikitext103: GPT-2's small model on WikiText-103, ten times through, from the download to the loss on the test set.

.DEFAULT_GOAL := wikitext103
OUT ?= runs/wikitext103
DATA ?= data
VOCAB := gpt2
CONFIG ?= pipelines/$(if $(SCALE),$(SCALE),wikitext103).yaml
PROMPT := The history of
texts := $(DATA)/wikitext-103
DOCUMENTS := $(texts)/wiki.valid.raw $(texts)/wiki.train.raw
HOLD_OUT := --val-documents 1

include pipelines/chain.mk

fetched := $(DOCUMENTS) $(texts)/wiki.test.raw
$(fetched) &:
	@$(say) 'Fetch WikiText-103: gpt2-fetch'
	$(call fetch,wikitext-103,$(notdir $(fetched)))
.PRECIOUS: $(fetched)
.SECONDARY: $(fetched)

$(OUT)/test.json: $(OUT)/run/checkpoints/final/checkpoint.json $(texts)/wiki.test.raw
	@$(say) 'Evaluate on the test set: gpt2-eval-loss'
	gpt2-eval-loss --checkpoint $(OUT)/run --text $(texts)/wiki.test.raw --json > $@.part
	$(show)

.PHONY: wikitext103
wikitext103: chain $(OUT)/test.json
	@printf '%-24s %s\n' 'loss on the test set' $(OUT)/test.json
