"""The pad learns a hand: it asks for digits, keeps them, and teaches them to the network that reads."""

import contextlib
import os
import threading
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

from ipywidgets import HTML, FloatProgress, HBox, Label, VBox
from torch import nn

from mnist_nb.checkpoints import save_checkpoint
from mnist_nb.data import Mnist
from mnist_nb.drawing.preprocessing import EmptySketchError, Pixels
from mnist_nb.my_digits import MyDigits, adapt
from mnist_nb.my_digits.adaptation import ForgettingWarning, compare_before_after
from mnist_nb.widgets.canvas import LOCK
from mnist_nb.widgets.common import button, counted, in_words
from mnist_nb.widgets.pad import html as pad_page
from mnist_nb.widgets.pad.board import Board
from mnist_nb.widgets.pad.gallery import Gallery
from mnist_nb.widgets.pad.model_picker import ModelPicker
from mnist_nb.widgets.prediction import with_article

PER_DIGIT = 3
WANTED = 10 * PER_DIGIT
STEPS = 150
_ORDINALS = ("first", "second", "third")


class Teaching:
    """Collects the reader's digits with the help of a pad, and teaches them.

    Args:
        pad: what is drawn on.
        picker: knows which network reads, which is the one that learns, and gives the taught one its place.
        path: the file of digits; it is made when the first one is kept.

    Attributes:
        answers: the buttons "that was a ...", to stand under a guess.
        panels: the panels to stand under the pad, by their titles.
    """

    def __init__(self, pad: Board, picker: ModelPicker, path: str | Path) -> None:
        self._pad, self._picker, self._path = pad, picker, path
        self._digits: MyDigits | None = None
        self._collecting = False
        self._last: tuple[int, Pixels] | None = None  # the id of the digit kept last, and what it looked like
        self._thread: threading.Thread | None = None
        self._closed = False
        self.answers = self._build_answers()
        self.gallery = Gallery(pad, lambda: self.digits, self._show_progress)
        self.panels: dict[str, Any] = {
            "Collect": self._build_collect(),
            "My digits": self.gallery,
            "Teach it my hand": self._build_teach(),
        }
        with contextlib.suppress(ValueError, OSError):  # said when the digits are asked for
            self._show_progress()

    @property
    def digits(self) -> MyDigits:
        """The reader's digits.

        Raises:
            DigitsError: if their file cannot be read; it is left as it is.
        """
        if self._digits is None:
            self._digits = MyDigits(self._path)
        return self._digits

    def images_and_labels(self) -> tuple[Any, Any]:
        """The digits as they are now: images uint8 `[N, 28, 28]` and labels `[N]`."""
        self.digits.reload()
        return self.digits.images.numpy(), self.digits.labels

    # ---- collecting

    @property
    def wish(self) -> int | None:
        """The digit that the pad asks for; None if it asks for none."""
        return self.digits.next_to_draw(PER_DIGIT) if self._collecting else None

    def collect(self) -> None:
        """Begin to ask for digits, or stop."""
        if not self._collecting and self.digits.next_to_draw(PER_DIGIT) is None:
            self._pad.say(f"All {WANTED} are there. Teach it your hand, or add more with the buttons under the guess.")
            return
        self._collecting = not self._collecting
        self._pad.clear()
        self._show_progress()

    def keep(self, label: int | None = None) -> None:
        """Keep what is on the pad as this digit, or else as the one asked for, and ask for the next.

        The same drawing kept again gets the new label instead.

        Raises:
            ValueError: if the pad is empty, or no label is given and none is asked for; also if it cannot be written.
        """
        asked = label is None
        label = self.wish if label is None else label
        image = self._pad.state.image()
        if label is None:
            raise ValueError("Say which digit it is with the buttons under the guess, or start collecting.")
        if image is None:
            raise EmptySketchError(f"The pad is empty: draw {with_article(label)} first.")
        if self._last is not None and self._last[0] in self.digits.ids and (self._last[1] == image).all():
            self.digits.relabel(self._last[0], label)
        else:
            state = self._pad.state
            self._last = self.digits.add(state.sketch if state.picture is None else image, label), image
        self._pad.say(f"Kept as {with_article(label)}. You have {counted(len(self.digits))} now.")
        if asked:
            self._pad.clear()
        self._show_progress()

    def take_back(self) -> None:
        """Delete the digit that was kept last; if it was asked for, it will be asked for again."""
        if self._last is None or self._last[0] not in self.digits.ids:
            self._pad.say("There is nothing to take back.")
            return
        self.digits.delete(self._last[0])
        self._last = None
        self._pad.say(f"Taken back. You have {counted(len(self.digits))} now.")
        self._pad.refresh()
        self._show_progress()

    def _show_progress(self) -> None:
        counts = self.digits.counts()
        there = sum(min(count, PER_DIGIT) for count in counts)
        wish = self.wish
        if self._collecting and wish is None:
            self._collecting = False
            self._pad.say(f"All {WANTED} are there, thank you. Now teach it your hand.")
        self._start.description = "Stop" if self._collecting else "Go on" if there else "Start"
        self._start.button_style = "" if self._collecting or there == WANTED else "primary"
        self._start.icon = "stop" if self._collecting else "play"
        self._keep.disabled = not self._collecting
        asked = None if wish is None else (wish, _ORDINALS[counts[wish]])
        self._asked.value = pad_page.request(asked, there, WANTED)
        self.gallery.show()

    def key_enter(self) -> None:
        """Keep what was asked for: Enter on the paper does what the button does."""
        if self._collecting:
            self.keep()

    # ---- teaching

    @property
    def is_teaching(self) -> bool:
        """Whether a network is being taught right now."""
        return self._thread is not None and self._thread.is_alive()

    def teach(self, *, wait: bool = False) -> None:
        """Teach the network that reads the digits that were kept, on a thread of its own.

        The taught network is saved beside the original, never over it, and reads from then on.

        Args:
            wait: return when it is done; for notebooks that run without a hand.

        Raises:
            ValueError: if no network reads, or there are no digits to teach or to score with.
        """
        if self.is_teaching:
            self._pad.say("It is learning already.")
            return
        if (model := self._pad.state.model) is None:
            raise ValueError("There is no network that could be taught: choose one above the pad.")
        self.digits.reload()
        if not all(len(part) for part in self.digits.split()):
            wanted = "collect three of each, of which one is kept apart for the score"
            raise ValueError(f"There are too few digits: {wanted}.")
        loading = self._pad.with_data(partial(self._start_teaching, model))
        if wait and loading is not None:
            loading.join()
        if wait and self._thread is not None:
            self._thread.join()

    def _start_teaching(self, model: nn.Module, data: Mnist) -> None:
        if self.is_teaching or self._closed:
            return
        self._progress.value, self._progress.layout.visibility, self._shown = 0, "visible", 0.0
        self._outcome.value = ""
        teach = partial(self._teach, model, self._picker.key, data)
        self._thread = threading.Thread(target=teach, name="teach a hand", daemon=True)
        self._thread.start()

    def _teach(self, model: nn.Module, key: str, data: Mnist) -> None:
        try:
            to_teach, held_out = self.digits.split()
            with warnings.catch_warnings(record=True) as kept_old:
                warnings.simplefilter("always", ForgettingWarning)
                taught = adapt(model, to_teach, data, steps=STEPS, on_step=self._step_done)
            report = compare_before_after(model, taught, held_out, data.test)
            if kept_old:
                words = str(kept_old[0].message)
            else:
                path = self._pad.catalog.taught_path(key)
                save_checkpoint(taught, path, {"taught": f"{len(to_teach)} digits"})
                words = f"Saved as {path.name} beside the original. It reads now; choose above the pad who reads."
                with LOCK:
                    self._picker.choose(os.fspath(path))
            self._outcome.value = pad_page.outcome(report, words, changed=not kept_old)
        except Exception as error:  # a thread has nobody else to tell
            self._outcome.value = pad_page.sentence(in_words(error), wrong=True)
        finally:
            self._progress.layout.visibility = "hidden"

    def close(self) -> None:
        """End a lesson that goes on, and never begin another; the network keeps what it knew."""
        self._closed = True
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _step_done(self, step: int, loss: float) -> None:
        if self._closed:
            raise RuntimeError("the pad was closed before the lesson's end")
        if time.monotonic() - self._shown > 0.2:  # five times a second is enough for any page
            self._progress.value, self._shown = step / STEPS, time.monotonic()

    # ---- how it looks

    def _build_answers(self) -> HBox:
        new = partial(button, self._pad.attempt, width="28px")
        digits = [
            new(str(label), f"That was {with_article(label)}: keep it as a digit of mine", partial(self.keep, label))
            for label in range(10)
        ]
        for one in digits:
            one.add_class("pad-digit")
        return HBox([Label("That was a"), *digits])

    def _build_collect(self) -> VBox:
        self._asked = HTML()
        new = partial(button, self._pad.attempt)
        self._start = new("Start", "Ask me for digits, thirty in all", self.collect, width="90px")
        hint = "Keep this drawing and ask for the next (Enter on the paper)"
        self._keep = new("Keep, next", hint, self.keep, icon="check")
        back = new("Take back", "Delete the digit kept last", self.take_back, icon="undo")
        return VBox([self._asked, HBox([self._start, self._keep, back])])

    def _build_teach(self) -> VBox:
        hint = "Teach the network that reads now my digits"
        start = button(self._pad.attempt, "Teach it my hand", hint, self.teach, icon="graduation-cap")
        start.button_style = "primary"
        self._progress = FloatProgress(0, min=0, max=1, layout={"width": "240px", "visibility": "hidden"})
        self._outcome = HTML()
        about = (
            "Learns your digits together with MNIST's, in a second or two. Every third digit of yours is kept apart, "
            "to score what was learnt on digits that were not taught."
        )
        return VBox([HTML(pad_page.note(about)), HBox([start, self._progress]), self._outcome])
