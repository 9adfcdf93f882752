#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""Peer of gpt2-train: AdamW steps of GPT-2 124M in PyTorch, fused attention and optimizer; on the CPU in fp32, on a GPU
(--device cuda) compiled and in bf16.

Prints the tokens a second of every step but the first, and the peak memory of the process. Input: a token shard of gpt2-shard.
"""
import argparse
import resource
import time

import numpy
import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention_in, self.attention_out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.mlp_in, self.mlp_out = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)

    def forward(self, x):
        batch, length, channels = x.shape
        packed = self.attention_in(self.norm_1(x)).view(batch, length, 3, self.heads, channels // self.heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.attention_out(mixed.transpose(1, 2).reshape(batch, length, channels))
        return x + self.mlp_out(functional.gelu(self.mlp_in(self.norm_2(x)), approximate="tanh"))


class Gpt2(nn.Module):
    def __init__(self, vocab_size=50257, context=1024, layers=12, heads=12, channels=768):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab_size, channels), nn.Embedding(context, channels)
        self.blocks = nn.ModuleList(Block(channels, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, 0, 0.02)

    def forward(self, inputs, targets):
        x = self.tokens(inputs) + self.positions(torch.arange(inputs.shape[1], device=inputs.device))
        for block in self.blocks:
            x = block(x)
        logits = functional.linear(self.norm(x), self.tokens.weight)
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shard")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    tokens = torch.from_numpy(numpy.fromfile(options.shard, dtype="<u2", offset=1024).astype(numpy.int64))
    on_gpu = options.device != "cpu"
    model = Gpt2().to(options.device)
    if on_gpu:
        model = torch.compile(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    rows, width = options.batch_size, options.context + 1
    for step in range(options.steps):
        batch = tokens[step * rows * width:(step + 1) * rows * width].view(rows, width).to(options.device)
        start = time.perf_counter()
        with torch.autocast(options.device, torch.bfloat16, enabled=on_gpu):
            loss = model(batch[:, :-1], batch[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        last_loss = loss.item()  # waits for the step
        if step > 0:
            seconds = time.perf_counter() - start
            print(f"PyTorch {torch.__version__}: {rows * options.context / seconds:.1f} tokens/s, loss {last_loss:.4f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"PyTorch {torch.__version__}: {peak:.2f} GiB at most")


main()
