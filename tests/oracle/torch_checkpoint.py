# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
"""Files of torch.save as models: what nanoGPT, build-nanogpt and older Hugging Face directories hold comes out of gpt2-export with
every weight the same, and gives PyTorch's logits."""
import argparse
import dataclasses
import json
import pathlib
import subprocess
import tempfile

import torch
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel

SIZES = {"n_layer": 2, "n_head": 4, "n_embd": 64}
MATRICES = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


@dataclasses.dataclass
class GPTConfig:
    block_size: int = 32
    vocab_size: int = 50304
    n_layer: int = 2
    n_head: int = 4
    n_embd: int = 64


def linear_state(state, prefix=""):
    """Conv1D's matrices as nn.Linear's, as views or not: whatever PyTorch makes contiguous is stored so."""
    return {prefix + name: tensor.T.contiguous() if name.endswith(MATRICES) else tensor for name, tensor in state.items()}


def export(bin_dir, model, out):
    done = subprocess.run([bin_dir / "gpt2-export", "-q", "--checkpoint", model, "--out", out, "--dtype", "f32"],
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done
    return load_file(out / "model.safetensors")


def check(bin_dir, model_path, expected, folder):
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        tensors = export(bin_dir, model_path, pathlib.Path(scratch) / "out")
        assert tensors.keys() == {name for name in expected if name != "lm_head.weight"}, tensors.keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, expected[name].float()[:len(tensor)]), name
        exported = GPT2LMHeadModel.from_pretrained(pathlib.Path(scratch) / "out").eval()
    return exported


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--data", default="")
    arguments = parser.parse_args()
    torch.manual_seed(11)
    reference = GPT2LMHeadModel(GPT2Config(vocab_size=50304, n_positions=32, initializer_range=0.2, **SIZES)).eval()
    state = reference.state_dict()
    tokens = torch.randint(50257, (2, 32))
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)

        def check_state(label, value, expected):
            path = folder / f"{label}.pt"
            torch.save(value, path)
            exported = check(arguments.bin, path, expected, folder)
            print(f"{label}: {len(expected)} tensors")
            return exported

        # nanoGPT: with its optimizer's state beside it, compiled, and in the types that people save to halve a file.
        parameters = [torch.nn.Parameter(tensor.clone()) for tensor in state.values()]
        optimizer = torch.optim.AdamW(parameters)
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        beside = {"optimizer": optimizer.state_dict(), "model_args": {**SIZES, "block_size": 32, "bias": True, "dropout": 0.0},
                  "iter_num": 2000, "best_val_loss": torch.tensor(1.25), "config": {"out_dir": "out", "learning_rate": 6e-4}}
        exported = check_state("nanogpt", {"model": linear_state(state), **beside}, state)
        with torch.no_grad():
            assert torch.equal(exported(tokens).logits, reference(tokens).logits)
        check_state("compiled", {"model": linear_state(state, "_orig_mod."), **beside}, state)
        for kind in (torch.bfloat16, torch.float16):
            rounded = {name: tensor.to(kind) for name, tensor in state.items()}
            check_state(str(kind).removeprefix("torch."), {"model": linear_state(rounded), **beside}, rounded)
        without = {name: tensor for name, tensor in linear_state(state).items() if not name.endswith(".bias")}
        zeros = {name: torch.zeros_like(tensor) if name.endswith(".bias") else tensor for name, tensor in state.items()}
        check_state("no_biases", {"model": without, **beside}, zeros)
        mask = torch.tril(torch.ones(32, 32)).view(1, 1, 32, 32)
        masks = {f"transformer.h.{layer}.attn.bias": mask for layer in range(2)}
        check_state("masks", {"model": {**linear_state(state), **masks}, **beside}, state)
        for protocol in (2, 3, 4, 5):
            path = folder / f"protocol_{protocol}.pt"
            torch.save({"model": linear_state(state), **beside}, path, pickle_protocol=protocol)
            check(arguments.bin, path, state, folder)
        print("pickle protocols 2 to 5")
        # build-nanogpt: an object of a class that no reader has.
        check_state("build_nanogpt", {"model": linear_state(state), "config": GPTConfig(), "step": 19072, "val_loss": 3.07}, state)

        directory = folder / "hugging_face"
        reference.save_pretrained(directory)
        (directory / "model.safetensors").unlink()
        torch.save(state, directory / "pytorch_model.bin")
        check(arguments.bin, directory, state, folder)
        (directory / "pytorch_model.bin").unlink()
        names = sorted(state)
        weight_map = {}
        for part, chosen in enumerate((names[::2], names[1::2]), 1):
            file = f"pytorch_model-{part:05}-of-00002.bin"
            torch.save({name: state[name] for name in chosen}, directory / file)
            weight_map.update(dict.fromkeys(chosen, file))
        (directory / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
        check(arguments.bin, directory, state, folder)
        print("pytorch_model.bin, whole and by its index")

        old = folder / "old.pt"
        torch.save({"model": linear_state(state), **beside}, old, _use_new_zipfile_serialization=False)
        done = subprocess.run([arguments.bin / "gpt2-export", "--checkpoint", old, "--out", folder / "none"], capture_output=True, text=True)
        assert done.returncode == 65 and "before 1.6" in done.stderr, done
        print("the format before PyTorch 1.6: refused by name")


if __name__ == "__main__":
    main()
