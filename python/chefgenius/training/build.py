"""From a configuration to a run that is ready to train.

1. `build_run` makes model, optimizer and memory; when the run goes on from a checkpoint it refuses what would
   not be the same run, and changes nothing then.
2. `start` takes the run directory for a run that was built, copies the checkpoint's tensors and memory into
   place and gives the `Trainer`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from chefgenius.callbacks import Callback, States
from chefgenius.data.feed import Tombstones
from chefgenius.data.reentry import bounds, enter, follow
from chefgenius.evaluation.evaluator import Evaluator
from chefgenius.model import lora
from chefgenius.model.compiling import compile_blocks, compiler_of, try_out
from chefgenius.model.compute import choose_device, choose_threads, facts, is_strict, set_arithmetic
from chefgenius.model.generators import AmbientGenerators, seed_ambient
from chefgenius.model.loss import TokenLoss
from chefgenius.model.model import Vocabulary, build_model, count_parameters, describing_files
from chefgenius.model.proofs import fit_for
from chefgenius.model.shapes import shapes_of
from chefgenius.run import resume
from chefgenius.run.descent import Weights, write_descent, write_weights
from chefgenius.run.differences import Comparison, Exactness, compare, saved_exactness
from chefgenius.run.disk import check_space
from chefgenius.run.manifest import replace_file
from chefgenius.run.retention import Retention
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.signals import Stop
from chefgenius.run.state import Derived, Registry, ResumeError, State
from chefgenius.run.world import World
from chefgenius.settings.config import Config, flatten
from chefgenius.settings.options import to_yaml
from chefgenius.training.built import Built, write_run_facts
from chefgenius.training.checkpoint import Checkpointer
from chefgenius.training.dataset import Data
from chefgenius.training.early_stopping import EarlyStopping
from chefgenius.training.ema import begin_averages
from chefgenius.training.loading import checkpoint_bytes, load_tensors
from chefgenius.training.memory import Memory
from chefgenius.training.metrics import Logs
from chefgenius.training.optim import build_optimizer, describe, trained_parameters
from chefgenius.training.pieces import choose_rows
from chefgenius.training.ranks import Ranks
from chefgenius.training.schedule import Schedule
from chefgenius.training.sharing import Sharing
from chefgenius.training.trainer import Trainer

Parts = tuple[Memory, Tombstones, Registry]


def build_run(
    config: Config,
    data: Data,
    origin: resume.Origin | None,
    say: Callable[[str], None],
    allowed: frozenset[str] = frozenset(),
    weights: Weights | None = None,
    world: World | None = None,
    ranks: Ranks | None = None,
) -> Built:
    """Model, optimizer and schedule, the comparison with the saved run, and the loader at its place.

    `allowed` names what may differ from the saved run. `world` is this process's place, `ranks` those that it
    meets in order to train. Raises ConfigError, ResumeError.
    """
    settings = config.train
    world, ranks = world or World(), ranks or Ranks()
    device = choose_device(settings.device, world)
    vocabulary = Vocabulary.of(data.store, data.layout.bos_id)
    saved = origin.directory if origin is not None else None
    base = lora.choose_base(config.model)
    if origin is not None:
        lora.refuse_other_base(config, base, origin)
    model = build_model(config.model, vocabulary, config.seed, saved=saved, base=base, say=say)
    if base is not None:
        lora.add_adapter(model, config.model.lora, config.seed)
    parameters = count_parameters(model)
    threads = choose_threads(settings.threads, parameters, origin, world)
    strict = is_strict(settings.determinism, device)
    set_arithmetic(threads, strict=strict, device=device)
    model.to(device)  # type: ignore[arg-type]
    fit_for(model, config)
    compiler = compiler_of(device) if settings.compile else None
    shapes = shapes_of(config, data.layout.kind, data.train) if settings.compile else None
    rows = ranks.first(
        "rows", lambda: choose_rows(config, model, data.train, origin, say, shapes), _same, _same
    )
    found = {
        **facts(device, threads, strict=strict, world_size=world.size),
        "rows_per_forward": rows,
        "attention": model.config._attn_implementation,
        "compiler": compiler,
        "store": data.store.fingerprint,
        "tokenizer": data.store.tokenizer_fingerprint,
        "plan": data.train.plan_fingerprint,
        "tombstones": data.feed.configured,
        **lora.base_facts(base),
    }
    per_epoch = data.train.steps_per_epoch
    comparison, exactness, stopping = Comparison(), Exactness(), EarlyStopping(config.eval.early_stopping)
    sections: dict[str, State] = {}
    moved, taken = "", 0
    if origin is not None:
        comparison = compare(origin.sections, flatten(config), found, allowed)
        comparison.check(origin.directory, origin.step)
        sections, moved = enter(data.feed, origin.sections, comparison, origin.step, origin.directory)
        exactness = saved_exactness(origin.directory, origin.sections)
        changes = [one.plain for one in comparison.changes]
        left = sections["progress"] != origin.sections["progress"]
        exactness.add(origin.step, [*changes, moved] if left else changes)
        sections = {**sections, "exactness": exactness.state_dict()}
        taken = origin.step
        stopping.look_at(sections)
    course = follow(data.feed, {} if origin is None else origin.sections, comparison, taken, saved)
    sections = {**sections, "course": course.state_dict()} if sections else sections
    shapes = None if shapes is None else shapes.of_pieces(rows)
    loss = TokenLoss(model, settings.precision, label_smoothing=settings.label_smoothing, shapes=shapes)
    if shapes is not None:
        say(f"compiling for up to {shapes}: now and at the first step in each, a minute or two each time")
        compile_blocks(model, shapes)
        try_out(loss, config)
    ranks.join(device.type, device.index)
    sharing = Sharing(loss, ranks.world, settings.sharding)
    optimizer = build_optimizer(model, config.optim)
    averages = begin_averages(trained_parameters(model), settings.ema_decay)
    last = bounds(config, data.feed, per_epoch, taken)
    schedule = Schedule(optimizer, config.optim, min(last.values()))
    say(
        f"model: {model.config.model_type}, {parameters:,} parameters{lora.share_trained(model)} "
        f"on {found['device']}, threads {threads}, {settings.precision}{', strict' if strict else ''}"
        f"{sharing}"
    )
    say(data.told_plan(config, schedule.total_steps))
    return Built(
        config=config,
        data=data,
        model=model,
        ranks=ranks,
        sharing=sharing,
        base=base,
        optimizer=optimizer,
        averages=averages,
        schedule=schedule,
        facts=found,
        origin=origin,
        comparison=comparison,
        sections=sections,
        moved=moved,
        exactness=exactness,
        course=course,
        bounds=last,
        weights=weights,
        stopping=stopping,
        say=say,
    )


def _same(rows: Any) -> Any:
    return rows


def start(built: Built, run: RunDirectory, logs: Logs, stop: Stop, callbacks: Sequence[Callback]) -> Trainer:
    """Begins or goes on with a run that was built, in a run directory that rank 0 has locked.

    Raises ResumeError when the checkpoint's tensors or memory do not fit; OSError.
    """
    config, data, model, optimizer = built.config, built.data, built.model, built.optimizer
    ranks = built.ranks
    companions = _check_space(built, run, touch=True) if ranks.world.leads else {}
    memory, tombstones, registry = _components(built, logs, callbacks)
    seed_ambient(config.seed)
    if not ranks.world.leads:
        if built.origin is not None:
            _restore(built, built.origin, registry)
    elif built.origin is None:
        if built.weights is not None:
            write_weights(run.path, built.weights)
        write_run_facts(built, finished=None)  # first: it makes the files after it those of a run
        logs.begin()
    else:
        if built.origin.foreign:
            logs.adopt(
                built.origin.run_path,
                partial(write_descent, run.path, built.origin.directory, built.origin.step),
            )
        finished = built.origin.step if built.finished else None
        _restore(built, built.origin, registry)
        write_run_facts(built, finished=finished)
    if ranks.world.leads:
        replace_file(run.path / "config.yaml", to_yaml(config).encode())
    ranks.together("start", {"facts": built.facts, "place": data.feed.state_dict(), "steps": built.bounds})
    checkpoints = Checkpointer(
        run=run,
        model=model,
        optimizer=optimizer,
        companions=companions,
        fingerprints={name: str(built.facts[name]) for name in ("store", "tokenizer", "plan")},
        retention=Retention(config.checkpoint.keep, config.checkpoint.keep_every_steps),
        sync_logs=logs.sync,
        say=built.say,
        ranks=ranks,
        sharded=built.sharing.sharded,
        began_at=built.origin.step if built.origin is not None and not built.origin.foreign else None,
        best=memory.best.steps,
        averages=built.averages,
    )
    return Trainer(
        config=config,
        model=model,
        optimizer=optimizer,
        schedule=built.schedule,
        feed=data.feed,
        tombstones=tombstones,
        evaluator=_evaluator(built, stop),
        checkpoints=checkpoints,
        registry=registry,
        memory=memory,
        logs=logs,
        stop=stop,
        callbacks=callbacks,
        fresh=built.origin is None,
        sharing=built.sharing,
        ranks=ranks,
        rows=built.facts["rows_per_forward"],
    )


def rehearse(built: Built, run: RunDirectory, callbacks: Sequence[Callback]) -> None:
    """Raises what `start` would raise of the checkpoint's tensors and memory, the logs and the room.

    Nothing is changed but `built`, which takes the checkpoint's memory.
    """
    _check_space(built, run, touch=False)
    examine(built, callbacks)


def examine(built: Built, callbacks: Sequence[Callback]) -> None:
    """Raises what `start` would of tensors, memory and logs, also those of another run; changes `built`."""
    if built.origin is not None:
        logs = Logs(built.origin.run_path, touch=False)
        _restore(built, built.origin, _components(built, logs, callbacks)[2])


def _components(built: Built, logs: Logs, callbacks: Sequence[Callback]) -> Parts:
    """All that has a memory, under its name in state.json."""
    memory, registry = Memory.of(built.config, built.stopping), Registry()
    tombstones = Tombstones(built.data.feed)
    trained = trained_parameters(built.model)
    memory.register(registry)
    registry.register("schedule", built.schedule)
    registry.register("optimizer", Derived(lambda: describe(trained, built.optimizer)))
    registry.register("config", Derived(lambda: flatten(built.config)))
    registry.register("facts", Derived(lambda: built.facts))
    registry.register("exactness", built.exactness)
    registry.register("course", built.course)
    registry.register("tombstones", tombstones)
    registry.register("loader", built.data.feed)
    registry.register("generators", AmbientGenerators())
    registry.register("callbacks", States(callbacks, built.say))
    registry.register("logs", logs)  # last: it cuts the files, and a refusal before it leaves all as it was
    return memory, tombstones, registry


def _check_space(built: Built, run: RunDirectory, *, touch: bool) -> dict[str, bytes]:
    """The files that a checkpoint has beside its tensors, once there is room for all. Raises OSError."""
    store = built.data.store
    files = describing_files(built.model)
    if built.base is not None:
        files |= lora.adapter_files(built.model, built.config.model.lora, built.base)
    files |= built.data.decoder.files(store.pad_token_id, store.eos_token_id)
    size = checkpoint_bytes(built.model, built.config) + sum(len(one) for one in files.values())
    check_space(run.checkpoints, size, standing=bool(run.steps()), touch=touch)
    return files


def mark_finished(built: Built, step: int) -> None:
    """Notes in run.json that nothing is left to do after this step."""
    write_run_facts(built, finished=step)


def _restore(built: Built, origin: resume.Origin, registry: Registry) -> None:
    load_tensors(origin, built.model, built.optimizer, built.averages, allowed=built.comparison.allowed)
    try:
        registry.load_state_dict(built.sections)
    except ResumeError as error:
        raise ResumeError(f"cannot go on from `{origin.directory}`: {error}") from error


def _evaluator(built: Built, stop: Stop) -> Evaluator | None:
    if built.data.validation is None:
        return None
    return Evaluator(
        model=built.model,
        loader=built.data.validation,
        store=built.data.store,
        decoder=built.data.decoder,
        settings=built.config.eval,
        precision=built.config.train.precision,
        max_input_length=built.config.data.max_input_length,
        layout=built.data.layout,
        seed=built.config.seed,
        # where all evaluate together, none may leave
        check=stop.check if not built.sharing.sharded else lambda: None,
    )
