# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""gpt2-export --format hf against transformers: weights, logits and token ids of the exported directory."""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import warnings

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

END_OF_TEXT = "<|endoftext|>"
TEXT = "the sea and a ship of kings went down by night; 12 men, na\u00efve as snow \u96ea, said: don't! "
TORCH_TYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def make_model(folder):
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator([TEXT * 50], vocab_size=300, special_tokens=[END_OF_TEXT], show_progress=False)
    tokenizer.save_model(str(folder))
    torch.manual_seed(5)
    end_of_text = tokenizer.token_to_id(END_OF_TEXT)
    model = GPT2LMHeadModel(GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_positions=32, n_embd=24, n_layer=2, n_head=3, n_inner=50,
        initializer_range=0.2, bos_token_id=end_of_text, eos_token_id=end_of_text,
    )).eval()
    model.save_pretrained(folder)
    return model, tokenizer


def check(bin_dir, source, out, dtype, model, encode, *options):
    done = subprocess.run(
        [bin_dir / "gpt2-export", "--checkpoint", source, "--out", out, "--dtype", dtype, *options],
        capture_output=True, text=True,
    )
    assert done.returncode == 0 and done.stderr == "", done
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exported, loading = GPT2LMHeadModel.from_pretrained(out, dtype="auto", output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(out)
    for kind, names in loading.items():
        assert not names, (kind, names)
    wanted_type = TORCH_TYPES[dtype]
    for name, wanted in model.state_dict().items():
        found = exported.state_dict()[name]
        assert found.dtype == wanted_type, (name, found.dtype)
        assert torch.equal(found, wanted.to(wanted_type)), name
    ids = encode(TEXT)
    assert tokenizer(TEXT)["input_ids"] == ids
    assert tokenizer.decode(ids) == TEXT
    assert tokenizer.eos_token_id == exported.config.eos_token_id == model.config.eos_token_id
    window = torch.tensor([ids[:32]])
    with torch.no_grad():
        wanted_logits = model.to(wanted_type)(window).logits
        assert torch.equal(exported(window).logits, wanted_logits)
    model.float()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", default="")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        source = folder / "source"
        source.mkdir()
        for dtype in TORCH_TYPES:
            model, tokenizer = make_model(source)
            for options in ((), ("--max-shard-size", "20K")):
                check(arguments.bin, source, folder / "out", dtype, model, lambda text: tokenizer.encode(text).ids, *options)
        assert len(list((folder / "out").glob("model-*-of-*.safetensors"))) > 1
        if arguments.data:
            tiny = pathlib.Path(arguments.data) / "tiny-gpt2"
            reference = AutoTokenizer.from_pretrained(tiny)
            model = GPT2LMHeadModel.from_pretrained(tiny, dtype=torch.float32).eval()
            check(arguments.bin, tiny, folder / "tiny", "f32", model, lambda text: reference(text)["input_ids"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
