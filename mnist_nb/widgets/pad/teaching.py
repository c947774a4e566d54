"""The pad learns a hand: it asks for digits, keeps them, and teaches them to the network that
reads."""

import contextlib
import os
import warnings
from collections.abc import Sequence
from functools import partial
from threading import Thread

from ipywidgets import HTML, HBox, Label, VBox
from torch import nn

from mnist_nb.checkpoints import save_checkpoint
from mnist_nb.handwriting.adaptation import ForgettingWarning, adapt, compare_before_after
from mnist_nb.handwriting.preprocessing import EmptySketchError, Pixels
from mnist_nb.handwriting.sketch import Sketch
from mnist_nb.widgets.common import describe_digit_count, make_button
from mnist_nb.widgets.pad import pad_markup as pad_page
from mnist_nb.widgets.pad.board import HINT, Board
from mnist_nb.widgets.pad.gallery import Gallery
from mnist_nb.widgets.pad.model_picker import ModelPicker
from mnist_nb.widgets.prediction import with_article

PER_DIGIT = 3
WANTED = 10 * PER_DIGIT
STEPS = 150
_ABOUT_TEACHING = (
    "Learns your digits together with MNIST's, in a second or two. Every third digit of yours is kept apart, to score "
    "what was learnt on digits that were not taught."
)


