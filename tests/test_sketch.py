"""Ink keeps MNIST's own measures, whatever is drawn and wherever."""

import io
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps
from scipy import ndimage
from test_pretrained import sketch_of

from mnist_nb.handwriting.pictures import find_ink, from_image, picture_steps
from mnist_nb.handwriting.preprocessing import (
    BOX,
    EmptySketchError,
    Pixels,
    preparation_steps,
    prepare,
)
from mnist_nb.handwriting.sketch import Sketch

settings.register_profile("ink", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("ink")

Strokes = list[NDArray[np.float32]]
THREE = np.array(
    [(20, 20), (60, 10), (80, 35), (45, 60), (85, 90), (60, 125), (15, 110)], np.float32
)
SEVEN = [
    np.array([(10, 10), (80, 10), (40, 120)], np.float32),
    np.array([(25, 65), (75, 60)], np.float32),
]


def points(low: float, high: float, least: int = 1) -> st.SearchStrategy[NDArray[np.float32]]:
    number = st.floats(low, high, width=32)
    return st.lists(st.tuples(number, number), min_size=least, max_size=12).map(
        lambda ps: np.array(ps, np.float32)
    )


def drawings(low: float = 0, high: float = 280) -> st.SearchStrategy[Strokes]:
    return st.lists(points(low, high), min_size=1, max_size=5)


def extents(image: NDArray[np.generic]) -> list[int]:
    return [int(np.ptp(np.flatnonzero(image.any(axis=axis)))) + 1 for axis in (0, 1)]


def centre(image: Pixels, axis: int) -> float:
    profile = image.sum(axis=1 - axis, dtype=np.float64)
    return float(profile @ np.arange(len(profile)) / profile.sum())


def assert_like_mnist(image: Pixels) -> None:
    """What the notes on MNIST's making promise of every image."""
    assert image.dtype == np.uint8
    assert image.shape == (28, 28)
    assert image.max() == 255
    assert max(extents(image)) == BOX
    for axis in (0, 1):
        inked = np.flatnonzero(image.any(axis=1 - axis))
        middle = centre(image, axis)
        # A lopsided drawing stops at the border: what would have to move on lies at its edge
        # already.
        assert (
            13.5 <= middle <= 14.5
            or (middle > 14.5 and inked[0] == 0)
            or (middle < 13.5 and inked[-1] == 27)
        )


def difference(one: Pixels, other: Pixels) -> float:
    """How much of the ink differs, as a share of all."""
    return float(np.abs(one.astype(float) - other).sum() / one.sum())


def difference_in_shape(one: Pixels, other: Pixels) -> float:
    """The same where the centres of mass may have been rounded to different pixels."""
    shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return min(difference(one, np.roll(other, shift, axis=(0, 1))) for shift in shifts)


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

    def test_only_what_is_on_the_canvas_counts(self) -> None:
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
    def test_a_stroke_beside_the_canvas(self, path: NDArray[np.float32]) -> None:
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
            ([(1, 2, 3)], 5, r"not \[1, 3\]"),
            ([], 5, "n >= 1"),
            ([(1, 2), (3,)], 5, "numbers of shape"),
            ([("a", "b")], 5, "numbers of shape"),
            ([(1, 2)], 0, "positive"),
            ([(1, 2)], -3, "positive"),
            ([(1, 2)], float("nan"), "positive"),
            ([(1, 2)], float("inf"), "positive"),
        ],
    )
    def test_what_is_no_stroke_leaves_the_sketch_as_it_was(
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
        with pytest.raises(ValueError, match="size of a canvas"):
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

    def test_a_copy_goes_its_own_way(self) -> None:
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
    def test_what_is_left_is_like_mnist(
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
    def test_there_and_back(self, strokes: Strokes, width: float, erase: bool) -> None:
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


class TestFiveSteps:
    @given(
        arrays.arrays(
            np.uint8,
            st.tuples(st.integers(1, 60), st.integers(1, 60)),
            elements=st.integers(0, 255),
        )
    )
    def test_any_grey_image(self, grey: Pixels) -> None:
        assume(grey.any())
        steps = preparation_steps(grey)
        assert steps.centred.sum() == steps.scaled.sum()  # no ink is lost
        longest = max(extents(grey))
        assert steps.square.shape == (max(longest, 10),) * 2
        if longest >= 10:
            assert_like_mnist(steps.centred)
        assert np.array_equal(steps.centred, prepare(grey))

    @given(arrays.arrays(np.uint8, (20, 20), elements=st.integers(0, 255)))
    def test_an_image_of_the_right_size_keeps_every_pixel(self, grey: Pixels) -> None:
        grey[0, 0] = grey[-1, -1] = 255
        assert np.array_equal(preparation_steps(np.pad(grey, ((3, 9), (5, 1)))).scaled, grey)

    def test_area_coverage(self) -> None:
        grey = np.zeros((40, 40))
        grey[:, ::2] = 1
        grey[0, 39] = 1e-9
        resampled = preparation_steps(grey).resampled
        assert resampled == pytest.approx(np.full((20, 20), 0.5))

    def test_a_narrow_image_stands_in_the_middle_of_its_square(self) -> None:
        square = preparation_steps(np.ones((40, 20))).square
        assert square[:, 10:30].all()
        assert square.sum() == 40 * 20

    def test_the_faintest_ink_stays_ink(self) -> None:
        grey = np.zeros((40, 40))
        grey[10:20, :20] = 1
        grey[17, 39] = 1e-9
        assert_like_mnist(prepare(grey))

    def test_a_narrow_lopsided_image_moves_as_far_as_it_must(self) -> None:
        grey = np.zeros((20, 12))
        grey[:, 11] = 255
        grey[0, 0] = 1
        assert 13.5 <= centre(prepare(grey), axis=1) <= 14.5

    def test_a_lopsided_image_keeps_its_ink(self) -> None:
        grey = np.zeros((100, 100))
        grey[90:] = 1
        grey[0, 50] = 1
        image = prepare(grey)
        assert image[0].any()
        assert max(extents(image)) == BOX

    @pytest.mark.parametrize(
        "wrong", [np.zeros((2, 2, 3)), np.full((3, 3), np.nan), np.full((3, 3), -1.0)]
    )
    def test_what_is_no_grey_image(self, wrong: NDArray[np.float64]) -> None:
        with pytest.raises(ValueError, match="grey image"):
            prepare(wrong)

    def test_no_ink(self) -> None:
        with pytest.raises(EmptySketchError, match="no ink"):
            prepare(np.zeros((28, 28)))


def picture(width: int = 24, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """A 3 drawn white on black."""
    image = Image.new("L", size)
    ImageDraw.Draw(image).line(
        [(200 + 2.5 * x, 60 + 2.5 * y) for x, y in THREE.tolist()], 255, width, joint="curve"
    )
    return image


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """A picture as a file holds it."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def photo(dark: bool) -> Image.Image:
    """The same on paper in slanting light, with grain; or chalk on a board."""
    ink = np.asarray(picture().filter(ImageFilter.GaussianBlur(1.5)), np.float64) / 255
    light = 90 + 100 * np.linspace(0, 1, 640)[None] * np.linspace(1, 0.8, 480)[:, None]
    grain = np.random.default_rng(0).normal(0, 5, ink.shape)
    paper = light * (1 - 0.7 * ink) + grain
    return Image.fromarray((255 - paper if dark else paper).clip(0, 255).astype(np.uint8))


class TestFromImage:
    @pytest.mark.slow
    @given(st.integers(0, 2**32 - 1))
    def test_an_image_made_like_mnist_comes_back(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        original = sketch_of([generator.uniform(20, 260, (5, 2)).astype(np.float32)]).to_mnist()
        for source in (original, 255 - original):
            assert difference(original, from_image(source)) < 0.02

    def test_every_way_in_gives_the_same(self, tmp_path: Path) -> None:
        grey = picture()
        expected = from_image(grey)
        assert_like_mnist(expected)
        path = tmp_path / "three.png"
        grey.save(path)
        clear = Image.new("RGBA", grey.size, (0, 0, 0, 0))
        clear.paste((30, 20, 90, 255), mask=grey)
        white = Image.new("RGBA", grey.size, (0, 0, 0, 0))
        white.paste((255, 255, 255, 255), mask=grey)
        pixels = np.asarray(grey)
        sources = [
            path,
            str(path),
            path.read_bytes(),
            io.BytesIO(path.read_bytes()),
            pixels,
            255 - pixels,
            pixels / 255.0,
            *((pixels > 127).astype(kind) for kind in (bool, np.uint8, np.int64, float)),
            np.stack([pixels] * 3, axis=2),
            Image.fromarray(pixels.astype(np.uint16) * 257),
            grey.convert("1"),
            grey.convert("P"),
            clear,
            white,
        ]
        for source in sources:
            assert difference(expected, from_image(source)) < 0.02

    @pytest.mark.parametrize("dark", [False, True])
    def test_a_photo_in_uneven_light(self, dark: bool) -> None:
        image = from_image(photo(dark))
        assert_like_mnist(image)
        assert difference_in_shape(from_image(picture()), image) < 0.2

    def test_dust_on_the_paper_is_no_ink(self) -> None:
        dusty = photo(dark=False)
        for x, y in [(50, 40), (600, 450), (560, 60), (90, 400)]:
            ImageDraw.Draw(dusty).ellipse([x, y, x + 3, y + 3], 0)
        assert difference(from_image(photo(dark=False)), from_image(dusty)) < 0.02

    def test_a_phones_sideways_photo_is_turned(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        sideways = saved(picture().transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)
        assert difference(from_image(picture()), from_image(sideways)) < 0.02

    def test_a_thin_line_is_thickened_to_the_pen(self) -> None:
        thin, drawn = from_image(picture(width=3)), sketch_of([THREE]).to_mnist()
        assert_like_mnist(thin)
        assert difference_in_shape(drawn, thin) < 0.2

    def test_the_callers_picture_stays_as_it_was(self, tmp_path: Path) -> None:
        big = picture(size=(3000, 3000))
        big.save(tmp_path / "big.jpg")
        with Image.open(tmp_path / "big.jpg") as opened:
            from_image(opened)
            assert opened.size == (3000, 3000)

    @pytest.mark.parametrize("level", [0, 128, 255])
    def test_a_blank_picture(self, level: int) -> None:
        grain = np.random.default_rng(0).normal(level, 3, (300, 300)).clip(0, 255)
        for blank in (
            np.full((50, 70), level, np.uint8),
            grain.astype(np.uint8),
            np.array([[level]], np.uint8),
        ):
            with pytest.raises(EmptySketchError, match="no digit"):
                from_image(blank)

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            (b"not a picture", "no picture that can be read"),
            (b"", "no picture that can be read"),
            pytest.param(
                saved(picture(), "JPEG")[:2000], "no picture that can be read", id="half a file"
            ),
            (np.zeros((2, 3, 5)), "as an array"),
            (np.zeros(7), "as an array"),
            (np.full((9, 9), 300), "0..255"),
            (np.full((9, 9), np.nan), "0..255"),
            (np.array([["a"]]), "as an array"),
            (np.zeros((0, 5)), "at least one pixel"),
        ],
    )
    def test_what_is_no_picture(self, source: object, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            from_image(source)  # type: ignore[arg-type]

    @pytest.mark.promise("no code")
    def test_a_file_of_another_format_starts_no_program(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An EPS file, whatever its name, would have Pillow start Ghostscript."""
        photo = tmp_path / "photo.png"
        Image.new("RGB", (20, 20), "white").save(photo, "EPS")
        monkeypatch.setattr("subprocess.Popen", None)
        monkeypatch.setattr("subprocess.check_call", None)
        for source in (photo, photo.read_bytes()):
            with pytest.raises(ValueError, match="can be read: choose a PNG"):
                from_image(source)

    def test_a_phones_heic_photo_has_its_own_sentence(self, tmp_path: Path) -> None:
        content = b"\0\0\0\x18ftypheic" + bytes(50)
        path = tmp_path / "IMG_0001.HEIC"
        path.write_bytes(content)
        with path.open("rb") as file:
            for source in (content, path, str(path), file):
                with pytest.raises(
                    ValueError, match="HEIC format, which cannot be read here: save it as JPEG"
                ):
                    from_image(source)
        with pytest.raises(ValueError, match="this is no picture that can be read: choose a PNG"):
            from_image(b"\0\0\0\x18ftypavif" + bytes(50))

    @pytest.mark.promise("bounded reading")
    def test_a_picture_that_would_fill_the_memory(self) -> None:
        with pytest.raises(ValueError, match=r"12000 x 9000|decompression bomb"):
            from_image(saved(Image.new("1", (12_000, 9_000)), "PNG"))

    def test_ninety_megapixels(self) -> None:
        big = Image.new("L", (10_000, 9_000), "white")
        big.paste(0, (4500, 2000, 5500, 7000))
        assert_like_mnist(from_image(big))

    def test_other_ways_to_write_colours(self) -> None:
        """CMYK as printers have it; LAB; red on a green of the same lightness; neither has any grey
        to go by."""
        grey = picture()
        expected = from_image(grey)
        cmyk = Image.merge("CMYK", [Image.new("L", grey.size)] * 3 + [grey])
        level = Image.new("L", grey.size, 128)
        red_on_green = Image.new("RGB", grey.size, (0, 130, 0))
        red_on_green.paste((255, 0, 0), mask=grey)
        assert np.ptp(np.asarray(red_on_green.convert("L"))) < 3
        for source in (cmyk, Image.merge("LAB", [grey, level, level]), red_on_green):
            assert difference(expected, from_image(source)) < 0.02

    def test_a_blank_first_frame_is_passed_over(self) -> None:
        frames = [Image.new("L", (640, 480)), picture(), Image.new("L", (640, 480), 255)]
        moving = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
        with Image.open(io.BytesIO(moving)) as animation:
            assert difference(from_image(picture()), from_image(animation)) < 0.02
            assert animation.tell() == 0
        with pytest.raises(EmptySketchError, match="no digit"):
            from_image(saved(frames[0], "GIF", save_all=True, append_images=[frames[2]]))

    @pytest.mark.parametrize("margin", [0, 1, 40])
    @pytest.mark.parametrize("dark", [False, True])
    def test_a_crop_without_a_margin(self, margin: int, dark: bool) -> None:
        ink = np.asarray(picture())
        (top, bottom), (left, right) = (
            np.flatnonzero(ink.any(axis=axis))[[0, -1]] for axis in (1, 0)
        )
        cropped = np.pad(ink[top : bottom + 1, left : right + 1], margin)
        assert (
            difference(from_image(picture()), from_image(255 - cropped if dark else cropped)) < 0.02
        )


def spoilt(kind: str) -> Image.Image:
    """A 3 in dark ink on white, with what real pictures have beside it."""
    clean = ImageOps.invert(picture()).convert("RGB")
    pen, chance = ImageDraw.Draw(clean), np.random.default_rng(0)
    if kind == "frame":
        pen.rectangle((4, 4, 635, 475), outline=0, width=6)
    elif kind == "table edge":
        pen.rectangle((0, 440, 640, 480), "#402010")
    elif kind == "dark corner":
        pen.polygon([(640, 0), (640, 120), (520, 0)], "#202020")
    elif kind == "patterned cloth":
        cloth = Image.fromarray(chance.integers(0, 255, (5, 80, 3), np.uint8)).resize(
            (640, 40), Image.Resampling.NEAREST
        )
        clean.paste(cloth, (0, 0))
    elif kind == "specks":
        pen.point(
            [(int(x), int(y)) for x, y in chance.uniform((0, 0), clean.size, (60, 2))], "#303030"
        )
    elif kind == "grey patch":
        patch = Image.new("RGB", (960, 800), "white")
        patch.paste(Image.eval(clean, lambda level: level * 3 // 4), (160, 160))
        return patch
    elif kind == "transparent edge":
        clean.putalpha(255)
        clean.paste((0, 0, 0, 0), (600, 0, 640, 480))
        clean.paste((0, 0, 0, 0), (0, 450, 640, 480))
    elif kind == "faint":
        return Image.eval(clean, lambda level: 225 + level * 25 // 255)
    elif kind == "halo":
        return Image.open(io.BytesIO(saved(clean, "JPEG", quality=12)))
    else:  # photos, with grain
        across = Image.new("RGB", clean.size, "white")
        for place in range(20, 640, 30 if kind == "squared" else 60):
            ImageDraw.Draw(across).line([(0, place), (640, place + 9)], "#909090", 2)
            if kind == "squared":
                ImageDraw.Draw(across).line([(place, 0), (place - 7, 480)], "#909090", 2)
        page = (
            np.asarray(
                ImageChops.multiply(clean, across) if kind in ("ruled", "squared") else clean
            )
            * 0.8
        )
        page[:, 330:] *= 0.6 if kind == "shadow" else 1
        return Image.fromarray(
            (page + chance.normal(0, 3, page.shape)).clip(0, 255).astype(np.uint8)
        )
    return clean


class TestFindInk:
    KINDS = (
        "frame", "table edge", "dark corner", "patterned cloth", "specks", "grey patch", "transparent edge", "faint",
        "halo", "ruled", "squared", "shadow",
    )  # fmt: skip

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_is_beside_the_digit_is_no_ink(self, kind: str) -> None:
        ink = find_ink(spoilt(kind))
        assert ink.max() <= 1
        assert ink.min() == 0
        assert difference_in_shape(from_image(picture()), from_image(spoilt(kind))) < 0.2

    def test_several_digits_are_all_found(self) -> None:
        page = Image.new("L", (1500, 500))
        for left in (0, 400, 800):
            page.paste(picture((24), (640, 480)).crop((180, 0, 560, 480)), (left + 100, 10))
        pieces = ndimage.label(find_ink(page))[1]
        assert pieces == 3

    def test_the_box_and_the_crop(self) -> None:
        whole = picture_steps(picture())
        left, top, right, bottom = whole.box
        assert whole.ink[top:bottom, left:right].sum() == whole.ink.sum() > 0
        assert (whole.image == from_image(picture())).all()
        two = Image.new("L", (1280, 480))
        two.paste(picture(), (0, 0))
        two.paste(picture(60), (640, 0))
        assert difference(picture_steps(two, (0, 0, 0.5, 1)).image, whole.image) < 0.02
        with pytest.raises(EmptySketchError):
            picture_steps(picture(), (0, 0, 0.1, 0.1))

    @given(
        st.integers(1, 90), st.integers(1, 90),
        st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"]), st.randoms(use_true_random=False),
    )  # fmt: skip
    @pytest.mark.promise("any picture")
    def test_any_picture_gives_an_image_or_a_clear_error(
        self, width: int, height: int, mode: str, chance: Random
    ) -> None:
        blocks = Image.frombytes("RGBA", (6, 5), chance.randbytes(120)).resize(
            (width, height), chance.randrange(4)
        )
        source = (
            Image.new("I;16", (width, height), chance.randrange(65536))
            if mode == "I;16"
            else blocks.convert(mode)
        )
        try:
            image = from_image(source)
        except EmptySketchError:
            return
        assert (image.shape, image.dtype, image.max()) == ((28, 28), np.uint8, 255)

    @given(st.integers(0, 290), st.integers(0, 170), st.booleans())
    def test_the_place_in_the_frame_changes_nothing(self, left: int, top: int, dark: bool) -> None:
        three, pages = (
            picture().crop((220, 60, 440, 400)),
            [Image.new("L", (512, 512)) for _ in range(2)],
        )
        pages[0].paste(three, (100, 100))
        pages[1].paste(three, (left, top))
        moved = ImageOps.invert(pages[1]) if dark else pages[1]
        assert difference(from_image(pages[0]), from_image(moved)) < 0.02
