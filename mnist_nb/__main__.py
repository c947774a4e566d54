"""The command line: `python -m mnist_nb [train | test | draw | page]`."""

import os
import signal
import sys


def _quit(*_: object) -> None:
    """End the process at once, with one line: for Ctrl-C wherever nothing has to be saved first.

    An exception would be lost in an import, be shown raw or abort C++.
    """
    os.write(2, b"mnist_nb: stopped\n")
    os._exit(130)


if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _quit)  # before anything else is imported, which takes seconds

import argparse
import dataclasses
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from inspect import getdoc
from pathlib import Path
from typing import Any, NoReturn

import mnist_nb  # whose names are imported when they are first used

WORDS = ("train", "test", "draw", "page")
DESCRIPTION = (
    "Train a network that reads handwritten digits, test it, draw for it, or put it into a page. "
    "With no subcommand it trains."
)
NOTEBOOKS, PAD = Path("notebooks"), "draw.ipynb"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line: the usage is a --help away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 2 for what a user can mend, 130 after
    Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0] not in WORDS and words[0] not in ("-h", "--help", "--version")):
        words.insert(0, "train")
        if not {"-h", "--help"} & {*words}:
            print(
                f"No subcommand ({', '.join(WORDS)}) was given: this trains. "
                "See python -m mnist_nb --help.",
                flush=True,
            )
    try:
        options = make_parser(words[0]).parse_args(words)
        return int(options.run(options))
    except BrokenPipeError:  # whoever read the output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (
        ValueError,
        TypeError,
        ArithmeticError,
        MemoryError,
        OSError,
    ) as error:  # ours, or a log that is full
        print(f"mnist_nb {words[0]}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"mnist_nb {words[0]}: stopped", file=sys.stderr)
        return 130


def run_as_process() -> NoReturn:
    """Run `main` and end the process: Ctrl-C gives one line and the status 130, whenever it
    comes."""
    try:
        status = main()
    except SystemExit as end:  # of argparse
        status = int(end.code or 0)
    for stream in (sys.stdout, sys.stderr):
        with suppress(
            OSError, ValueError, AttributeError
        ):  # None where it was closed from the start
            stream.flush()
    os._exit(status)  # what Python does at its end can be interrupted, but not handled


def make_parser(word: str) -> Parser:
    """The options of the four words, or of `draw` alone; those of training are made from
    `Hyperparameters`."""
    parser = Parser(prog="python -m mnist_nb", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"mnist_nb {mnist_nb.__version__}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar=f"{{{','.join(WORDS)}}}"
    )

    def add(function: Callable[[argparse.Namespace], int], help: str, **more: Any) -> Parser:
        """The parser of a command, which tells what the function's docstring says."""
        command: Parser = commands.add_parser(
            function.__name__.removesuffix("_command"), help=help, **more
        )
        command.description, command.formatter_class = (
            getdoc(function),
            argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=function)
        return command

    draw = add(
        draw_command,
        "open an empty drawing pad in JupyterLab",
        usage="%(prog)s [-h] [-- OPTION ...]",
    )
    draw.add_argument("rest", nargs="*", metavar="OPTION", help="options for JupyterLab, after --")
    if word == "draw":
        return parser  # what is below takes PyTorch, and that takes seconds

    shared = Parser(add_help=False)
    shared.add_argument(
        "--model",
        metavar="PATH",
        type=Path,
        default=Path("model.safetensors"),
        help="the model's file (%(default)s)",
    )
    shared.add_argument(
        "--data", metavar="FOLDER", help="where MNIST is kept (the user's cache folder)"
    )
    shared.add_argument(
        "--device", choices=("cpu", "cuda", "mps"), help="where to compute (the fastest there is)"
    )

    presets, usage = _presets_in_words(), "%(prog)s [OPTION ...]"
    train = add(
        train_command,
        "train a network, or train it further",
        parents=[shared],
        usage=usage,
        epilog=presets,
    )
    train.add_argument(
        "--fresh", action="store_true", help="begin anew even if the model's file exists"
    )
    train.add_argument(
        "--preset",
        metavar="NAME",
        choices=tuple(mnist_nb.PRESETS),
        help="where to begin; options change it, see below",
    )
    for field in dataclasses.fields(mnist_nb.Hyperparameters):
        rules, limits = field.metadata, ""
        takes: dict[str, Any] = {"choices": rules.get("choices")}
        if not takes["choices"]:
            form, sign = (",", "N") if isinstance(field.default, int) else ("g", "R")
            limits = f" [{rules['low']:{form}} to {rules['high']:{form}}]"
            takes = {"type": type(field.default), "metavar": sign}
        words = f"{rules['hint']}{limits} ({field.default})"
        train.add_argument(f"--{field.name.replace('_', '-')}", help=words, **takes)

    add(test_command, "measure a model on the test images", parents=[shared])

    page = add(page_command, "write one HTML file with the network and a pad")
    page.add_argument(
        "--model",
        metavar="PATH",
        default="model.safetensors",
        help='a model\'s file, or "cnn" or "mlp" (%(default)s)',
    )
    page.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        type=Path,
        default=Path("my_reader.html"),
        help="the page (%(default)s)",
    )
    page.add_argument("--title", help="what stands above the pad")
    return parser


