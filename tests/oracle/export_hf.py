# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""gpt2-export --format hf against transformers: weights, logits and token ids of the exported directory.

Small models by default; --model gpt2|gpt2-medium|gpt2-large|gpt2-xl takes one of that size with random weights, in every type,
in one file and in several. With GPT2_TEST_DATA it has GPT-2's own vocabulary, else a small one of fewer tokens than rows."""
import argparse
import contextlib
import logging
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings

import tiktoken
import torch
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
from tiktoken_ext.openai_public import r50k_pat_str
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel
from transformers.utils import logging as transformers_logging

END_OF_TEXT = "<|endoftext|>"
TEXT = "the sea and a ship of kings went down by night; 12 men, na\u00efve as snow \u96ea, said: don't! "
TORCH_TYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
# Of a logit, in standard deviations of all: what rounding of the weights to 8 or 11 bits may come to.
TOLERANCES = {"f32": 0.0, "bf16": 0.1, "f16": 0.1 / 8}
SIZES = {"gpt2": (12, 12, 768), "gpt2-medium": (24, 16, 1024), "gpt2-large": (36, 20, 1280), "gpt2-xl": (48, 25, 1600)}


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


def make_model_of_size(folder, size, data):
    """Random weights, and as tokenizer the function that transformers has for the files in `folder`."""
    if data:
        shutil.copyfile(pathlib.Path(data) / "gpt2" / "encoder.json", folder / "vocab.json")
        shutil.copyfile(pathlib.Path(data) / "gpt2" / "vocab.bpe", folder / "merges.txt")
    else:
        make_model(folder)
    tokenizer = ByteLevelBPETokenizer.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    end_of_text = tokenizer.token_to_id(END_OF_TEXT)
    layers, heads, channels = SIZES[size]
    torch.manual_seed(5)
    model = GPT2LMHeadModel(GPT2Config(
        n_layer=layers, n_head=heads, n_embd=channels, bos_token_id=end_of_text, eos_token_id=end_of_text,
    )).eval()
    model.save_pretrained(folder)
    return model, lambda text: tokenizer.encode(text).ids


@contextlib.contextmanager
def silence_expected():
    """Fails on a warning, be it one of Python or a line in the log of transformers."""
    records = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = records.append
    log = transformers_logging.get_logger()
    log.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    finally:
        log.removeHandler(handler)
    assert not records, [record.getMessage() for record in records]


def check(bin_dir, source, out, dtype, model, encode, *options):
    """`model` is in float32; its logits are compared with those of the export."""
    done = subprocess.run(
        [bin_dir / "gpt2-export", "--checkpoint", source, "--out", out, "--dtype", dtype, *options],
        capture_output=True, text=True,
    )
    assert done.returncode == 0 and done.stderr == "", done
    with silence_expected():
        exported, loading = GPT2LMHeadModel.from_pretrained(out, dtype="auto", output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(out)
    for kind, names in loading.items():
        assert not names, (kind, names)
    wanted_type = TORCH_TYPES[dtype]
    found = exported.state_dict()
    assert found.keys() == model.state_dict().keys()
    for name, wanted in model.state_dict().items():
        assert found[name].dtype == wanted_type, (name, found[name].dtype)
        assert torch.equal(found[name], wanted.to(wanted_type)), name
    ids = encode(TEXT)
    assert tokenizer(TEXT)["input_ids"] == ids
    assert tokenizer.decode(ids) == TEXT
    assert Tokenizer.from_file(str(out / "tokenizer.json")).encode(TEXT).ids == ids
    assert tokenizer.eos_token_id == exported.config.eos_token_id == model.config.eos_token_id
    window = torch.tensor([ids[:32]])
    with torch.no_grad():
        wanted_logits = model(window).logits
        difference = (exported.float()(window).logits - wanted_logits).abs().max() / wanted_logits.std()
    assert difference <= TOLERANCES[dtype], (dtype, difference)
    return difference.item()


def check_tiktoken(out, encode):
    """tiktoken takes vocabularies of OpenAI's order alone: the bytes, the merges, the end of text."""
    os.environ["TIKTOKEN_CACHE_DIR"] = ""  # else it keeps files by their path
    ranks = data_gym_to_mergeable_bpe_ranks(str(out / "merges.txt"), str(out / "vocab.json"))
    encoding = tiktoken.Encoding("exported", pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens={END_OF_TEXT: len(ranks)})
    assert encoding.encode_ordinary(TEXT) == encode(TEXT)


def check_size(bin_dir, folder, size, data):
    source, out = folder / "source", folder / "out"
    source.mkdir()
    model, encode = make_model_of_size(source, size, data)
    file_bytes = str((source / "model.safetensors").stat().st_size // 5)
    for dtype in TORCH_TYPES:
        difference = check(bin_dir, source, out, dtype, model, encode)
        print(f"{size}, {dtype}: logits differ by at most {difference:.2g} standard deviations")
    check(bin_dir, source, out, dtype, model, encode, "--max-shard-size", file_bytes)
    files = [path.stat().st_size for path in out.glob("model-*-of-*.safetensors")]
    if data:
        check_tiktoken(out, encode)
    assert len(files) > 2 and not (out / "model.safetensors").exists(), files


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", default="")
    parser.add_argument("--model", choices=SIZES)
    arguments = parser.parse_args()
    transformers_logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if arguments.model:
            check_size(arguments.bin, folder, arguments.model, arguments.data)
            return 0
        source = folder / "source"
        source.mkdir()
        model, tokenizer = make_model(source)
        for dtype in TORCH_TYPES:
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
