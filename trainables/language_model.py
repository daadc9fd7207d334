"""Low-rank adapters (LoRA, Hu et al. 2021) for any causal language model of Hugging Face, on a text of one's own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from orchestune.errors import DataError, UnknownName
from orchestune.training import Data, TorchTrainable, randomness
from orchestune.training.data import SPLITS, Split, batches
from trainables import hugging_face
from trainables.small_gemma import small_gemma
from trainables.texts import Texts, python_code

SMALL = "small-gemma"
ADAPTERS = "adapter_model.safetensors"  # peft's name for them, beside its adapter_config.json


class LanguageModelLora(TorchTrainable):
    """Fine-tunes a model's adapters alone: beside each target, a linear layer from `in` to `out`, a path through `rank`
    numbers, so that a target adds rank * (in + out) weights. Out of the box on Python's own source code.

    A subclass gives another text by `make_texts`. The base model is a parameter: `base = "google/gemma-2b"` is Google's
    (which asks for its licence to be accepted, and for a GPU), a folder is what lies there. It is never written:
    a checkpoint holds the adapters as peft keeps them, so that `PeftModel.from_pretrained(base, "runs/NAME/best")`
    reads the winner's, and the optimizer's state.
    """

    metrics = ("train_loss", "val_loss", "val_perplexity", "trainable_parameters")
    test_only = ("base_loss", "trainable_parameters", "trainable_share", "text_before", "text_after")
    evaluation_batch_size = 16  # a large vocabulary makes scores of gigabytes of a few examples
    prompt: ClassVar[str] = "def "  # what the test has the model continue
    written: ClassVar[int] = 16  # tokens, the most likely one each time

    @dataclass(frozen=True, kw_only=True)
    class Params(TorchTrainable.Params):
        base: str = SMALL  # a model's folder or its name on Hugging Face's hub; small-gemma is made when it is needed
        characters: int = 1_000_000  # to learn from, at the most: the text's first ones
        length: int = 64  # tokens of an example
        rank: int = 8  # numbers that each adapter passes its input through
        alpha: float = 16.0  # an adapter's output is multiplied by alpha / rank
        dropout: float = 0.0  # probability of zeroing an adapter's input, while training
        targets: tuple[str, ...] = ("q_proj", "v_proj")  # names of the linear layers that get an adapter, in each block
        batch_size: int = 8  # examples at a time

        def __post_init__(self) -> None:
            super().__post_init__()
            for name in ("characters", "length", "rank"):
                if getattr(self, name) < 1:
                    raise ValueError(f"parameter {name!r} is {getattr(self, name)!r}: 1 or more is needed")
            if not 0 <= self.dropout < 1:
                raise ValueError(f"parameter 'dropout' is {self.dropout!r}: 0 or more, and below 1, is needed")
            if not self.targets:
                raise ValueError("parameter 'targets' is empty: without a layer that gets an adapter nothing can train")

    folder: str  # of the base model, or its name on the hub
    tokenizer: Any

    # ---- what a subclass may write

    def make_texts(self) -> Texts:
        return python_code()

    # ---- what is trained

    @classmethod
    def prepare(cls) -> None:
        hugging_face.require()

    def make_data(self) -> Data:
        """Examples of `length` tokens, int64, one after another through the texts; the targets are the tokens after."""
        hugging_face.require()
        p = self.params
        self.folder = str(small_gemma()) if p.base == SMALL else p.base
        self.tokenizer, data = _read(self.folder, self.make_texts(), p.characters, p.length)
        return data

    def make_model(self) -> nn.Module:
        p = self.params
        model = hugging_face.load_model(self.folder)
        model.config.use_cache = False  # of keys and values, for writing; `generate` has its own
        layers = {name.rpartition(".")[2] for name, part in model.named_modules() if isinstance(part, nn.Linear)}
        for target in p.targets:
            if target not in layers:
                raise UnknownName(f"linear layer of {p.base}", target, layers)
        adapters = {"r": p.rank, "lora_alpha": p.alpha, "lora_dropout": p.dropout, "target_modules": [*p.targets]}
        made: nn.Module = hugging_face.with_adapters(model, **adapters)
        return made

    def loss(self, output: Any, target: Tensor) -> Tensor:
        """Cross entropy of the next token, in nats: logits of shape (examples, length, tokens of the vocabulary)."""
        return nn.functional.cross_entropy(output.logits.float().flatten(0, 1), target.flatten())

    def train_epoch(self) -> dict[str, float]:
        return {**super().train_epoch(), "trainable_parameters": float(self.trainable_parameters)}

    def evaluate(self, split: Split) -> dict[str, float]:
        """Mean loss over a split's tokens, and its exponential. Batch by batch: all scores at once would not fit."""
        total, seen = 0.0, 0
        self.model.eval()
        with torch.no_grad(), randomness.preserved(self.device):
            for inputs, target in self._on_device(batches(split, self.evaluation_batch_size)):
                with self.precision.autocast():
                    total += self.loss(self.model(inputs), target).item() * len(target)
                seen += len(target)
        loss = total / seen
        return {"loss": loss, "perplexity": math.exp(loss) if loss < 700 else math.inf}

    # ---- what a test tells

    def test(self) -> dict[str, Any]:
        """Loss and perplexity on the test text; beside them the base model's loss, and what each of the two writes."""
        scores = super().test()
        after = self.write()
        with self.model.disable_adapter():  # type: ignore[operator]
            base, before = self.evaluate(self.data.test)["loss"], self.write()  # type: ignore[arg-type]
        count = self.trainable_parameters
        share = count / sum(weight.numel() for weight in self.model.parameters())
        told = (base, count, share, before, after)
        return {**scores, **{f"test_{name}": value for name, value in zip(self.test_only, told, strict=True)}}

    def write(self) -> str:
        """How the model as it is continues `prompt`, without the blanks at its end."""
        self.model.eval()
        given = self.tokenizer(self.prompt, return_tensors="pt").to(self.device)
        with torch.no_grad(), randomness.preserved(self.device):
            written = self.model.generate(  # type: ignore[operator]
                input_ids=given["input_ids"], attention_mask=given["attention_mask"],
                max_new_tokens=self.written, do_sample=False, pad_token_id=self.tokenizer.eos_token_id,
            )  # fmt: skip
        return str(self.tokenizer.decode(written[0], skip_special_tokens=True)).rstrip()

    @property
    def trainable_parameters(self) -> int:
        """How many weights train: those of the adapters."""
        return sum(weight.numel() for weight in self._weights())

    # ---- state

    def model_state(self) -> dict[str, Any]:
        return {}  # the adapters lie beside it, in peft's own form

    def load_model_state(self, state: dict[str, Any]) -> None:
        """Nothing: see `read_state`."""

    def write_state(self, directory: Path) -> None:
        from peft import get_peft_model_state_dict
        from safetensors.torch import save_file

        super().write_state(directory)
        adapters = get_peft_model_state_dict(self.model, save_embedding_layers=False)
        save_file({name: weight.contiguous() for name, weight in adapters.items()}, directory / ADAPTERS)
        self.model.peft_config["default"].save_pretrained(str(directory))  # type: ignore[index, union-attr]

    def read_state(self, directory: Path) -> None:
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        super().read_state(directory)
        set_peft_model_state_dict(self.model, load_file(directory / ADAPTERS))


@lru_cache(maxsize=4)  # per process, however many trials it trains
def _read(base: str, texts: Texts, characters: int, length: int) -> tuple[Any, Data]:
    """The tokenizer and the three splits. Raises DataError where a text is shorter than an example."""
    tokenizer = hugging_face.load_tokenizer(base)
    splits = {}
    for name in SPLITS:
        text = getattr(texts, name)[: characters if name == "train" else None]
        tokens = torch.tensor(tokenizer(text, add_special_tokens=False)["input_ids"])
        count = (len(tokens) - 1) // length
        if count < 1:
            raise DataError(f"the {name} text has {len(tokens)} tokens: more than length, {length}, are needed")
        whole = slice(0, count * length)
        splits[name] = (tokens[:-1][whole].view(count, length), tokens[1:][whole].view(count, length))
    return tokenizer, Data(**splits)
