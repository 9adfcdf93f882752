#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""Peer of gpt2-sample: prompt and new tokens a second of transformers on the CPU, fp32, with a KV cache."""
import argparse
import time

import torch
import transformers
from transformers import GPT2LMHeadModel, GPT2TokenizerFast


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--prompt-file", required=True)
    parser.add_argument("--max-tokens", type=int, default=128)
    options = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    tokenizer = GPT2TokenizerFast.from_pretrained(options.model)
    model = GPT2LMHeadModel.from_pretrained(options.model, dtype=torch.float32).eval()
    with open(options.prompt_file, newline="") as file:
        prompt = tokenizer(file.read(), return_tensors="pt")
    choice = dict(do_sample=True, top_k=50, pad_token_id=tokenizer.eos_token_id)

    def seconds(count):
        begin = time.perf_counter()
        model.generate(**prompt, **choice, max_new_tokens=count, min_new_tokens=count)
        return time.perf_counter() - begin

    with torch.no_grad():
        seconds(2)
        to_first = seconds(1)
        rest = seconds(options.max_tokens) - to_first
    length = prompt["input_ids"].shape[1]
    print(f"transformers {transformers.__version__}: prompt {length / to_first:.0f} tokens/s, "
          f"new {(options.max_tokens - 1) / rest:.1f} tokens/s")


main()
