# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""gpt2-export --format llmc against a reader written from formats/llmc.md alone, and the way back to Hugging Face's files."""
import argparse
import pathlib
import struct
import subprocess
import sys
import tempfile

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel

END_OF_TEXT = "<|endoftext|>"
TEXT = "the sea and a ship of kings went down by night; na\u00efve as snow \u96ea, said: don't! "
TYPES = {"f32": (3, torch.float32), "bf16": (5, torch.bfloat16)}
LAYER = ["ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias",
         "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"]


def make_model(folder):
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator([TEXT * 50], vocab_size=300, special_tokens=[END_OF_TEXT], show_progress=False)
    tokenizer.save_model(str(folder))
    torch.manual_seed(5)
    end_of_text = tokenizer.token_to_id(END_OF_TEXT)
    model = GPT2LMHeadModel(GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_positions=32, n_embd=24, n_layer=3, n_head=3, initializer_range=0.2,
        bos_token_id=end_of_text, eos_token_id=end_of_text,
    ))
    model.save_pretrained(folder)
    return model, tokenizer


def run(bin_dir, *arguments):
    done = subprocess.run([bin_dir / "gpt2-export", *arguments], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done


def read_words(path):
    data = path.read_bytes()
    return struct.unpack("<256i", data[:1024]), data[1024:]


def check_model(path, model, version, kind):
    words, data = read_words(path)
    config, state = model.config, model.state_dict()
    rows = (config.vocab_size + 127) // 128 * 128
    assert words[:8] == (20240326, version, 32, config.vocab_size, 3, 3, 24, rows), words[:8]
    assert not any(words[8:])
    values = torch.frombuffer(bytearray(data), dtype=kind)
    wte = state["transformer.wte.weight"].to(kind)
    wanted = [wte.flatten(), torch.zeros((rows - len(wte)) * 24, dtype=kind),
              state["transformer.wpe.weight"].to(kind).flatten()]
    for name in LAYER:
        for layer in range(3):
            tensor = state[f"transformer.h.{layer}.{name}"].to(kind)
            wanted.append(tensor.T.flatten() if tensor.dim() == 2 else tensor)
    wanted += [state["transformer.ln_f.weight"].to(kind), state["transformer.ln_f.bias"].to(kind)]
    assert torch.equal(values, torch.cat(wanted))


def check_tokenizer(path, tokenizer):
    words, data = read_words(path)
    assert words[:4] == (20240328, 2, tokenizer.get_vocab_size(), tokenizer.token_to_id(END_OF_TEXT)), words[:4]
    tokens = []
    while data:
        tokens.append(data[1:1 + data[0]])
        data = data[1 + data[0]:]
    assert len(tokens) == words[2]
    assert tokens[words[3]] == END_OF_TEXT.encode()
    assert b"".join(tokens[i] for i in tokenizer.encode(TEXT).ids) == TEXT.encode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        source = folder / "source"
        source.mkdir()
        model, tokenizer = make_model(source)
        for dtype, (version, kind) in TYPES.items():
            run(arguments.bin, "--checkpoint", source, "--out", folder / "out", "--format", "llmc", "--dtype", dtype)
            check_model(folder / "out" / "model.bin", model, version, kind)
            check_tokenizer(folder / "out" / "gpt2_tokenizer.bin", tokenizer)
            run(arguments.bin, "--checkpoint", folder / "out" / "model.bin", "--vocab", source, "--out", folder / "back")
            again = GPT2LMHeadModel.from_pretrained(folder / "back")
            for name, tensor in model.state_dict().items():
                assert torch.equal(again.state_dict()[name], tensor.to(kind).float()), name
    return 0


if __name__ == "__main__":
    sys.exit(main())
