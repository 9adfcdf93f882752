# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""gpt2-eval-loss and gpt2-sample against transformers, on a random GPT-2 with a vocabulary of its own."""
import argparse
import json
import math
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel, GPT2TokenizerFast
from transformers.utils import logging

CONTEXT = 48
END_OF_TEXT = "<|endoftext|>"
WORDS = "the sea and a ship of kings went down by night; 12 men, naïve as snow 雪, said: don't!".split()


def run(*command, data=b""):
    done = subprocess.run([str(word) for word in command], input=data, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{command}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def make_text(words, seed):
    chosen = random.Random(seed).choices(WORDS, k=words)
    return "".join(word + random.Random(i).choice([" ", " ", " ", "\n"]) for i, word in enumerate(chosen))


def make_model(folder):
    """Writes model and tokenizer; gives both. Weights are large, so that tokens differ much in probability."""
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator([make_text(3000, 1)], vocab_size=320, special_tokens=[END_OF_TEXT], show_progress=False)
    tokenizer.save_model(str(folder))
    torch.manual_seed(3)
    end_of_text = tokenizer.token_to_id(END_OF_TEXT)
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_positions=CONTEXT, n_embd=40, n_layer=3, n_head=5,
        initializer_range=0.25, bos_token_id=end_of_text, eos_token_id=end_of_text,
    )
    model = GPT2LMHeadModel(config).eval()
    model.save_pretrained(folder)
    return model, tokenizer, end_of_text


def last_logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0, -1].double()


def window_loss(model, ids, context, stride):
    """Mean loss of all ids but the first; windows as in transformers' guide to perplexity, but of T inputs and T targets."""
    total, scored = 0.0, 0
    begin = 0
    while scored < len(ids) - 1:
        window = torch.tensor(ids[begin : begin + context + 1])
        with torch.no_grad():
            logits = model(window[None, :-1]).logits[0].double()
        losses = torch.nn.functional.cross_entropy(logits, window[1:], reduction="none")
        total += losses[scored - begin :].sum().item()
        scored = begin + len(losses)
        begin += stride
    return total / (len(ids) - 1)


def write_shard(path, ids):
    """A shard as llm.c writes it."""
    path.write_bytes(struct.pack("<3i", 20240520, 1, len(ids)) + bytes(1012) + struct.pack(f"<{len(ids)}H", *ids))


def compare_loss(options, folder, model, tokenizer, end_of_text):
    text = make_text(400, 2)
    path = folder / "text.txt"
    path.write_text(text, newline="")
    ids = [end_of_text] + tokenizer.encode(text).ids
    halves = [folder / "half_0.bin", folder / "half_1.bin"]
    write_shard(halves[0], ids[:333])
    write_shard(halves[1], ids[333:])
    for context, stride in [(CONTEXT, CONTEXT), (CONTEXT, 13), (20, 20), (20, 1)]:
        expected = window_loss(model, ids, context, stride)
        byte_count = len(text.encode())
        for source in (["--text", path], ["--shards", folder / "half_*.bin"]):
            found = json.loads(
                run(options.bin / "gpt2-eval-loss", "--checkpoint", folder, *source, "--context", context,
                    "--stride", stride, "--device", "cpu", "--json")
            )
            assert found["token_count"] == len(ids) - 1, found
            assert found["byte_count"] == byte_count, found
            assert math.isclose(found["loss"], expected, rel_tol=2e-6), (found, expected)
            assert math.isclose(found["perplexity"], math.exp(expected), rel_tol=1e-5), (found, expected)
            bits = expected * (len(ids) - 1) / math.log(2) / byte_count
            assert math.isclose(found["bits_per_byte"], bits, rel_tol=2e-6), (found, bits)
        print(f"context {context}, stride {stride}: loss {found['loss']:.7f}, transformers {expected:.7f}")


def compare_wikitext(options):
    """Real text and a real Hugging Face directory, at the two strides that published figures have."""
    folder, path = options.data / "tiny-gpt2", options.data / "wikitext-2" / "test.txt"
    if not (folder.exists() and path.exists()):
        print("no test data: WikiText is left out")
        return
    logging.disable_progress_bar()
    model = GPT2LMHeadModel.from_pretrained(folder).eval()
    tokenizer = GPT2TokenizerFast.from_pretrained(folder)
    text = path.read_bytes()[:20000].decode(errors="ignore")
    ids = [tokenizer.eos_token_id] + tokenizer(text, split_special_tokens=True).input_ids
    for stride in (1024, 512):
        expected = window_loss(model, ids, 1024, stride)
        found = json.loads(
            run(options.bin / "gpt2-eval-loss", "--checkpoint", folder, "--text", "-", "--stride", stride, "--json",
                data=text.encode())
        )
        words = len(text.split())
        assert found["token_count"] == len(ids) - 1 and found["word_count"] == words, found
        assert math.isclose(found["loss"], expected, rel_tol=2e-6), (found, expected)
        per_word = math.exp(expected * (len(ids) - 1) / words)
        assert math.isclose(found["word_perplexity"], per_word, rel_tol=1e-4), (found, per_word)
        print(f"WikiText, stride {stride}: loss {found['loss']:.7f}, transformers {expected:.7f}")