def _presets_in_words() -> str:
    """What each preset changes, and two examples."""
    from mnist_nb.labs.presets import describe_preset

    lines = ["presets with their seconds, their validation accuracy, and what they change:"]
    for name, settings in mnist_nb.PRESETS.items():
        words = ", ".join(
            f"{key.replace('_', ' ')} {getattr(settings, key)}" for key in settings.changed
        )
        lines += [f"  {describe_preset(name)}", f"      {words or 'nothing'}"]
    lines += ["", "examples:", "  python -m mnist_nb train --preset fast"]
    lines += ["  python -m mnist_nb train --epochs 3 --learning-rate 0.01 --model mine.safetensors"]
    return "\n".join(lines)


# ---- the four words, each with its --help


def train_command(options: argparse.Namespace) -> int:
    """Train a network, or go on with the one in the model's file.

    Ctrl-C stops after the batch it is on; the same command then goes on from
    exactly there.
    """
    from tqdm import tqdm

    names = [field.name for field in dataclasses.fields(mnist_nb.Hyperparameters)]
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    settings = dataclasses.replace(mnist_nb.PRESETS[options.preset or "defaults"], **chosen)
    if options.model.is_dir() or not os.access(
        os.path.dirname(os.path.realpath(options.model)), os.W_OK
    ):
        raise ValueError(
            f"{options.model} cannot be written: name a file in a folder that exists and is yours"
        )
    data = mnist_nb.load_mnist(options.data)
    run, start = mnist_nb.continue_run(
        options.model, data, settings, fresh=options.fresh, device=options.device
    )
    print(start, flush=True)
    status, quits = 0, signal.getsignal(signal.SIGINT) is _quit
    try:
        if quits:
            signal.signal(
                signal.SIGINT, signal.default_int_handler
            )  # which the run defers to the end of a step
        total, done = run.steps_total, run.steps_done
        with tqdm(
            total=total, initial=done, unit="batch", leave=False, disable=None, dynamic_ncols=True
        ) as bar:
            for record in run.epochs(partial(_move, bar)):
                mnist_nb.save_run(run, options.model)
                _say(
                    f"epoch {record.epoch:3}  loss {record.mean_loss:.4f} "
                    f"({record.min_loss:.4f} to "
                    f"{record.max_loss:.4f})  validation loss {record.validation_loss:.4f}  "
                    f"accuracy {record.validation_accuracy:.2%}  {record.seconds:.1f} s"
                )
    except (mnist_nb.TrainingDivergedError, KeyboardInterrupt) as end:
        # between two steps, or while saving: saved as it is
        mnist_nb.save_run(run, options.model)
        if isinstance(end, mnist_nb.TrainingDivergedError):
            raise
        status = 130
    finally:
        if quits:
            signal.signal(
                signal.SIGINT, _quit
            )  # all is saved, and a finalizer would print the exception
    if not run.finished:
        print(
            f"Stopped at {run.position}; saved in {options.model}. The same command goes on "
            "from exactly there."
        )
    else:
        print(
            f"Saved in {options.model}. To measure it: python -m mnist_nb test --model "
            f"{options.model}"
        )
    return status