class Teaching:
    """Collects the reader's digits with the help of a pad, and teaches them.

    Args:
        pad: what is drawn on, and who knows the digits.
        picker: knows which network reads, which is the one that learns, and gives the taught one
            its place.

    Attributes:
        answers: the buttons "that was a ...", to stand under what is read.
        collecting, gallery, lesson: the panels to stand under the pad.
    """

    def __init__(self, pad: Board, picker: ModelPicker) -> None:
        self._pad, self._picker = pad, picker
        self._asking = False
        self._last: dict[int, bytes] = {}  # the image of each digit that was kept last, by its id
        self._thread: Thread | None = None
        self.answers = self._build_answers()
        self.gallery = Gallery(pad, self._show_progress)
        new = partial(make_button, pad.attempt)
        self._asked = HTML()
        self._start = new("Start", "Ask me for digits, thirty in all", self.collect, width="90px")
        hint = "Keep this drawing and ask for the next (Enter on the paper)"
        self._keep = new("Keep, next", hint, self.keep_asked, icon="check")
        back = new("Take back", "Delete what was kept last", self.take_back, icon="undo")
        self.collecting = VBox([self._asked, HBox([self._start, self._keep, back])])
        about = HTML(pad_page.note(_ABOUT_TEACHING))
        hint = "Teach the network that reads now my digits"
        teach = new("Teach it my hand", hint, self.teach, icon="graduation-cap")
        teach.button_style = "primary"
        self._outcome = HTML()
        self.lesson = VBox([about, HBox([teach]), self._outcome])
        with contextlib.suppress(ValueError, OSError):  # said when the digits are asked for
            self._show_progress()

    def _build_answers(self) -> HBox:
        digits = []
        for label in range(10):
            hint = f"That was {with_article(label)}: keep it as a digit of mine"
            digits.append(
                make_button(
                    self._pad.attempt, str(label), hint, partial(self.keep, label), width="28px"
                )
            )
        answers = HBox([Label("That was a"), *digits])
        answers.add_class("pad-answers")
        return answers

    # ---- collecting

    @property
    def wish(self) -> int | None:
        """The digit that the pad asks for; None if it asks for none."""
        return self._pad.digits.next_to_draw(PER_DIGIT) if self._asking else None

    def collect(self) -> None:
        """Begin to ask for digits, or stop."""
        self._asking = not self._asking
        self._show_progress()
        self._pad.clear()

    def keep(self, label: int) -> None:
        """Keep what is on the pad as this digit.

        Raises:
            ValueError: if the pad is empty, or the digit cannot be written.
        """
        state = self._pad.state
        image = state.image()
        if image is None:
            raise EmptySketchError(f"The pad is empty: draw {with_article(label)} first.")
        self.keep_drawings([state if state.picture is None else image], [label])

    def keep_asked(self) -> None:
        """Keep what is on the pad as the digit that was asked for, if one was, and ask for the
        next."""
        if (wish := self.wish) is not None:
            self.keep(wish)
            self._pad.clear()

    def keep_drawings(self, drawings: Sequence[Sketch | Pixels], labels: Sequence[int]) -> None:
        """Keep drawings as these digits; the same ones kept again get the new labels instead."""
        digits = self._pad.digits
        images = [
            (one.to_mnist() if isinstance(one, Sketch) else one).tobytes() for one in drawings
        ]
        before = list(self._last) if images == list(self._last.values()) else []
        there = set(digits.ids)
        ids = {place: id for place, id in enumerate(before) if id in there}
        new = [
            place for place in range(len(images)) if place not in ids
        ]  # also those deleted since
        for place, id in ids.items():
            digits.relabel(id, labels[place])
        if new:
            ids |= zip(
                new,
                digits.add_all([drawings[n] for n in new], [labels[n] for n in new]),
                strict=True,
            )
        self._last = {ids[place]: image for place, image in enumerate(images)}
        self._pad.show_message(
            f"Kept as {', '.join(map(with_article, labels))}. You have {describe_digit_count(len(digits))} now."
        )
        self._show_progress()

    def take_back(self) -> None:
        """Delete what was kept last; if it was asked for, it will be asked for again."""
        digits = self._pad.digits
        ids = self._last.keys() & set(digits.ids)
        for id in ids:
            digits.delete(id)
        # not before: where the file cannot be written, they can be taken back later
        self._last = {}
        now = f"Taken back. You have {describe_digit_count(len(digits))} now."
        self._pad.show_message(now if ids else "There is nothing to take back.")
        self._show_progress()
        self._pad.refresh()

    def _show_progress(self) -> None:
        counts = self._pad.digits.counts()
        there = sum(min(count, PER_DIGIT) for count in counts)
        self._asking = self._asking and there < WANTED
        wish = self.wish
        self._start.description = "Stop" if self._asking else "Go on" if there else "Start"
        self._start.button_style = "" if self._asking or there == WANTED else "primary"
        self._start.icon = "stop" if self._asking else "play"
        self._keep.disabled = not self._asking
        self._pad.hint = HINT if wish is None else f"draw {with_article(wish)}"
        self._asked.value = pad_page.request(wish, counts, there, WANTED)
        self.gallery.show()

    # ---- teaching

    @property
    def is_teaching(self) -> bool:
        """Whether a network is being taught right now."""
        return self._thread is not None and self._thread.is_alive()

    def teach(self, *, wait: bool = False) -> None:
        """Teach the network that reads the digits that were kept, in the background.

        The taught network is saved beside the original, never over it, and reads from then on.

        Args:
            wait: return when it is done; for notebooks that run without a hand.

        Raises:
            ValueError: if no network reads, or there are no digits to teach or to score with.
        """
        if self.is_teaching:
            self._pad.show_message("It is learning already.")
            return
        if (model := self._pad.state.model) is None:
            raise ValueError("There is no network that could be taught: choose one above the pad.")
        self._pad.digits.reload()
        if not all(map(len, self._pad.digits.split())):
            raise ValueError(
                "There are too few digits: collect three of each. One of them is kept apart for the score."
            )
        self._thread = self._pad.in_background(partial(self._teach, model, self._picker.key))
        if wait and self._thread is not None:
            self._thread.join()

    def _teach(self, model: nn.Module, key: str) -> None:
        outcome = ""
        try:
            data = self._pad.load_data()
            to_teach, held_out = self._pad.digits.split()
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
                self._picker.choose(os.fspath(path))
            outcome = pad_page.outcome(report, words, changed=not kept_old)
        finally:
            self._outcome.value = outcome

    def _step_done(self, step: int, loss: float) -> None:
        self._pad.check_open()
        if step % (STEPS // 10) == 0:  # ten times in a second or two is enough for any page
            self._outcome.value = pad_page.progress_bar(step / STEPS)
