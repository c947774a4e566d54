"""Any drawing, anywhere on the canvas, becomes an image with MNIST's properties."""

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ink import (
    SEVEN,
    THREE,
    Strokes,
    assert_like_mnist,
    difference,
    difference_in_shape,
    extents,
)
from numpy.typing import NDArray
from test_pretrained import sketch_of

from mnist_nb.handwriting.preprocessing import BOX, EmptySketchError
from mnist_nb.handwriting.sketch import Sketch


def points(low: float, high: float, least: int = 1) -> st.SearchStrategy[NDArray[np.float32]]:
    number = st.floats(low, high, width=32)
    return st.lists(st.tuples(number, number), min_size=least, max_size=12).map(
        lambda ps: np.array(ps, np.float32)
    )


def drawings(low: float = 0, high: float = 280) -> st.SearchStrategy[Strokes]:
    return st.lists(points(low, high), min_size=1, max_size=5)


class TestSketchBecomesMnist:
    @given(drawings(), st.floats(0.5, 60))
    def test_any_drawing(self, strokes: Strokes, width: float) -> None:
        assert_like_mnist(sketch_of(strokes, width).to_mnist())

    @given(drawings(-600, 900), st.floats(1, 60), st.floats(20, 2000))
    def test_a_drawing_that_leaves_the_canvas(
        self, strokes: Strokes, width: float, size: float
    ) -> None:
        sketch = sketch_of(strokes, width, size)
        assume(sketch)
        assert_like_mnist(sketch.to_mnist())

    @given(st.floats(-1e30, 1e30), st.floats(1, 279))
    def test_a_line_that_crosses_the_canvas_from_far_away(self, x: float, y: float) -> None:
        image = sketch_of([[(140, y), (x, y)]]).to_mnist()
        assert_like_mnist(image)

    def test_only_ink_on_the_canvas_counts(self) -> None:
        through = sketch_of([[(-500, 140), (140, 140), (140, 700)]], 10).to_mnist()
        inside = sketch_of([[(-5, 140), (140, 140), (140, 285)]], 10).to_mnist()
        assert np.array_equal(through, inside)

    @given(st.floats(0, 280), st.floats(0, 280), st.floats(1, 60), st.integers(1, 5))
    def test_a_dot_is_round(self, x: float, y: float, width: float, times: int) -> None:
        image = sketch_of([np.array([(x, y)] * times, np.float32)], width).to_mnist()
        assert_like_mnist(image)
        assert extents(image) == [BOX, BOX]
        assert image.sum() / 255 == pytest.approx(np.pi * (BOX / 2) ** 2, rel=0.02)

    @given(st.floats(0, 2 * np.pi), st.floats(10, 130))
    def test_a_straight_line_has_the_width_of_the_pen(self, angle: float, length: float) -> None:
        line = 140 + np.outer([-0.5, 0.5], [np.cos(angle), np.sin(angle)]) * length
        image = sketch_of([line]).to_mnist(pen_width=3)
        assert_like_mnist(image)
        middle = (BOX - 3) / max(abs(np.cos(angle)), abs(np.sin(angle)))
        assert image.sum() / 255 == pytest.approx(3 * middle + np.pi * 1.5**2, rel=0.04)

    def test_x_is_to_the_right_and_y_is_down(self) -> None:
        corner = sketch_of([[(50, 50), (50, 200), (200, 200)]]).to_mnist().astype(bool)
        box = corner[np.ix_(corner.any(axis=1), corner.any(axis=0))]
        assert box[1:, 0].all()
        assert box[-1, :-1].all()
        assert not box[:15, 5:].any()

    @pytest.mark.parametrize("pen_width", [1.5, 2.5, 4])
    def test_ink_grows_with_the_pen(self, pen_width: float) -> None:
        sketch = sketch_of([THREE])
        assert sketch.to_mnist(pen_width).sum() < sketch.to_mnist(pen_width + 0.5).sum()

    @pytest.mark.parametrize("pen_width", [0, 0.4, 11, float("nan")])
    def test_a_pen_out_of_range_is_refused(self, pen_width: float) -> None:
        with pytest.raises(ValueError, match=r"pen_width must be between 0\.5 and 10"):
            sketch_of([THREE]).to_mnist(pen_width)


