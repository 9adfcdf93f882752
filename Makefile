# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# Front door: make demo, make test. Everything else is CMake (CMakePresets.json) and the pipelines.

BUILD ?= build
JOBS ?= $(shell nproc)
# The CUDA parts are built by demo and test only where a GPU answers.
GPU := $(shell nvidia-smi -L >/dev/null 2>&1 && echo ON || echo OFF)
CONFIGURE = cmake -S . -B $(BUILD) -G Ninja -DGPT2_WITH_CUDA=$(GPU) $(CMAKE_ARGS)
BUILD_ALL = cmake --build $(BUILD) -j $(JOBS)
# gpt2-fetch is built where libcurl is, and by what needs it, which installs them.
FETCHING := hellaswag wikitext103 gpt2-124m
FETCH := $(if $(filter gpt2,$(VOCAB))$(filter $(FETCHING),$(MAKECMDGOALS)),ON)
export PATH := $(abspath $(BUILD))/bin:$(PATH)

.PHONY: help build bundle demo train test oracle fuzz clean $(FETCHING)
help:
	@echo 'make demo              train, evaluate, sample and export a small GPT-2 on this CPU, in minutes'
	@echo 'make test              build and run every test that this machine can run'
	@echo 'make train TEXT=FILE   the same chain on your own text: VOCAB=own|gpt2, OUT=runs/NAME'
	@echo 'make hellaswag         accuracy of MODEL=gpt2|gpt2-medium|gpt2-large|gpt2-xl|FOLDER on the first LIMIT=100 questions, or all'
	@echo 'make wikitext103       train GPT-2 on WikiText-103, from the download to the test set; it goes on where it stopped'
	@echo 'make gpt2-124m         reproduce GPT-2 124M on FineWeb-Edu 10B; BUDGET=small: with 32,768 tokens a step'
	@echo 'make oracle            compare with PyTorch, transformers, tiktoken, tokenizers'
	@echo 'make fuzz              give every reader of a format RUNS=20000 broken inputs; FORMAT=name for one of them'
	@echo 'make bundle            one archive with the tools and the libraries they need, for machines with nothing installed'
	@echo 'make build             the tools alone, in $(BUILD)/bin; FETCH=ON: with gpt2-fetch, which needs libcurl'

build:
	@scripts/setup_debian.sh build $(if $(FETCH),fetch)
	@$(CONFIGURE) -DGPT2_BUILD_TESTS=OFF $(if $(FETCH),-DGPT2_WITH_FETCH=ON) >$(BUILD)-configure.log 2>&1 || { cat $(BUILD)-configure.log; exit 1; }
	@$(BUILD_ALL)

# Its own build: the tools look for libraries beside themselves, and MPI, which is no such library, stays out. With
# CMAKE_ARGS=-DGPT2_WITH_CUDA=ON it is for machines with a GPU, which this one need not be: nvcc is enough.
bundle:
	@scripts/setup_debian.sh build fetch bundle
	@cmake -S . -B $(BUILD)-bundle -G Ninja -DGPT2_BUNDLE=ON -DGPT2_WITH_CUDA=$(GPU) -DGPT2_WITH_FETCH=ON -DGPT2_WITH_MPI=OFF \
	  -DGPT2_BUILD_TESTS=OFF $(CMAKE_ARGS) >$(BUILD)-bundle-configure.log 2>&1 || { cat $(BUILD)-bundle-configure.log; exit 1; }
	@cmake --build $(BUILD)-bundle -j $(JOBS)
	@scripts/make_bundle.sh $(BUILD)-bundle .

demo:
	@scripts/setup_debian.sh demo
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory -f pipelines/demo.mk

train:
	@$(MAKE) --no-print-directory build
	@$(MAKE) --no-print-directory -f pipelines/train.mk

# They fetch what they need; SCALE=tiny FROM=URL goes through the same chain with small files.
$(FETCHING):
	@$(MAKE) --no-print-directory build FETCH=ON
	@$(MAKE) --no-print-directory -f pipelines/$@.mk

test:
	@scripts/setup_debian.sh test
	$(CONFIGURE) -DGPT2_BUILD_TESTS=ON -DGPT2_WITH_FETCH=ON
	$(BUILD_ALL)
	ctest --test-dir $(BUILD) -j $(JOBS) --output-on-failure -LE oracle

oracle:
	@scripts/setup_debian.sh oracle
	python=$$(scripts/oracle_python.sh) && $(CONFIGURE) -DGPT2_BUILD_TESTS=ON -DGPT2_ORACLE_PYTHON="$$python"
	$(BUILD_ALL)
	ctest --test-dir $(BUILD) --output-on-failure -L oracle

RUNS ?= 20000
MOST_SECONDS ?= 0
fuzz:
	@scripts/setup_debian.sh fuzz
	cmake --preset fuzz -G Ninja
	cmake --build --preset fuzz -j $(JOBS) $(if $(FORMAT),--target fuzz_$(FORMAT))
	tests/fuzz/run_targets.sh build-fuzz $(RUNS) $(MOST_SECONDS) $(FORMAT)

clean:
	rm -rf $(BUILD) $(BUILD)-configure.log $(BUILD)-bundle $(BUILD)-bundle-configure.log
