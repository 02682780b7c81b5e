"""What every tensor holds, for each plan, layout and type: the naive twin says it again from the records."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from chefgenius import TokenStore
from samples import load, take
from twins import LAYOUTS, PLANS, SIDES, mixed_store, open_loader, twin


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return mixed_store(tmp_path_factory.mktemp("mixed"))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32], ids=str)
def test_a_batch_is_what_its_records_say(
    mixed: TokenStore, plan: str, layout: str, dtype: torch.dtype
) -> None:
    loader = open_loader(mixed, plan, layout, input_dtype=dtype)
    seen: list[int] = []
    for batch in loader:
        expected = twin(mixed, loader, batch, layout)
        assert list(batch) == list(expected)
        for name, tensor in batch.items():
            assert tensor.tolist() == expected[name], name
            wide = {"labels": torch.int64, "cu_seqlens": torch.int32, "decoder_cu_seqlens": torch.int32}
            assert tensor.dtype == wide.get(name, dtype), name
            assert tensor.is_contiguous(), name
        assert batch["cu_seqlens"].dim() == 1 if "cu_seqlens" in batch else plan != "packed"
        seen += batch.record_ids.tolist()
    assert sorted(seen) == list(range(61))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("longest", [(8, 2), (8, 512), (256, 2), (256, 512), (9, 40)])
@pytest.mark.parametrize("plan", ["fixed", "packed"])
def test_cutting_keeps_what_ends_a_part(
    mixed: TokenStore, plan: str, layout: str, longest: tuple[int, int]
) -> None:
    lengths = {"max_input_length": longest[0], "max_target_length": longest[1]}
    loader = open_loader(mixed, plan, layout, **lengths)
    ends = 0
    for batch in take(loader, 4):
        expected = twin(mixed, loader, batch, layout, **lengths)
        assert {name: tensor.tolist() for name, tensor in batch.items()} == expected
        ends += int((batch["labels"] == mixed.eos_token_id).sum())
        if layout == "seq2seq":
            assert int((batch["input_ids"] == mixed.eos_token_id).sum()) == len(batch.record_ids)
    assert ends == sum(
        len(batch.record_ids) for batch in take(open_loader(mixed, plan, layout, **lengths), 4)
    )


@pytest.mark.parametrize("layout", list(LAYOUTS)[1:])
def test_the_first_place_of_a_sequence_is_not_learned(mixed: TokenStore, layout: str) -> None:
    for plan in ("fixed", "packed"):
        looked = 0
        for batch in open_loader(mixed, plan, layout):
            if plan == "packed":
                begins = (batch["position_ids"] == 0) & (batch["segment_ids"] > 0)
            else:
                begins = torch.zeros_like(batch["labels"], dtype=torch.bool)
                begins[:, 0] = True
            assert int(begins.sum()) == len(batch.record_ids)
            assert set(batch["labels"][begins].tolist()) == {-100}
            looked += int(begins.sum())
        assert looked == 61


def test_a_label_is_the_id_of_its_own_place(mixed: TokenStore) -> None:
    """Causal labels are not shifted; what counts of them is what `step_info` counts."""
    for layout in list(LAYOUTS)[1:]:
        loader = open_loader(mixed, "packed", layout, micro_batches_per_step=1)
        for batch in loader:
            learned = batch["labels"] != -100
            assert torch.equal(batch["labels"][learned], batch["input_ids"][learned])
            assert not (learned & (batch["attention_mask"] == 0)).any()
            info = loader.step_info(0, batch.index)
            assert info.target_tokens == int(learned.sum())
            assert info.input_tokens == int(batch["attention_mask"].sum())


def test_what_tells_packed_records_apart_agrees(mixed: TokenStore) -> None:
    loader = open_loader(mixed, "packed")
    assert loader.columns is not None
    together = 0
    for batch in loader:
        for prefix, ids, side in (("", "input_ids", 0), ("decoder_", "labels", 1)):
            numbers, positions, ends = (batch[prefix + name] for name in SIDES)
            counted = numbers > 0
            assert batch[ids].shape[1] == loader.columns[side]
            flat, places = batch[ids][counted], positions[counted]
            assert int(ends[-1]) == len(flat)
            lengths = ends.diff().tolist()
            assert len(lengths) == len(batch.record_ids)
            for record, ids_of_one, place in zip(
                batch.record_ids, torch.split(flat, lengths), torch.split(places, lengths), strict=True
            ):
                stored = mixed.record(int(record))
                own = stored.target_ids if side else stored.prompt_ids
                assert ids_of_one.tolist()[:-1] == own.tolist()[: len(ids_of_one) - 1]
                assert int(ids_of_one[-1]) == mixed.eos_token_id
                assert place.tolist() == list(range(len(place)))
            together = max(together, int(numbers.max()))
    assert together > 1, "some row holds several records"


def test_a_model_that_keeps_segments_apart_sees_each_record_alone(mixed: TokenStore) -> None:
    """A toy attention over packed rows gives each record what it gives alone."""
    torch.manual_seed(0)
    table = torch.randn(mixed.vocab_size, 8, dtype=torch.float64)

    def attend(vectors: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores = (vectors @ vectors.T).masked_fill(~mask, -torch.inf)
        return torch.softmax(scores, 1) @ vectors

    for batch in take(open_loader(mixed, "packed", "causal both"), 5):
        ends = batch["cu_seqlens"].tolist()
        flat = batch["input_ids"][batch["segment_ids"] > 0]
        alone = [table[flat[begin:end]] for begin, end in pairwise(ends)]
        expected = torch.cat([attend(one, torch.ones(len(one), len(one)).tril().bool()) for one in alone])
        found = []
        for row, numbers in zip(batch["input_ids"], batch["segment_ids"], strict=True):
            real = numbers > 0
            same = numbers[:, None] == numbers[None, :]
            found.append(attend(table[row], same & torch.ones_like(same).tril())[real])
        assert torch.allclose(torch.cat(found), expected)


def test_int32_holds_what_int64_holds(mixed: TokenStore) -> None:
    for plan in PLANS:
        for narrow, wide in zip(
            open_loader(mixed, plan, input_dtype=torch.int32), open_loader(mixed, plan), strict=True
        ):
            assert all(torch.equal(tensor.long(), wide[name].long()) for name, tensor in narrow.items())
            assert narrow.state == wide.state, "it is no part of the plan"


def test_only_packed_rows_have_columns(mixed: TokenStore) -> None:
    for plan in PLANS:
        assert (open_loader(mixed, plan).columns is not None) == (plan == "packed")
    loader = open_loader(mixed, "packed", "causal")
    shapes = {tuple(batch[name].shape[1:]) for batch in loader for name in ("input_ids", "labels")}
    assert loader.columns is not None
    assert shapes == {(loader.columns[0],)} == {(loader.columns[1],)}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"layout": "decoder"}, r"`layout`: `'decoder'` is none of `seq2seq`, `causal`"),
    ({"layout": None}, r"`layout`: `None`"),
    ({"layout": ["causal"]}, "`layout`"),
    ({"layout": "causal", "loss_on": "prompt"}, r"`loss_on`: `'prompt'` is none of `target`, `both`"),
    ({"layout": "causal", "loss_on": True}, "`loss_on`"),
    ({"loss_on": "both"}, r"`loss_on`.*`layout=causal` only"),
    ({"bos_id": 1}, r"`bos_id`.*`layout=causal` only"),
    ({"separator_ids": [1]}, r"`separator_ids`.*`layout=causal` only"),
    *(({"layout": "causal", "bos_id": bad}, "`bos_id`") for bad in (-1, True, 1.0, "1", 2**31, float("nan"))),
    *(
        ({"layout": "causal", "separator_ids": bad}, "`separator_ids`")
        for bad in (5, "1", [-1], [True], [1.0], [2**31], [None], None)
    ),
    ({"layout": "causal", "separator_ids": range(300)}, r"`max_input_length`: 256 is below 300"),
    *(
        ({name: bad}, f"`{name}`")
        for name in ("max_input_length", "max_target_length")
        for bad in (0, 1, -1, True, 20.0, "20", None, 2**31, float("nan"))
    ),
    *(
        ({"input_dtype": bad}, r"`input_dtype`.*torch\.int64")
        for bad in (torch.float16, torch.int16, torch.bool, "int32", int, None)
    ),
]


@pytest.mark.parametrize(("options", "named"), REFUSED, ids=lambda value: str(value)[:60])
def test_an_option_out_of_range_is_named(store: TokenStore, options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        load(store, **options)
