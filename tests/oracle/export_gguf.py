# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""gpt2-export --format gguf against the package gguf: keys as llama.cpp's converter writes them, and every tensor as gguf
itself quantises it."""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, TokenType, quants
from gguf.utility import size_label
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel

import torch

END_OF_TEXT = "<|endoftext|>"
TEXT = "the sea and a ship of kings went down by night; na\u00efve as snow \u96ea, said: don't! "
# Of each dtype: the type of the large matrices, and general.file_type.
TYPES = {
    "f32": (GGMLQuantizationType.F32, 0),
    "f16": (GGMLQuantizationType.F16, 1),
    "q8_0": (GGMLQuantizationType.Q8_0, 7),
    "bf16": (GGMLQuantizationType.BF16, 32),
}
NAMES = [
    ("transformer.wte", "token_embd"), ("transformer.wpe", "position_embd"), ("transformer.ln_f", "output_norm"),
    ("transformer.h.", "blk."), ("ln_1", "attn_norm"), ("ln_2", "ffn_norm"), ("attn.c_attn", "attn_qkv"),
    ("attn.c_proj", "attn_output"), ("mlp.c_fc", "ffn_up"), ("mlp.c_proj", "ffn_down"),
]


def make_model(folder, padding):
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator([TEXT * 50], vocab_size=300, special_tokens=[END_OF_TEXT], show_progress=False)
    tokenizer.save_model(str(folder))
    torch.manual_seed(5)
    end_of_text = tokenizer.token_to_id(END_OF_TEXT)
    tokens = tokenizer.get_vocab_size()
    model = GPT2LMHeadModel(GPT2Config(
        vocab_size=(tokens + padding - 1) // padding * padding, n_positions=32, n_embd=64, n_layer=2, n_head=4,
        initializer_range=0.2, bos_token_id=end_of_text, eos_token_id=end_of_text,
    ))
    model.save_pretrained(folder)
    return model, tokenizer


def gguf_name(name):
    for ours, theirs in NAMES:
        name = name.replace(ours, theirs)
    return name


def wanted_tensor(name, tensor, large):
    if name.startswith("transformer.h.") and tensor.dim() == 2:
        tensor = tensor.T
    values = tensor.contiguous().numpy()
    is_exact = tensor.dim() == 1 or name == "transformer.wpe.weight"
    kind = GGMLQuantizationType.F32 if is_exact else large
    return kind, values.shape, quants.quantize(values, kind)


def wanted_keys(model, tokenizer, file_type, name):
    config, state = model.config, model.state_dict()
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    padding = range(len(by_id), config.vocab_size)
    kinds = [TokenType.CONTROL if token == END_OF_TEXT else TokenType.NORMAL for token, _ in by_id]
    count = sum(tensor.numel() for key, tensor in state.items() if key != "lm_head.weight")
    return {
        "general.architecture": "gpt2",
        "general.type": "model",
        "general.name": name,
        "general.size_label": size_label(count, 0, 0, 0),
        "gpt2.block_count": config.n_layer,
        "gpt2.context_length": config.n_positions,
        "gpt2.embedding_length": config.n_embd,
        "gpt2.feed_forward_length": 4 * config.n_embd,
        "gpt2.attention.head_count": config.n_head,
        "gpt2.attention.layer_norm_epsilon": float(np.float32(config.layer_norm_epsilon)),
        "general.file_type": file_type,
        "general.quantization_version": 2,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": [token for token, _ in by_id] + [f"[PAD{i}]" for i in padding],
        "tokenizer.ggml.token_type": [int(kind) for kind in kinds] + [int(TokenType.UNUSED) for _ in padding],
        "tokenizer.ggml.bos_token_id": config.bos_token_id,
        "tokenizer.ggml.eos_token_id": config.bos_token_id,
        "tokenizer.ggml.unknown_token_id": config.bos_token_id,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False,
    }


def check(bin_dir, source, out, dtype, model, tokenizer):
    done = subprocess.run(
        [bin_dir / "gpt2-export", "--checkpoint", source, "--out", out, "--format", "gguf", "--dtype", dtype],
        capture_output=True, text=True,
    )
    assert done.returncode == 0 and done.stderr == "", done
    large, file_type = TYPES[dtype]
    reader = GGUFReader(out / "model.gguf")
    keys = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    merges = (source / "merges.txt").read_text().splitlines()[1:]
    assert keys.pop("tokenizer.ggml.merges") == merges
    assert keys == wanted_keys(model, tokenizer, file_type, out.name), keys
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        kind, shape, data = wanted_tensor(name, tensor, large)
        found = tensors.pop(gguf_name(name))
        assert found.tensor_type == kind, (name, found.tensor_type)
        assert list(found.shape) == list(reversed(shape)), (name, found.shape)
        assert found.data.tobytes() == data.tobytes(), name
    assert not tensors, list(tensors)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", default="")
    arguments = parser.parse_args()
    for padding in (1, 64):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "source"
            source.mkdir()
            model, tokenizer = make_model(source, padding)
            for dtype in TYPES:
                check(arguments.bin, source, pathlib.Path(folder) / "out", dtype, model, tokenizer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
