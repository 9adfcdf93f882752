# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# make gpt2-124m [BUDGET=small]: GPT-2 124M on 10 billion tokens of FineWeb-Edu by build-nanogpt's recipe, from the download
# (28 GB) to its accuracy on HellaSwag. BUDGET=small: a sixteenth of the tokens. The Parquet files can be removed once the
# shards are there (20 GB).

.DEFAULT_GOAL := gpt2-124m
OUT ?= runs/gpt2-124m$(if $(BUDGET),-$(BUDGET)-budget)
DATA ?= data
VOCAB := gpt2
CONFIG ?= pipelines/$(if $(SCALE),$(SCALE),gpt2-124m$(if $(BUDGET),-$(BUDGET)-budget)).yaml
PROMPT := Hello, I am a language model,
parts := $(if $(filter tiny,$(SCALE)),000,000 001 002 003 004 005 006 007 008 009 010 011 012 013)
DOCUMENTS := $(parts:%=$(DATA)/fineweb-edu-10B/%_00000.parquet)
HOLD_OUT := --val-tokens $(if $(filter tiny,$(SCALE)),2K,100M)
TRAIN_NEEDS = $(questions)
TRAIN_OPTIONS = --hellaswag $(questions)

include pipelines/questions.mk
include pipelines/chain.mk

$(DOCUMENTS) &:
	@$(say) 'Fetch FineWeb-Edu: gpt2-fetch'
	$(call fetch,fineweb-edu-10B,$(notdir $(DOCUMENTS)))
.PRECIOUS: $(DOCUMENTS)
.SECONDARY: $(DOCUMENTS)

$(OUT)/hellaswag.json: $(OUT)/run/checkpoints/final/checkpoint.json $(questions)
	@$(say) 'HellaSwag: gpt2-eval-hellaswag'
	find $(OUT) -maxdepth 1 -name 'hellaswag_items.jsonl*' ! -newer $< -delete # of a model before this one
	gpt2-eval-hellaswag --checkpoint $(OUT)/run --data $(questions) --items $(OUT)/hellaswag_items.jsonl --json > $@.part
	$(show)

.PHONY: gpt2-124m
gpt2-124m: chain $(OUT)/hellaswag.json
	@printf '%-24s %s\n' 'accuracy on HellaSwag' $(OUT)/hellaswag.json
