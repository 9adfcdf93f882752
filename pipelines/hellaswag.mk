# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# make hellaswag [MODEL=gpt2-xl|FOLDER] [LIMIT=100]: a model's accuracy on HellaSwag by both conventions. What was fetched
# and what was scored before stays in DATA and OUT; an interrupted evaluation goes on from there, and so does one of fewer
# questions.

.DEFAULT_GOAL := hellaswag
MODEL ?= gpt2
LIMIT ?= 0
OUT ?= runs/hellaswag/$(notdir $(MODEL:/=))

include pipelines/recipes.mk
include pipelines/questions.mk

ifneq ($(wildcard $(MODEL)/.),)
model := $(MODEL)
else
model := $(DATA)/$(MODEL)
model_files := $(addprefix $(model)/,config.json model.safetensors vocab.json merges.txt)
$(model_files) &:
	@$(say) 'Fetch $(MODEL): gpt2-fetch'
	$(call fetch,$(MODEL),$(notdir $(model_files)))
.PRECIOUS: $(model_files)
endif

.PHONY: hellaswag
hellaswag: $(questions) $(model_files)
	@$(say) 'HellaSwag of $(MODEL): gpt2-eval-hellaswag'
	mkdir -p $(OUT)
	gpt2-eval-hellaswag --checkpoint $(model) --data $(questions) --items $(OUT)/items.jsonl --limit $(LIMIT) | tee $(OUT)/accuracy.txt
	printf '%-24s %s\n' 'each question' $(OUT)/items.jsonl
