"""The command line: `python -m mnist_nb [train | test | draw | page]`."""

import argparse
import dataclasses
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from inspect import getdoc
from pathlib import Path
from typing import Any, NoReturn

import mnist_nb  # its names are imported when they are first used

COMMANDS = ("train", "test", "draw", "page")
DESCRIPTION = (
    "Train a network that reads handwritten digits, test it, draw for it, or export it as a page. "
    "With no subcommand it trains."
)
EXAMPLES = """examples:
  python -m mnist_nb train --preset fast
  python -m mnist_nb train --epochs 3 --learning-rate 0.01 --model mine.safetensors"""
MODEL = "model.safetensors"
NOTEBOOKS, PAD = Path("notebooks"), "draw.ipynb"
INTERRUPTED = 130  # the exit status after Ctrl-C: 128 plus the number of the signal
BATCHES_SHOWN = 50  # the progress bar shows their mean loss


class Parser(argparse.ArgumentParser):
    """A parser with one-line errors that refer to --help."""

    def error(self, message: str) -> NoReturn:
        """Print the message and end the process with status 2."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 2 after an error, 130 after Ctrl-C."""
    sys.stdout = sys.stdout or io.StringIO()  # None if closed, for example by `>&-`
    sys.stderr = sys.stderr or io.StringIO()
    words = list(sys.argv[1:] if arguments is None else arguments)
    is_option = bool(words) and words[0].startswith("-")
    if not words or (is_option and words[0] not in ("-h", "--help", "--version")):
        words.insert(0, "train")
        if "-h" not in words and "--help" not in words:
            _print("No subcommand was given: this trains (python -m mnist_nb --help).")
    try:
        options = make_parser(words[0]).parse_args(words)
        return int(options.run(options))
    except (ValueError, TypeError, ArithmeticError, MemoryError, OSError, RuntimeError) as error:
        print(f"mnist_nb {words[0]}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mnist_nb: stopped", file=sys.stderr)
        return INTERRUPTED


# ---- options


def make_parser(command: str) -> Parser:
    """Return the parser of all commands; for `draw`, only of that: others load PyTorch."""
    parser = Parser(prog="python -m mnist_nb", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"mnist_nb {mnist_nb.__version__}")
    commands = parser.add_subparsers(required=True, metavar=f"{{{','.join(COMMANDS)}}}")
    draw = _add_command(commands, "draw", draw_command, "open an empty drawing pad in JupyterLab")
    draw.usage = "%(prog)s [-h] [-- OPTION ...]"
    draw.add_argument("rest", nargs="*", metavar="OPTION", help="options for JupyterLab, after --")
    if command == "draw":
        return parser
    train = _add_command(commands, "train", train_command, "train a network, or resume training")
    train.usage = "%(prog)s [OPTION ...]"
    train.epilog = f"{_describe_presets()}\n\n{EXAMPLES}"
    _add_model_options(train)
    _add_training_options(train)
    test = _add_command(commands, "test", test_command, "measure a network on the test images")
    _add_model_options(test)
    page = _add_command(
        commands, "page", page_command, "write one HTML file with a network and a pad"
    )
    page.add_argument(
        "--model", metavar="PATH", default=MODEL, help='a file, or "cnn" or "mlp" (%(default)s)'
    )
    page.add_argument(
        "-o", "--output", metavar="PATH", type=Path, default="my_reader.html", help="(%(default)s)"
    )
    page.add_argument("--title", help="the title above the pad")
    return parser


def _add_command(
    commands: Any, name: str, function: Callable[[argparse.Namespace], int], summary: str
) -> Parser:
    """Add a command whose --help shows the function's docstring."""
    command: Parser = commands.add_parser(name, help=summary, description=getdoc(function))
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.set_defaults(run=function)
    return command