def philox(counter, key):
    """Philox4x32-10. Source: Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3."""
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(b >> 32) ^ counter[1] ^ key[0], b & 0xFFFFFFFF, (a >> 32) ^ counter[3] ^ key[1], a & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return counter


def pick(logits, temperature, top_k, top_p, seed, sequence, position):
    """libcore/sample/sampler.h: pick_token."""
    values = logits.tolist()
    ids = sorted(range(len(values)), key=lambda token: (-values[token], token))
    if temperature == 0:
        return ids[0]
    ids = ids[:top_k] if top_k else ids
    weights = {token: math.floor(2**47 * math.exp((values[token] - values[ids[0]]) / temperature)) for token in ids}
    staying, stayed = [], 0
    for token in ids:
        staying.append(token)
        stayed += weights[token]
        if stayed >= math.ceil(top_p * sum(weights.values())):
            break
    high, low = philox([position, 0, sequence, 0], [seed, 4])[:2]
    point = (high << 32 | low) * stayed >> 64
    total = 0
    for token in sorted(staying):
        total += weights[token]
        if total > point:
            return token
    raise AssertionError("no token was chosen")


def continue_by_transformers(model, prompt, end_of_text, max_tokens, **choice):
    """New tokens by whole forwards without a cache; a full context keeps its newer half."""
    seen, made = list(prompt or [end_of_text])[-CONTEXT:], []
    while len(made) < max_tokens:
        token = pick(last_logits(model, seen), position=len(made), **choice)
        if token == end_of_text:
            break
        made.append(token)
        seen.append(token)
        if len(seen) > CONTEXT:
            seen = seen[-(CONTEXT // 2) :]
    return made


def lossy(text):
    """Runs of bytes that are not UTF-8 may be replaced one by one or together."""
    return re.sub("\ufffd+", "\ufffd", text)


def compare_samples(options, folder, model, tokenizer, end_of_text):
    prompt = "the ship said: naïve"
    ids = tokenizer.encode(prompt).ids
    generated = model.generate(
        torch.tensor([ids]), do_sample=False, max_new_tokens=CONTEXT - len(ids), pad_token_id=end_of_text
    )[0, len(ids) :].tolist()
    if end_of_text in generated:
        generated = generated[: generated.index(end_of_text)]
    settings = [
        (prompt, dict(temperature=0.0, top_k=50, top_p=1.0, seed=42), CONTEXT - len(ids)),
        (prompt, dict(temperature=0.0, top_k=50, top_p=1.0, seed=42), 130),
        (prompt, dict(temperature=1.0, top_k=50, top_p=1.0, seed=42), 130),
        ("", dict(temperature=0.7, top_k=0, top_p=0.9, seed=7), 60),
        ("", dict(temperature=1.5, top_k=5, top_p=1.0, seed=1), 60),
    ]
    for text, choice, max_tokens in settings:
        flags = [word for name, value in choice.items() for word in ("--" + name.replace("_", "-"), value)]
        lines = run(
            options.bin / "gpt2-sample", "--checkpoint", folder, "--prompt-file", "-", "--num-sequences", 2,
            "--max-tokens", max_tokens, "--device", "cpu", "--json", *flags, data=text.encode(),
        ).splitlines()
        prompt_ids = tokenizer.encode(text).ids
        assert len(lines) == 2
        for sequence, line in enumerate(map(json.loads, lines)):
            expected = continue_by_transformers(model, prompt_ids, end_of_text, max_tokens, sequence=sequence, **choice)
            assert line["sequence"] == sequence
            assert line["tokens"] == expected, (choice, line["tokens"], expected)
            assert lossy(line["text"]) == lossy(tokenizer.decode(expected)), line
        if (text, choice, max_tokens) == settings[0]:
            assert json.loads(lines[0])["tokens"] == generated, (lines[0], generated)
        print(f"{choice}: {len(expected)} tokens as transformers gives them")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model, tokenizer, end_of_text = make_model(folder)
        compare_loss(options, folder, model, tokenizer, end_of_text)
        compare_samples(options, folder, model, tokenizer, end_of_text)
        compare_wikitext(options)


main()
