"""Low-rank adapters: what trains, what is kept, what is shared; on a Gemma that knows nothing."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from orchestune.errors import DataError, OrchestuneError, UnknownName
from tests.trainables.gemma import NEEDS_LORA, tiny_gemma
from trainables import hugging_face
from trainables.language_model import ADAPTERS, LanguageModelLora
from trainables.small_gemma import small_gemma
from trainables.texts import Texts, manual, python_code, source

HOUSE = Path(__file__).parents[2]
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")
ATTENTION_SIZE, MLP_SIZE = 16 + 16, 16 + 32  # in + out of each, in a tiny Gemma


def lora(**config: Any) -> LanguageModelLora:
    return LanguageModelLora({"base": tiny_gemma(), "characters": 3000, **config})


def trained(made: LanguageModelLora, epochs: int) -> list[dict[str, Any]]:
    return [made.step() for _ in range(epochs)]


@NEEDS_LORA
@pytest.mark.parametrize("rank", [1, 5])
@pytest.mark.parametrize(
    ("targets", "size"),
    [
        (("q_proj",), ATTENTION_SIZE),
        (ATTENTION, 4 * ATTENTION_SIZE),
        (("down_proj",), MLP_SIZE),
        ((*ATTENTION, *MLP), 4 * ATTENTION_SIZE + 3 * MLP_SIZE),
    ],
    ids=["one", "attention", "down", "all"],
)
def test_rank_times_in_and_out_of_each_target_train(rank: int, targets: tuple[str, ...], size: int) -> None:
    made = lora(rank=rank, targets=targets)
    assert made.trainable_parameters == rank * size
    assert made.step()["trainable_parameters"] == rank * size
    assert sum(w.numel() for group in made.optimizer.param_groups for w in group["params"]) == rank * size
    assert made.test()["test_trainable_parameters"] == rank * size


@NEEDS_LORA
def test_adapters_alone_change_and_each_of_them_does() -> None:
    made = lora(targets=[*ATTENTION, *MLP], weight_decay=0.1)
    before = {name: weight.clone() for name, weight in made.model.named_parameters()}
    trained(made, 2)
    for name, weight in made.model.named_parameters():
        assert torch.equal(weight, before[name]) != ("lora_" in name), name


@NEEDS_LORA
def test_fresh_adapters_change_nothing_and_trained_ones_lower_the_loss() -> None:
    base = str(small_gemma(hidden=32, layers=1, updates=80))  # enough to have learnt something of prose
    made = lora(base=base, characters=30_000, rank=8, lr=0.02, targets=[*ATTENTION, *MLP])
    start = made.test()
    assert start["test_loss"] == start["test_base_loss"]
    assert start["test_text_before"] == start["test_text_after"]
    losses = [report["val_loss"] for report in trained(made, 2)]
    end = made.test()
    assert max(losses) < start["test_loss"]
    assert end["test_base_loss"] == start["test_base_loss"]
    assert end["test_loss"] < start["test_loss"] - 0.1
    assert end["test_text_before"] == start["test_text_before"]
    assert all(end[name].startswith("def") for name in ("test_text_before", "test_text_after"))


@NEEDS_LORA
def test_perplexity_is_the_exponential_of_the_mean_over_all_tokens() -> None:
    made = lora(length=50)
    report = made.step()
    assert report["val_perplexity"] == pytest.approx(math.exp(report["val_loss"]))
    inputs, target = made.data.validation  # type: ignore[misc]
    made.model.eval()
    with torch.no_grad():
        logits = made.model(inputs).logits
    whole = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), target.reshape(-1))
    assert report["val_loss"] == pytest.approx(whole.item(), rel=1e-5)


@NEEDS_LORA
def test_targets_are_the_tokens_after() -> None:
    made = lora(length=7)
    inputs, target = made.data.test  # type: ignore[misc]
    assert inputs.shape[1] == 7
    tokens = made.tokenizer(python_code().test, add_special_tokens=False)["input_ids"]
    assert inputs.flatten().tolist() == tokens[: inputs.numel()]
    assert target.flatten().tolist() == tokens[1 : inputs.numel() + 1]


@NEEDS_LORA
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft's own call
def test_a_checkpoint_holds_adapters_alone_and_peft_reads_it(tmp_path: Path) -> None:
    from peft import PeftModel
    from safetensors.torch import load_file

    made = lora(rank=3, lr=0.01)
    trained(made, 2)
    made.save_checkpoint(str(tmp_path))
    assert torch.load(tmp_path / "state.pt", weights_only=True)["model"] == {}
    kept = load_file(tmp_path / ADAPTERS)
    assert all("lora_" in name for name in kept)
    assert sum(weight.numel() for weight in kept.values()) == made.trainable_parameters

    read = PeftModel.from_pretrained(hugging_face.load_model(tiny_gemma()), str(tmp_path)).eval()
    example = made.data.test[0][:2]  # type: ignore[index]
    with torch.no_grad():
        assert torch.equal(read(example).logits, made.model.eval()(example).logits)


@NEEDS_LORA
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="what is mapped is told in /proc")
def test_the_base_is_mapped_from_its_file() -> None:
    file = Path(tiny_gemma()).resolve() / "model.safetensors"
    made = lora()
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(file))]
    ranges = [tuple(int(end, 16) for end in line.split()[0].split("-")) for line in lines]
    base = [weight for name, weight in made.model.named_parameters() if "lora_" not in name]
    assert base
    assert all(any(start <= weight.data_ptr() < end for start, end in ranges) for weight in base)
    with torch.no_grad():
        before = file.read_bytes()
        base[0].fill_(0)
    assert file.read_bytes() == before, "what a trial writes stays in its process"


@NEEDS_LORA
@pytest.mark.parametrize(
    ("config", "error", "said"),
    [
        ({"targets": ["q_porj"]}, UnknownName, "named 'q_porj'. Did you mean 'q_proj'?"),
        ({"targets": []}, ValueError, "parameter 'targets' is empty"),
        ({"rank": 0}, ValueError, "parameter 'rank' is 0: 1 or more is needed"),
        ({"dropout": 1.0}, ValueError, "parameter 'dropout' is 1.0: 0 or more, and below 1, is needed"),
        ({"characters": 20}, DataError, "more than length, 64, are needed"),
        ({"base": "/no/such/folder"}, DataError, "language model '/no/such/folder' cannot be loaded"),
    ],
    ids=["target", "targets", "rank", "dropout", "text", "base"],
)
def test_a_wrong_parameter_is_told(config: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as refused:
        lora(**config)
    assert said in str(refused.value)


def test_where_a_library_is_missing_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hugging_face.importlib.util, "find_spec", lambda name: None if name == "peft" else object())
    for asks in (LanguageModelLora.prepare, lambda: LanguageModelLora({})):
        with pytest.raises(OrchestuneError, match=r"not installed: peft\..*pip install -e '\.\[lora\]'"):
            asks()


def test_the_libraries_are_imported_by_those_who_need_them_alone() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['transformers', 'peft', 'safetensors', 'tokenizers']));"
        "import trainables.language_model; from orchestune import catalog; from pathlib import Path;"
        "print(catalog.load('lora_text', Path.cwd()).metric)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "val_loss"


def test_the_texts_are_there_and_apart() -> None:
    assert len(manual()) > 100_000
    code = python_code()
    assert isinstance(code, Texts)
    assert "class ConfigParser" in code.train
    assert not any(text[1000:2000] in code.train for text in (code.validation, code.test))
    with pytest.raises(DataError, match=r"source of the module 'sys' is not installed"):
        source("sys")