def _add_model_options(command: Parser) -> None:
    command.add_argument(
        "--model", metavar="PATH", type=Path, default=MODEL, help="the network's file (%(default)s)"
    )
    command.add_argument(
        "--data", metavar="FOLDER", help="the folder of MNIST (default: the user's cache)"
    )
    command.add_argument(
        "--device",
        choices=("cpu", "cuda", "mps"),
        help="the device to use (default: the fastest available)",
    )


def _add_training_options(train: Parser) -> None:
    train.add_argument("--fresh", action="store_true", help="start over even if the file exists")
    train.add_argument(
        "--preset", metavar="NAME", choices=tuple(mnist_nb.PRESETS), help="settings to start from"
    )
    for field in dataclasses.fields(mnist_nb.Hyperparameters):
        hint = field.metadata["hint"].replace("%", "%%")
        option = f"--{field.name.replace('_', '-')}"
        if "choices" in field.metadata:
            choices = tuple(field.metadata["choices"])
            train.add_argument(option, choices=choices, help=f"{hint} ({field.default})")
            continue
        number = type(field.default)
        low, high = field.metadata["low"], field.metadata["high"]
        limits = f"{low:,} to {high:,}" if number is int else f"{low:g} to {high:g}"
        help_text = f"{hint} [{limits}] ({field.default})"
        metavar = "N" if number is int else "R"
        train.add_argument(option, type=number, metavar=metavar, help=help_text)


def _describe_presets() -> str:
    """Return a list of the presets with time, accuracy, and changed settings."""
    from mnist_nb.labs.presets import describe_preset

    lines = ["presets with training time, validation accuracy, and the settings they change:"]
    for name, settings in mnist_nb.PRESETS.items():
        changes = [f"{key.replace('_', ' ')} {getattr(settings, key)}" for key in settings.changed]
        lines.append(f"  {describe_preset(name)}")
        lines.append(f"      {', '.join(changes) or 'nothing'}")
    return "\n".join(lines)


# ---- the commands; each docstring is a --help


def train_command(options: argparse.Namespace) -> int:
    """Train a network, or resume training the one in the file.

    Ctrl-C stops after the current batch. The same command then resumes
    exactly from there.
    """
    folder = os.path.dirname(os.path.realpath(options.model))
    if options.model.is_dir() or not os.access(folder, os.W_OK):
        raise ValueError(f"{options.model} cannot be written: name a file in a folder of your own")
    settings = _chosen_settings(options)
    data = mnist_nb.load_mnist(options.data)
    run, start = mnist_nb.continue_run(
        options.model, data, settings, fresh=options.fresh, device=options.device
    )
    _print(str(start))
    try:
        _train_with_progress(run, options.model)
    except mnist_nb.TrainingDivergedError:
        mnist_nb.save_run(run, options.model)
        raise
    except KeyboardInterrupt:  # between two steps, or during a save
        mnist_nb.save_run(run, options.model)
    if not run.finished:
        _print(f"Stopped at {run.position}; saved in {options.model}. The same command resumes it.")
        return INTERRUPTED
    _print(
        f"Saved in {options.model}. To measure it: python -m mnist_nb test --model {options.model}"
    )
    return 0


def _chosen_settings(options: argparse.Namespace) -> Any:
    """Return the preset's settings, changed by the options."""
    chosen = {}
    for field in dataclasses.fields(mnist_nb.Hyperparameters):
        value = getattr(options, field.name)
        if value is not None:
            chosen[field.name] = value
    return dataclasses.replace(mnist_nb.PRESETS[options.preset or "defaults"], **chosen)


