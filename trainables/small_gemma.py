"""A Gemma of 115,000 weights, taught in seconds what prose looks like: a base for want of a large one.

It is made as Google's are, by transformers' own GemmaConfig, and kept as they are: a folder with a tokenizer and
safetensors, which any of Hugging Face's tools reads.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from orchestune.training.node_folder import folder_once_per_node
from trainables import hugging_face
from trainables.texts import manual

VOCABULARY = 512  # tokens: the 256 bytes, three special ones, and the pairs that the text has most often
LENGTH, BATCH = 64, 16  # tokens an example, examples an update
LR = 4e-3  # at the most, step size per update


def small_gemma(hidden: int = 64, layers: int = 2, updates: int = 300) -> Path:
    """The model's folder, made once per node from the reference manual of this Python.

    `hidden` is the width of a layer, a multiple of 8. Raises DataError, and OrchestuneError without the libraries.
    """
    hugging_face.require()
    made_by = [Path(__file__).read_text(encoding="utf-8"), version("transformers"), version("torch")]
    return folder_once_per_node(_pretrained, manual(), hidden, layers, updates, made_by)


def _pretrained(folder: Path, text: str, hidden: int, layers: int, updates: int, made_by: list[str]) -> None:
    """`made_by` is read by nobody: where this file or a library is another one, the folder is."""
    tokenizer = _tokenizer(text)
    tokens = torch.tensor(tokenizer(text)["input_ids"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = _model(tokenizer, hidden, layers)
        _teach(model, tokens[: len(tokens) // LENGTH * LENGTH].view(-1, LENGTH), updates)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


def _tokenizer(text: str) -> Any:
    """Of bytes and their most frequent pairs, so that no text is foreign to it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = ["<pad>", "<eos>", "<bos>"]  # the ids that Gemma's have
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([text], trainer)
    names = dict(zip(("pad_token", "eos_token", "bos_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def _model(tokenizer: Any, hidden: int, layers: int) -> Any:
    from transformers import GemmaConfig, GemmaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    heads = 4
    return GemmaForCausalLM(
        GemmaConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=2 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=hidden // heads,
            max_position_embeddings=4 * LENGTH,
        )
    )


def _teach(model: Any, examples: Tensor, updates: int) -> None:
    """Next tokens, of `examples` of shape (examples, length) drawn at random, the step size rising and falling once."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LR, total_steps=updates, pct_start=0.1)
    model.train()
    for _ in range(updates):
        example = examples[torch.randint(len(examples), (BATCH,))]
        scores = model(example[:, :-1], use_cache=False).logits
        loss = nn.functional.cross_entropy(scores.flatten(0, 1), example[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
