# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""The model against PyTorch: logits, losses, gradients and AdamW steps from equal weights on real text, fp32, CPU.

Weights are made by transformers, written by its save_pretrained, and read by libcore (model_probe).
"""
import argparse
import math
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77

try:
    import numpy as np
    import torch
    from safetensors.numpy import load_file
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.utils import logging as transformers_logging
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(SKIPPED)

# Sums of float products in two orders: errors grow with their length, far below these bounds.
LOGITS_TOLERANCE = 1e-5  # max |a - b| / max |b|
LOSS_TOLERANCE = 1e-5  # relative
GRADIENT_TOLERANCE = 1e-4  # ||a - b|| / ||b||, tensor by tensor
TRAINING_TOLERANCE = 1e-4  # absolute, of every step's loss

SHAPES = {
    "large vocabulary": dict(n_layer=2, n_embd=48, n_head=3, n_positions=80, vocab_size=50257),
    "heads of 16": dict(n_layer=3, n_embd=80, n_head=5, n_positions=33, vocab_size=1000),
    "n_inner not 4 C": dict(n_layer=2, n_embd=63, n_head=7, n_positions=50, vocab_size=997, n_inner=101),
    "124M": dict(n_layer=12, n_embd=768, n_head=12, n_positions=1024, vocab_size=50257),
}
BATCHES = {  # name: (B, T)
    "large vocabulary": (3, 65),
    "heads of 16": (4, 33),
    "n_inner not 4 C": (2, 50),
    "124M": (1, 96),
}
FAILURES = []


def check(name, value, bound):
    verdict = "ok" if value <= bound else "FAILED"
    print(f"{verdict:6} {name}: {value:.3g} (bound {bound:g})", flush=True)
    if not value <= bound:
        FAILURES.append(name)


def make_model(name):
    """Random weights: transformers' initialisation, with biases and gains moved from 0 and 1 so that they matter."""
    torch.manual_seed(1)
    shape = SHAPES[name]
    end_of_text = min(50256, shape["vocab_size"] - 1)
    config = GPT2Config(**shape, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
                        bos_token_id=end_of_text, eos_token_id=end_of_text)
    config._attn_implementation = "eager"
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter += 0.05 * torch.randn_like(parameter)
    return model


def gradient_of_mean_loss(model, inputs, targets):
    model.zero_grad()
    logits = model(inputs).logits
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    losses.mean().backward()
    return logits.detach().numpy(), losses.detach().numpy().reshape(inputs.shape)


def learning_rate(step, steps, warmup, peak, minimum):
    if step < warmup:
        return peak * (step + 1) / warmup
    ratio = (step - warmup) / (steps - warmup)
    return minimum + 0.5 * (1 + math.cos(math.pi * ratio)) * (peak - minimum)


def train(model, batches, warmup, peak, minimum):
    """The losses of AdamW steps as nanoGPT takes them: decay on matrices, clipping, warm-up, cosine."""
    parameters = list(model.parameters())
    groups = [{"params": [p for p in parameters if p.dim() >= 2], "weight_decay": 0.1},
              {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8)
    losses = []
    for step, batch in enumerate(batches):
        _, batch_losses = gradient_of_mean_loss(model, batch[:, :-1], batch[:, 1:])
        losses.append(batch_losses.mean(dtype=np.float64))
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, len(batches), warmup, peak, minimum)
        optimizer.step()
    return losses