class TestPlaceSizeAndBrushDoNotMatter:
    @given(
        st.sampled_from([[THREE], SEVEN]), st.floats(0, 150), st.floats(0, 130), st.floats(1, 60)
    )
    def test_place_and_brush(self, strokes: Strokes, x: float, y: float, width: float) -> None:
        moved = sketch_of([stroke + np.float32([x, y]) for stroke in strokes], width).to_mnist()
        assert difference(sketch_of(strokes).to_mnist(), moved) < 0.02

    @given(st.sampled_from([[THREE], SEVEN]), st.floats(0.1, 2))
    def test_size(self, strokes: Strokes, scale: float) -> None:
        assert (
            difference(
                sketch_of(strokes).to_mnist(), sketch_of([s * scale for s in strokes]).to_mnist()
            )
            < 0.02
        )

    @given(st.sampled_from([[THREE], SEVEN]), st.floats(140, 3000))
    def test_size_of_the_canvas(self, strokes: Strokes, size: float) -> None:
        assert (
            difference(sketch_of(strokes).to_mnist(), sketch_of(strokes, 12, size).to_mnist())
            < 0.001
        )

    @given(st.lists(st.integers(0, len(THREE) - 1), max_size=10).map(sorted))
    def test_repeated_points(self, extra: list[int]) -> None:
        order = sorted([*range(len(THREE)), *extra])
        assert np.array_equal(sketch_of([THREE]).to_mnist(), sketch_of([THREE[order]]).to_mnist())

    def test_direction_and_order_of_strokes(self) -> None:
        backwards = sketch_of([stroke[::-1] for stroke in reversed(SEVEN)])
        assert difference(sketch_of(SEVEN).to_mnist(), backwards.to_mnist()) < 0.001


class TestNoInk:
    def test_an_empty_sketch(self) -> None:
        sketch = Sketch()
        assert not sketch
        assert len(sketch) == len(Sketch.from_arrays(**sketch.to_arrays())) == 0  # type: ignore[arg-type]
        with pytest.raises(EmptySketchError, match="draw something first"):
            sketch.to_mnist()

    @given(points(-500, -20, least=1))
    def test_a_stroke_outside_the_canvas(self, path: NDArray[np.float32]) -> None:
        sketch = sketch_of([path], 30)
        assert not sketch
        with pytest.raises(EmptySketchError):
            sketch.to_mnist()


class TestRefused:
    @pytest.mark.parametrize(
        ("path", "width", "words"),
        [
            ([(1, 2), (np.nan, 3)], 5, "point 1 is"),
            ([(np.inf, 3)], 5, "finite"),
            ([(1e300, 3)], 5, "finite"),
            ([1, 2, 3], 5, r"shape \[n, 2\]"),
            ([(1, 2, 3)], 5, r"got \[1, 3\]"),
            ([], 5, "n >= 1"),
            ([(1, 2), (3,)], 5, "numbers of shape"),
            ([("a", "b")], 5, "numbers of shape"),
            ([(1, 2)], 0, "positive"),
            ([(1, 2)], -3, "positive"),
            ([(1, 2)], float("nan"), "positive"),
            ([(1, 2)], float("inf"), "positive"),
        ],
    )
    def test_an_invalid_stroke_does_not_change_the_sketch(
        self, path: list[object], width: float, words: str
    ) -> None:
        sketch = sketch_of(SEVEN)
        sketch.undo()
        before = sketch.strokes
        with pytest.raises(ValueError, match=words):
            sketch.add_stroke(path, width)
        assert sketch.strokes is before
        assert sketch.redo()

    @pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf")])
    def test_a_canvas_without_a_size(self, size: float) -> None:
        with pytest.raises(ValueError, match="size must be a positive"):
            Sketch(size)


class TestHistory:
    @given(st.lists(st.sampled_from(["draw", "erase", "undo", "redo", "clear"]), max_size=30))
    def test_undo_and_redo_are_those_of_two_stacks(self, actions: list[str]) -> None:
        sketch = Sketch()
        past: list[tuple[float, ...]] = []
        now: tuple[float, ...] = ()
        future: list[tuple[float, ...]] = []
        for step, action in enumerate(actions, start=1):
            if action in ("draw", "erase"):
                sketch.add_stroke([(step, step)], step, erase=action == "erase")
                past, now, future = [*past, now], (*now, float(step)), []
            elif action == "clear":
                sketch.clear()
                if now:
                    past, now, future = [*past, now], (), []
            elif action == "undo":
                assert sketch.undo() is bool(past)
                if past:
                    past, now, future = past[:-1], past[-1], [now, *future]
            else:
                assert sketch.redo() is bool(future)
                if future:
                    past, now, future = [*past, now], future[0], future[1:]
            assert tuple(stroke.width for stroke in sketch.strokes) == now
            assert len(sketch) == len(now)

    def test_a_copy_is_independent(self) -> None:
        sketch = sketch_of(SEVEN)
        twin = sketch.copy()
        twin.undo()
        twin.add_stroke(THREE, 5)
        assert [len(stroke.points) for stroke in sketch.strokes] == [3, 2]
        assert [len(stroke.points) for stroke in twin.strokes] == [3, 7]

    def test_a_stroke_is_the_sketchs_own(self) -> None:
        path = THREE.copy()
        sketch = sketch_of([path])
        path += 1
        assert np.array_equal(sketch.strokes[0].points, THREE)
        with pytest.raises(ValueError, match="read-only"):
            sketch.strokes[0].points[0] = 0


