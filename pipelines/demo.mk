# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# make demo: the whole pipeline on the King James text, in minutes on two cores. 48 of its 1189 chapters, every 25th,
# are held out; they come first in the stream, so gpt2-shard cuts them off as validation set.

OUT ?= runs/demo
.DEFAULT_GOAL := demo
heldout := $(OUT)/text/heldout.jsonl
training := $(OUT)/text/train.jsonl
DOCUMENTS := $(heldout) $(training)
HOLD_OUT = --val-documents $$(wc -l < $(heldout))
VOCAB_SIZE := 2048
CONFIG := pipelines/demo.yaml
PROMPT := And it came to pass

include pipelines/chain.mk

$(heldout) $(training) &: pipelines/kjv_text.sh
	@$(say) 'Real text: the King James text, one document a chapter'
	pipelines/kjv_text.sh $(OUT)/text

# The yardstick: what a strong compressor needs for the held-out text after it has seen the training text.
$(OUT)/zstd_bits_per_byte: $(training)
	@compressed=$$(zstd -qq -19 --long=27 --patch-from=$(OUT)/text/train.txt $(OUT)/text/heldout.txt -c | wc -c)
	awk -v compressed=$$compressed -v text=$$(wc -c < $(OUT)/text/heldout.txt) 'BEGIN { printf "%.3f\n", 8 * compressed / text }' > $@.part
	mv $@.part $@

.PHONY: demo
demo: chain $(OUT)/zstd_bits_per_byte
	@printf 'For comparison, zstd -19 --long=27 given the training text: %s bits per byte.\n' "$$(cat $(OUT)/zstd_bits_per_byte)"
	cat <<'END'

	Next:
	  build/bin/gpt2-sample --checkpoint $(OUT)/run --prompt 'In the beginning' --max-tokens 200
	  build/bin/gpt2-train --out $(OUT)/longer --init-from $(OUT)/run --train '$(OUT)/shards/text_train_*.bin' \
	    --val '$(OUT)/shards/text_val_*.bin' --context 256 --batch-size 8 --total-batch-tokens 4096 --max-epochs 3
	  make train TEXT=my.txt             the same chain on your own text
	  build/bin/gpt2-train --help        every option, with its default
	END