def test_command(options: argparse.Namespace) -> int:
    """Print how many of the test images the model reads right, with a 95 %
    interval, and a table of precision, recall and F1 for each digit.
    """
    from mnist_nb.labs.score_table import score_table
    from mnist_nb.models import choose_device

    model = mnist_nb.load_checkpoint(options.model).to(choose_device(options.device))
    evaluation = mnist_nb.evaluate(model, mnist_nb.load_mnist(options.data).test)
    low, high = evaluation.interval
    print(
        f"{options.model}: {evaluation.n_correct:,} of {len(evaluation.labels):,} test images "
        "read right"
    )
    print(f"accuracy {evaluation.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%})\n")
    print(score_table(evaluation.per_digit()))
    return 0


def draw_command(options: argparse.Namespace) -> int:
    """Open an empty pad: you draw digits, and the network reads them.

    Without a clone of the series the notebooks are first copied to ./notebooks.
    """
    notebook = _notebooks() / PAD
    if signal.getsignal(signal.SIGINT) is _quit:
        signal.signal(
            signal.SIGINT, lambda *_: None
        )  # JupyterLab gets it too, and asks what is meant
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    # which is printed, for those who open it in a browser themselves
    address = f"--LabApp.default_url=/lab/tree/{PAD}"
    return subprocess.call(
        [sys.executable, "-m", "jupyterlab", str(notebook), address, *root, *options.rest]
    )


def page_command(options: argparse.Namespace) -> int:
    """Write one HTML file that holds the network and a pad to draw on.

    A double click opens it in any browser, on a phone too, without Python and
    without a network.
    """
    from mnist_nb.handwriting.pretrained import PRETRAINED
    from mnist_nb.widgets.page import export_page

    shipped = PRETRAINED / f"{options.model}.safetensors"
    model = shipped if not Path(options.model).exists() and shipped.is_file() else options.model
    export_page(
        model, options.output, **({} if options.title is None else {"title": options.title})
    )
    print(
        f"{options.output}: {options.output.stat().st_size / 1000:.0f} kB. Open it in any "
        "browser, or send it on."
    )
    return 0


def _notebooks() -> Path:
    """The series' folder: the one here, else a clone's, else a copy, made here, of what was
    installed."""
    package = Path(__file__).resolve().parent
    for folder in (Path.cwd() / NOTEBOOKS, package.parent / NOTEBOOKS):
        if (folder / PAD).exists():
            return folder
    installed, here = package / NOTEBOOKS, Path.cwd() / NOTEBOOKS
    if not installed.is_dir():
        raise ValueError(
            f"this installation came without its notebooks, and {here} is not there: install it "
            "again"
        )
    if here.exists():
        raise ValueError(
            f"{here} is there but holds no {PAD}: go to another folder, or rename that one"
        )
    try:
        with tempfile.TemporaryDirectory(dir=here.parent, prefix=".notebooks-") as unfinished:
            shutil.copytree(installed, Path(unfinished) / NOTEBOOKS)
            (Path(unfinished) / NOTEBOOKS).rename(
                here
            )  # at once, so that nobody finds half of them
    except OSError as error:
        raise ValueError(
            f"the notebooks cannot be copied to {here} ({error}): go to a folder of your own"
        ) from error
    print(f"The notebooks are now in {here}: yours to change.", flush=True)
    return here


# ---- progress


def _say(line: str) -> None:
    """A line on standard output that does not break a progress bar on standard error."""
    from tqdm import tqdm

    tqdm.write(line)
    sys.stdout.flush()


def _move(bar: Any, run: Any) -> None:
    """One batch more in a terminal's bar; elsewhere it is none."""
    bar.update()
    if run.steps_done % 50 == 0:
        bar.set_description(
            f"epoch {run.epoch + 1}, loss {sum(run.batch_losses[-50:]) / 50:.3f}", False
        )


if __name__ == "__main__":
    run_as_process()
