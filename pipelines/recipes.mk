# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# How the recipes of every pipeline run, and where what they fetch lies: DATA, each set in a folder of its name.
#   FROM    a server that has the data sets in such folders, in the place of their own servers: a mirror, or small files of
#           the same names for SCALE=tiny
#   SCALE   tiny: the same chain in a minute; its files come from FROM

DATA ?= data
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.ONESHELL:

say = printf '\n== %s\n'
# What a tool prints goes to $@.part first: make killed at any moment leaves no half of it under the final name.
show = mv $@.part $@ && cat $@

ifeq ($(SCALE),tiny)
ifeq ($(FROM),)
$(error SCALE=tiny needs FROM=URL, a server with small files in the folders of the data sets)
endif
# fetch SET,FILE...: small files of other contents, by their address.
fetch = for file in $(2); do gpt2-fetch "$(FROM)/$(1)/$$file" --out "$(DATA)/$(1)/$$file"; done
else ifneq ($(SCALE),)
$(error SCALE=$(SCALE): there is tiny, or none)
else
# fetch SET,FILE...[,PATTERN]: a set of the catalogue, or of its files those of a PATTERN, each compared with its hash.
fetch = gpt2-fetch $(1) --out-dir $(DATA) $(if $(3),--include $(3)) $(if $(FROM),--base-url $(FROM))
endif
