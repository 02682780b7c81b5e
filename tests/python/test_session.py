"""A run from Python, as docs/api.md has it: stopped and gone on with; and the parts alone."""

import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import chefgenius
import pytest
import torch
from chefgenius import TokenStore
from chefgenius.model.model import Vocabulary, build_model
from chefgenius.run.manifest import write_file
from chefgenius.run.rundir import RunDirectory, read_run_facts
from chefgenius.settings import options
from chefgenius.settings.config import Config, ModelConfig
from chefgenius.training import checkpoint
from fitting import Counting, fit
from guide import execute
from running import MODEL, assert_same_run, words
from samples import run_python

GUIDE = Path(__file__).parents[2] / "docs" / "api.md"
run_guide = partial(execute, guide=GUIDE)


def test_importing_the_package_is_light() -> None:
    code = "import chefgenius; print({'torch', 'transformers', 'pydantic', 'numpy'} & set(sys.modules))"
    assert run_python(code) == "set()\n"


def test_every_name_is_there() -> None:
    for name in chefgenius.__all__:
        assert getattr(chefgenius, name) is not None, name
    assert list(chefgenius.__all__) == sorted(chefgenius.__all__)
    assert set(chefgenius.__all__) == set(chefgenius._MODULES)
    with pytest.raises(AttributeError, match="no attribute `nothing`"):
        _ = chefgenius.nothing


def test_the_reference_has_every_name_once() -> None:
    lines = (GUIDE.parent / "reference.md").read_text().splitlines()
    listed = sorted(line.removeprefix("::: chefgenius.") for line in lines if line.startswith("::: "))
    modules = chefgenius._MODULES
    assert listed == sorted(
        f"{modules[name]}.{'load' if name == 'load_config' else name}" for name in chefgenius.__all__
    )


def test_the_guides_run_is_stopped_and_goes_on_exactly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    section = "A run with a callback of one's own"
    names = run_guide(section, 0, words=words(tmp_path))
    assert "step 4 is saved\n" in capsys.readouterr().out
    assert RunDirectory(tmp_path / "run").steps()[0] == 4
    found = run_guide(section, 1, **names)
    assert read_run_facts(tmp_path / "run")["finished"] == 10
    whole = names["Worst"]()
    fit(tmp_path, run="whole", callbacks=(whole,))
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    assert (found["worst"].step, found["worst"].loss) == (whole.step, whole.loss)
    assert capsys.readouterr().out.splitlines()[-1] == f"{whole.step} {whole.loss}"


def test_a_run_that_is_finished_is_left_as_it_is(tmp_path: Path) -> None:
    config = chefgenius.load_config(None, words(tmp_path, "train.max_steps=3"))
    told: list[str] = []
    for _ in range(2):
        with chefgenius.open_run(config, callbacks=[Counting()], say=told.append) as trainer:
            trainer.fit()
            assert trainer.ended
        assert read_run_facts(tmp_path / "run")["finished"] == 3
    assert any(line.startswith("data: ") for line in told)


def test_what_differs_is_refused_or_allowed_by_name(tmp_path: Path) -> None:
    def run(*overrides: str, **given: Any) -> list[str]:
        told: list[str] = []
        config = chefgenius.load_config(None, words(tmp_path, "optim.schedule=constant", *overrides))
        with chefgenius.open_run(config, say=told.append, **given) as trainer:
            trainer.fit()
        return told

    run("train.max_steps=3")
    with pytest.raises(chefgenius.ResumeError, match="weight_decay"):
        run("optim.weight_decay=0.5")
    told = run("optim.weight_decay=0.5", "train.max_steps=4", allow_change=["weight_decay"])
    assert any("optim.weight_decay" in line for line in told)
    with pytest.raises(chefgenius.ResumeError, match="holds a run already"):
        run(resume_from="never")


def test_a_config_made_by_hand_is_resolved(tmp_path: Path) -> None:
    made = options.load(None, words(tmp_path, "train.max_steps=2"))
    plain = Config(**{**made.model_dump(), "run_dir": str(tmp_path / "run")})
    assert isinstance(plain.train, chefgenius.TrainConfig)
    with chefgenius.open_run(plain, say=lambda text: None) as trainer:
        at, last = trainer.memory.progress.step, trainer.schedule.total_steps
        assert repr(trainer) == f"Trainer({str(plain.run_path)!r}, step={at} of {last})"
        trainer.fit()
    assert RunDirectory(tmp_path / "run").steps()[0] == 2


def parts(store: TokenStore) -> dict[str, Any]:
    words = Vocabulary(store.vocab_size, store.pad_token_id, store.eos_token_id)
    model = build_model(ModelConfig(config={**MODEL, "dropout_rate": 0.0}), words, 1)
    return {"store": store, "model": model, "optimizer": torch.optim.AdamW(model.parameters(), lr=1e-3)}


def test_the_guides_loop_goes_on_where_it_was(
    store: TokenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = "A loop of one's own"
    whole, first = parts(store), parts(store)
    run_guide(section, 0, folder=tmp_path / "whole", **whole)

    class Cut(Exception):
        pass

    def slowly(*given: Any) -> Any:
        time.sleep(0.05)
        return write_file(*given)

    monkeypatch.setattr(checkpoint, "write_file", slowly)
    steps = 0

    def count(*_: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 6:
            raise Cut

    first["optimizer"].register_step_pre_hook(count)
    with pytest.raises(Cut):
        run_guide(section, 0, folder=tmp_path / "cut", **first)
    assert RunDirectory(tmp_path / "cut").steps()[0] == 5
    with closing(RunDirectory(tmp_path / "cut").lock()) as run:
        model, optimizer = first["model"], first["optimizer"]
        with chefgenius.Checkpointer(run, model, optimizer) as checkpointer:
            checkpointer.save(chefgenius.sections_of(7, model, optimizer), best=[])
            back = chefgenius.restore(checkpointer)  # not before the save is over
        assert back is not None
        assert back["progress"]["step"] == run.steps()[0] == 7
        run.delete(7)
    monkeypatch.undo()
    (tmp_path / "cut" / "checkpoints" / ".tmp-step-00000006").mkdir()  # of a writer that was killed
    second = parts(store)
    names = run_guide(section, 0, folder=tmp_path / "cut", **second)
    assert names["step"] == 12
    assert len(names["saved"]["optimizer"]) > 0
    assert names["saved"]["progress"]["step"] == 5
    for one, other in zip(second["model"].parameters(), whole["model"].parameters(), strict=True):
        assert torch.equal(one, other)
    assert sorted(path.name for path in (tmp_path / "cut" / "checkpoints").iterdir()) == [
        "step-00000011",
        "step-00000012",
    ]