class TestEraser:
    def test_an_erased_stroke_is_as_if_never_drawn(self) -> None:
        sketch = sketch_of([THREE])
        expected = sketch.to_mnist()
        far = [(200, 10), (200, 250)]
        sketch.add_stroke(far, 20)
        assert difference(expected, sketch.to_mnist()) > 0.5
        sketch.add_stroke(far, 24, erase=True)
        assert difference(expected, sketch.to_mnist()) < 0.02

    @settings(max_examples=30)
    @given(drawings(), st.floats(2, 40))
    def test_a_drawing_erased_along_its_own_lines_is_empty(
        self, strokes: Strokes, width: float
    ) -> None:
        sketch = sketch_of(strokes, width)
        for stroke in strokes:
            sketch.add_stroke(stroke, width + 2, erase=True)
        assert not sketch
        with pytest.raises(EmptySketchError):
            sketch.to_mnist()

    def test_half_a_line_is_left(self) -> None:
        corner = [(40, 140), (40, 40)]
        sketch = sketch_of([[(40, 140), (240, 140)], corner])
        sketch.add_stroke([(150, 140), (260, 140)], 20, erase=True)
        shorter = sketch_of([[(40, 140), (140, 140)], corner])
        assert difference_in_shape(shorter.to_mnist(), sketch.to_mnist()) < 0.25

    def test_a_gap_stays_open_however_wide_the_pen(self) -> None:
        sketch = sketch_of([[(30, 140), (250, 140)]], 8)
        sketch.add_stroke([(140, 100), (140, 180)], 24, erase=True)
        columns = sketch.to_mnist().sum(axis=0)
        inked = np.flatnonzero(columns)
        assert (columns[inked[0] : inked[-1]] == 0).any()

    def test_ink_after_the_eraser_stays(self) -> None:
        sketch = sketch_of([THREE])
        expected = sketch.to_mnist()
        sketch.add_stroke([(0, 70), (280, 70)], 400, erase=True)
        assert not sketch
        sketch.add_stroke(THREE, 12)
        assert np.array_equal(expected, sketch.to_mnist())

    @settings(max_examples=20)
    @given(drawings(), drawings(), st.floats(2, 40))
    def test_the_remaining_ink_is_prepared_like_mnist(
        self, strokes: Strokes, erased: Strokes, width: float
    ) -> None:
        sketch = sketch_of(strokes)
        for stroke in erased:
            sketch.add_stroke(stroke, width, erase=True)
        assume(sketch)
        image = sketch.to_mnist()
        assert image.max() == 255
        assert max(extents(image)) == BOX


class TestStorage:
    @given(drawings(-100, 400), st.floats(1, 50), st.booleans())
    def test_arrays_recreate_the_sketch(self, strokes: Strokes, width: float, erase: bool) -> None:
        sketch = sketch_of(strokes, width, 300)
        sketch.add_stroke(THREE, 7, erase=erase)
        again = Sketch.from_arrays(**sketch.to_arrays())  # type: ignore[arg-type]
        assert again.size == 300
        for old, new in zip(sketch.strokes, again.strokes, strict=True):
            assert np.array_equal(old.points, new.points)
            assert (np.float32(old.width), old.erase) == (new.width, new.erase)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"lengths": [7, 1]},
            {"lengths": [6]},
            {"lengths": [-7]},
            {"widths": []},
            {"erase": [0, 0]},
        ],
    )
    def test_arrays_that_do_not_fit_together(self, wrong: dict[str, list[int]]) -> None:
        with pytest.raises(ValueError, match="do not fit together"):
            Sketch.from_arrays(**(sketch_of([THREE]).to_arrays() | wrong))  # type: ignore[arg-type]


class TestDenseDrawings:
    @pytest.mark.parametrize(
        "path",
        [
            np.random.default_rng(0).uniform(0, 280, (60_000, 2)),
            np.tile([[0, 0], [280, 280], [0, 280], [280, 0]], (15_000, 1)),
            np.random.default_rng(0).uniform(140, 140.5, (60_000, 2)),
        ],
        ids=["across", "corner to corner", "dot"],
    )
    def test_many_points_take_bounded_time_and_memory(self, path: NDArray[np.float64]) -> None:
        sketch = sketch_of([path])
        tracemalloc.start()
        try:
            started = time.process_time()
            image = sketch.to_mnist()
            took = time.process_time() - started
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert_like_mnist(image)
        assert took < 2  # seconds; under 1 on an idle machine
        assert peak < 300e6

    def test_repeating_a_line_changes_nothing(self) -> None:
        once = sketch_of([np.array(SEVEN[0], np.float32)]).to_mnist()
        back_and_forth = [SEVEN[0], SEVEN[0][::-1]] * 2_000
        often = sketch_of([np.concatenate(back_and_forth)]).to_mnist()
        assert difference(once, often) < 0.02

    def test_too_many_points_or_strokes_are_refused(self) -> None:
        sketch = sketch_of([np.zeros((60_000, 2))])
        with pytest.raises(ValueError, match="at most 1,000 strokes and 100,000 points"):
            sketch.add_stroke(np.zeros((60_000, 2)), 5)
        assert len(sketch) == 1
        full = sketch_of([np.ones((1, 2))] * 1_000)
        with pytest.raises(ValueError, match="at most 1,000 strokes"):
            full.add_stroke([(5, 5)], 5)
