# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# make train TEXT=my.txt [VOCAB=own|gpt2|FOLDER] [OUT=runs/my] [CONFIG=my.yaml]: the demo's chain on one's own text. About
# 4 % of the text, its beginning, is held out.

.DEFAULT_GOAL := chain
ifeq ($(TEXT),)
$(error say which text: make train TEXT=my.txt)
endif
ifeq ($(wildcard $(TEXT)),)
$(error $(TEXT): no such file)
endif
OUT ?= runs/$(basename $(notdir $(firstword $(TEXT))))
DOCUMENTS := $(TEXT)
HOLD_OUT = --val-tokens $$(( $$(cat $(TEXT) | wc -c) / 100 ))
CONFIG ?= pipelines/demo.yaml
PROMPT ?=

include pipelines/chain.mk