def _train_with_progress(run: Any, path: Path) -> None:
    """Train to the end, with a progress bar; save and print a line after each epoch."""
    from tqdm import tqdm

    bar = tqdm(
        total=run.steps_total, initial=run.steps_done, unit="batch", leave=False, disable=None
    )

    def on_batch(run: Any) -> None:
        bar.update()
        if run.steps_done % BATCHES_SHOWN == 0:
            loss = sum(run.batch_losses[-BATCHES_SHOWN:]) / BATCHES_SHOWN
            bar.set_description(f"epoch {run.epoch + 1}, loss {loss:.3f}", refresh=False)

    with bar:
        for record in run.epochs(on_batch):
            mnist_nb.save_run(run, path)
            with tqdm.external_write_mode():
                _print(
                    f"epoch {record.epoch:3}  loss {record.mean_loss:.4f} ({record.min_loss:.4f} "
                    f"to {record.max_loss:.4f})  validation loss {record.validation_loss:.4f}  "
                    f"accuracy {record.validation_accuracy:.2%}  {record.seconds:.1f} s"
                )


def test_command(options: argparse.Namespace) -> int:
    """Print how many of the test images the network reads correctly, with a 95 %
    interval, and a table of precision, recall and F1 for each digit.
    """
    from mnist_nb.labs.score_table import score_table
    from mnist_nb.models import choose_device

    model = mnist_nb.load_checkpoint(options.model).to(choose_device(options.device))
    evaluation = mnist_nb.evaluate(model, mnist_nb.load_mnist(options.data).test)
    images = len(evaluation.labels)
    low, high = evaluation.interval
    _print(f"{options.model}: {evaluation.n_correct:,} of {images:,} test images read correctly")
    _print(f"accuracy {evaluation.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%})\n")
    _print(score_table(evaluation.per_digit()))
    return 0


def draw_command(options: argparse.Namespace) -> int:
    """Open an empty pad, where you draw digits and the network reads them.

    Without a clone of the project, the notebooks are first copied to
    ./notebooks.
    """
    notebook = _find_notebooks() / PAD
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    address = f"--LabApp.default_url=/lab/tree/{PAD}"  # printed, for another browser
    command = [sys.executable, "-m", "jupyterlab", str(notebook), address]
    if is_root:
        command.append("--allow-root")
    # Ctrl-C reaches JupyterLab too, which asks before it shuts down: wait for its end
    handler = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.call([*command, *options.rest])
    finally:
        signal.signal(signal.SIGINT, handler)


def page_command(options: argparse.Namespace) -> int:
    """Write one HTML file with the network and a pad to draw on.

    A double click opens it in any browser, without Python and without an
    internet connection.
    """
    model: Any = options.model
    if model in ("cnn", "mlp") and not Path(model).exists():
        model = mnist_nb.load_pretrained(model)
    title = {} if options.title is None else {"title": options.title}
    mnist_nb.export_page(model, options.output, **title)
    size = options.output.stat().st_size / 1000
    _print(f"{options.output}: {size:.0f} kB. Open it in any browser, or send it to others.")
    return 0


def _find_notebooks() -> Path:
    """Return the folder of the notebooks: here, in a clone, or copied from the package."""
    package = Path(__file__).resolve().parent
    here = Path.cwd() / NOTEBOOKS
    for folder in (here, package.parent / NOTEBOOKS):
        if (folder / PAD).exists():
            return folder
    if here.exists():
        raise ValueError(
            f"{here} does not contain {PAD}: change to another folder, or rename that one"
        )
    installed = package / NOTEBOOKS
    if not installed.is_dir():
        raise ValueError("the notebooks are missing in this installation: reinstall mnist_nb")
    try:
        with tempfile.TemporaryDirectory(dir=here.parent, prefix=".notebooks-") as unfinished:
            copy = Path(unfinished) / NOTEBOOKS
            shutil.copytree(installed, copy)
            copy.rename(here)  # in one step, so that the copy is never incomplete
    except OSError as error:
        raise ValueError(
            f"the notebooks cannot be copied to {here} ({error}): change to a folder of your own"
        ) from error
    _print(f"Your own copies of the notebooks are now in {here}.")
    return here


def _print(text: str) -> None:
    """Print immediately. Do nothing if the output was closed by its reader, such as `head`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
