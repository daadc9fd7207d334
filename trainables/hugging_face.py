"""Hugging Face's libraries, imported when they are needed: whatever needs them not, works without them."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

from orchestune.errors import DataError, OrchestuneError

NEEDED = ("transformers", "peft", "safetensors", "tokenizers")


def require() -> None:
    """Raises OrchestuneError saying what to install, where a library is missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise OrchestuneError(f"not installed: {', '.join(missing)}. Language models need: pip install -e '.[lora]'")


def load_tokenizer(base: str) -> Any:
    """The tokenizer of a model by its folder or its name on the hub. Raises DataError."""
    return _load("AutoTokenizer", base)


def load_model(base: str) -> Any:
    """The causal language model, its weights mapped from its safetensors file: trials of a node share the memory.

    In the numbers that it is stored in. What a trial writes into a weight stays in its process. Raises DataError.
    """
    return _load("AutoModelForCausalLM", base)


def with_adapters(model: Any, **settings: Any) -> Any:
    """`model` with fresh low-rank adapters, the only weights of it that train; `settings` are peft's LoraConfig's."""
    from peft import LoraConfig, get_peft_model

    with warnings.catch_warnings():
        # peft 0.21 asks transformers 5.24 for what the latter is to call otherwise in its version 6.
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
        return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings))


def _load(kind: str, base: str) -> Any:
    import transformers

    transformers.utils.logging.disable_progress_bar()
    try:
        return getattr(transformers, kind).from_pretrained(base)
    except (OSError, ValueError) as problem:  # no such folder or name, no network, a gated model, a damaged file
        raise DataError(f"language model {base!r} cannot be loaded: {problem}") from problem