class Probe:
    """model_probe with a folder for its files."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def run(self, *arguments):
        return subprocess.run([self.program, *map(str, arguments)], check=True, capture_output=True,
                              text=True).stdout

    def tensors(self, verb, model, tokens, context):
        """`tokens`: one batch; its rows count T tokens, or T + 1 with gradients."""
        tokens.numpy().astype("<i4").tofile(self.folder / "tokens.bin")
        out = self.folder / "out.safetensors"
        self.run(verb, model, self.folder / "tokens.bin", len(tokens), context, out)
        return load_file(out)

    def logits(self, model, inputs):
        return self.tensors("logits", model, inputs, inputs.shape[1])["logits"]

    def train(self, model, batches, warmup, peak, minimum):
        batches.numpy().astype("<i4").tofile(self.folder / "tokens.bin")
        steps, B, row = batches.shape
        return [float(line) for line in
                self.run("train", model, self.folder / "tokens.bin", B, row - 1, steps, warmup, peak,
                         minimum).split()]


def relative_maximum(a, b):
    return float(np.abs(a - b).max() / np.abs(b).max())


def compare_gradients(name, model, directory, probe, text):
    B, T = BATCHES[name]
    batch = (text[:B * (T + 1)] % SHAPES[name]["vocab_size"]).reshape(B, T + 1)
    logits, losses = gradient_of_mean_loss(model, batch[:, :-1], batch[:, 1:])
    ours = probe.tensors("gradients", directory, batch, T)
    check(f"{name}, logits", relative_maximum(ours["logits"], logits), LOGITS_TOLERANCE)
    check(f"{name}, losses", relative_maximum(ours["losses"], losses), LOSS_TOLERANCE)
    names = {key for key in ours if key.startswith("transformer.")}
    expected = dict(model.named_parameters())  # lists the tied embedding once
    if names != set(expected):
        FAILURES.append(f"{name}, names of the parameters: {names ^ set(expected)}")
        return
    errors = {}
    for key, parameter in expected.items():
        gradient = parameter.grad.numpy()
        errors[key] = float(np.linalg.norm(ours[key] - gradient) / np.linalg.norm(gradient))
    worst = max(errors, key=errors.get)
    check(f"{name}, gradients (worst of {len(errors)}: {worst})", errors[worst], GRADIENT_TOLERANCE)


def compare_training(name, model, directory, probe, text):
    steps, warmup = 20, 5
    peak, minimum = (6e-4, 6e-5) if name == "124M" else (1e-3, 1e-4)  # GPT-2's own rates, and a small model's
    B, T = BATCHES[name]
    batches = (text[:steps * B * (T + 1)] % SHAPES[name]["vocab_size"]).reshape(steps, B, T + 1)
    expected = train(model, batches, warmup, peak, minimum)
    ours = probe.train(directory, batches, warmup, peak, minimum)
    worst = max(abs(a - b) for a, b in zip(ours, expected, strict=True))
    fell = expected[0] - expected[-1]
    check(f"{name}, losses of {steps} steps (they fall by {fell:.2f})", worst, TRAINING_TOLERANCE)


class Warnings:
    """Counts what transformers logs while it is open."""

    def __enter__(self):
        import logging

        self.lines = []
        self.handler = logging.Handler(logging.WARNING)
        self.handler.emit = lambda record: self.lines.append(record.getMessage())
        transformers_logging.add_handler(self.handler)
        return self

    def __exit__(self, *_):
        transformers_logging.remove_handler(self.handler)


def compare_directories(name, model, directory, probe, folder, text):
    """What we write loads in transformers without a word; what it writes in other forms loads here."""
    B, T = BATCHES[name]
    inputs = (text[:B * T] % SHAPES[name]["vocab_size"]).reshape(B, T)
    with torch.no_grad():
        expected = model(inputs).logits.numpy()

    ours = folder / "ours"
    ours.mkdir()
    probe.run("save", directory, ours)
    with Warnings() as warnings:
        loaded, info = GPT2LMHeadModel.from_pretrained(ours, output_loading_info=True)
        loaded.generate(inputs[:1, :5], attention_mask=torch.ones(1, 5), max_new_tokens=2, do_sample=False)
    said = warnings.lines + [f"{key}: {value}" for key, value in info.items() if value]
    check(f"{name}, warnings of transformers for a directory of ours {said}", len(said), 0)
    with torch.no_grad():
        check(f"{name}, logits of a directory of ours in transformers",
              relative_maximum(loaded.eval()(inputs).logits.numpy(), expected), LOGITS_TOLERANCE)

    def check_read(form, save, reference=expected):
        path = folder / form.replace(" ", "-")
        save(path)
        check(f"{name}, logits of a directory of transformers, {form}",
              relative_maximum(probe.logits(path, inputs), reference), LOGITS_TOLERANCE)

    check_read("sharded", lambda path: model.save_pretrained(path, max_shard_size="200KB"))
    if not (folder / "sharded/model.safetensors.index.json").exists():
        FAILURES.append("transformers wrote no index")
    check_read("without prefix", lambda path: model.transformer.save_pretrained(path))
    for form, dtype in (("bf16", torch.bfloat16), ("f16", torch.float16)):
        rounded = GPT2LMHeadModel.from_pretrained(directory, dtype=dtype)
        with torch.no_grad():
            widened = GPT2LMHeadModel.from_pretrained(directory)
            widened.load_state_dict({key: value.float() for key, value in rounded.state_dict().items()})
            check_read(form, rounded.save_pretrained, widened.eval()(inputs).logits.numpy())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    needed = [options.bin / "model_probe", options.data / "gpt2/encoder.json",
              options.data / "gpt2/vocab.bpe", options.data / "tinyshakespeare/input.txt"]
    missing = [str(path) for path in needed if not path.exists()]
    if missing:
        print(f"skipped: missing {', '.join(missing)}")
        return SKIPPED
    torch.set_num_threads(2)
    transformers_logging.disable_progress_bar()
    tokenizer = ByteLevelBPETokenizer(str(needed[1]), str(needed[2]))
    text = torch.tensor(tokenizer.encode(needed[3].read_text()[:60000]).ids)

    for name in SHAPES:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            probe = Probe(needed[0], folder)
            model = make_model(name)
            directory = folder / "model"
            model.save_pretrained(directory)
            compare_gradients(name, model, directory, probe, text)
            if name != "124M":
                compare_directories(name, model, directory, probe, folder, text)
            compare_training(name, model, directory, probe, text)
    if FAILURES:
        print("failed:", *FAILURES, sep="\n  ")
    return 1 if FAILURES else 0


sys.exit(main())
