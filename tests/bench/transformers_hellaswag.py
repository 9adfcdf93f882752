#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""Peer of gpt2-eval-hellaswag: items a second of transformers on the CPU, fp32, as the public scripts do it. build-nanogpt
runs one item at a time, its four rows padded to the longest; lm-evaluation-harness, by default, one ending at a time."""
import argparse
import json
import re
import time

import torch
import transformers
from transformers import GPT2LMHeadModel, GPT2TokenizerFast


def clean(text):
    return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")


def by_nanogpt(model, encode, item):
    context = encode(item["ctx"])
    ends = [encode(" " + ending) for ending in item["endings"]]
    longest = max(map(len, ends))
    rows = torch.tensor([context + end + [0] * (longest - len(end)) for end in ends])
    mask = torch.tensor([[0] * len(context) + [1] * len(end) + [0] * (longest - len(end)) for end in ends])
    logits = model(rows).logits
    shifted = logits[:, :-1].contiguous()
    losses = torch.nn.functional.cross_entropy(shifted.view(-1, shifted.size(-1)), rows[:, 1:].reshape(-1), reduction="none")
    losses = losses.view(4, -1) * mask[:, 1:]
    sums = losses.sum(1)
    return sums.argmin().item(), (sums / mask.sum(1)).argmin().item()


def by_harness(model, encode, item):
    query = clean(f"{item['activity_label']}: {item['ctx_a']} {item['ctx_b'].capitalize()}")
    context = encode(query.rstrip())
    sums, lengths = [], []
    for ending in map(clean, item["endings"]):
        whole = encode(f"{query} {ending}")
        scored = torch.tensor(whole[len(context):])
        log_probabilities = torch.log_softmax(model(torch.tensor([whole[:-1]])).logits, -1)[0, -len(scored):]
        sums.append(log_probabilities.gather(1, scored[:, None]).sum())
        lengths.append(len(ending))
    sums = torch.stack(sums)
    return sums.argmax().item(), (sums / torch.tensor(lengths)).argmax().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--items", type=int, default=20)
    options = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    tokenizer = GPT2TokenizerFast.from_pretrained(options.model)
    model = GPT2LMHeadModel.from_pretrained(options.model, dtype=torch.float32).eval()
    with open(options.data) as file:
        items = [json.loads(line) for line, _ in zip(file, range(options.items))]

    def encode(text):
        return tokenizer(text)["input_ids"]

    seconds = []
    with torch.inference_mode():
        for score in (by_nanogpt, by_harness):
            score(model, encode, items[0])
            begin = time.perf_counter()
            for item in items:
                score(model, encode, item)
            seconds.append(time.perf_counter() - begin)
    rates = [len(items) / second for second in (*seconds, sum(seconds))]
    print("transformers {}: build-nanogpt {:.2f} items/s, lm-evaluation-harness {:.2f}, both {:.3f}".format(
        transformers.__version__, *rates))


main()
