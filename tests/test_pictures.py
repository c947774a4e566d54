"""A digit in any picture is prepared like MNIST's images."""

import contextlib
import functools
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ink import THREE, assert_like_mnist, difference, difference_in_shape
from made_pages import NOBODY, make_page
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps
from scipy import ndimage
from test_pretrained import sketch_of

from mnist_nb.data import Mnist
from mnist_nb.handwriting.picture_files import load_grey
from mnist_nb.handwriting.pictures import find_ink, from_image, picture_steps
from mnist_nb.handwriting.preprocessing import EmptySketchError

Clutter = Callable[[Image.Image], Image.Image]


def picture(width: int = 24, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Return a picture of a 3, white on black."""
    image = Image.new("L", size)
    ImageDraw.Draw(image).line(
        [(200 + 2.5 * x, 60 + 2.5 * y) for x, y in THREE.tolist()], 255, width, joint="curve"
    )
    return image


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """Return the bytes of a picture's file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def photo(dark: bool) -> Image.Image:
    """Return the same on paper in slanting light, with grain, or as chalk on a board."""
    ink = np.asarray(picture().filter(ImageFilter.GaussianBlur(1.5)), np.float64) / 255
    light = 90 + 100 * np.linspace(0, 1, 640)[None] * np.linspace(1, 0.8, 480)[:, None]
    grain = np.random.default_rng(0).normal(0, 5, ink.shape)
    paper = light * (1 - 0.7 * ink) + grain
    return Image.fromarray((255 - paper if dark else paper).clip(0, 255).astype(np.uint8))


def test_a_large_picture_of_16_bits_takes_little_memory() -> None:
    values = np.full((6200, 6200), 60_000, np.uint16)
    values[1500:4700, 3000:3300] = 300
    picture = Image.fromarray(values)
    tracemalloc.start()
    grey = load_grey(picture)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * values.nbytes
    assert grey.shape == (512, 512)
    assert grey.min() < 10
    assert grey.max() == 255


class TestFromImage:
    @pytest.mark.slow
    @given(st.integers(0, 2**32 - 1))
    @example(34)  # once taken for a box
    @example(536071)  # once taken for rules
    def test_an_image_like_mnists_is_unchanged(self, seed: int) -> None:
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

    def test_dust_on_the_paper_is_not_ink(self) -> None:
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

    @pytest.mark.filterwarnings("error")  # NumPy's warning about a mean without pixels
    def test_a_smooth_gradient_gives_no_warning(self) -> None:
        gradient = np.tile(np.linspace(0, 255, 512).astype(np.uint8), (512, 1))
        with contextlib.suppress(EmptySketchError):
            assert find_ink(gradient).shape == gradient.shape

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
            (b"not a picture", "not a readable picture"),
            (b"", "not a readable picture"),
            pytest.param(
                saved(picture(), "JPEG")[:2000], "not a readable picture", id="half a file"
            ),
            (np.zeros((2, 3, 5)), "as an array"),
            (np.zeros(7), "as an array"),
            (np.full((9, 9), 300), "0..255"),
            (np.full((9, 9), np.nan), "0..255"),
            (np.array([["a"]]), "as an array"),
            (np.zeros((0, 5)), "at least one pixel"),
            pytest.param(Image.new("La", (30, 30)), "not a readable picture", id="a rare mode"),
        ],
    )
    def test_other_files_are_not_pictures(self, source: object, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            from_image(source)  # type: ignore[arg-type]

    @pytest.mark.promise("no code")
    def test_a_file_of_another_format_starts_no_program(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """For an EPS file, whatever its name, Pillow would start Ghostscript."""
        photo = tmp_path / "photo.png"
        Image.new("RGB", (20, 20), "white").save(photo, "EPS")
        monkeypatch.setattr("subprocess.Popen", None)
        monkeypatch.setattr("subprocess.check_call", None)
        for source in (photo, photo.read_bytes()):
            with pytest.raises(ValueError, match="readable picture: choose a PNG"):
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
        with pytest.raises(ValueError, match="this is not a readable picture: choose a PNG"):
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
        """CMYK as printers use it, LAB, and red on a green of equal lightness, which differ in no
        grey value."""
        grey = picture()
        expected = from_image(grey)
        cmyk = Image.merge("CMYK", [Image.new("L", grey.size)] * 3 + [grey])
        level = Image.new("L", grey.size, 128)
        red_on_green = Image.new("RGB", grey.size, (0, 130, 0))
        red_on_green.paste((255, 0, 0), mask=grey)
        assert np.ptp(np.asarray(red_on_green.convert("L"))) < 3
        for source in (cmyk, Image.merge("LAB", [grey, level, level]), red_on_green):
            assert difference(expected, from_image(source)) < 0.02

    def test_a_blank_first_frame_is_skipped(self) -> None:
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
        cropped = np.pad(np.asarray(picture().crop(picture().getbbox())), margin)
        if dark:
            cropped = 255 - cropped
        assert difference(from_image(picture()), from_image(cropped)) < 0.02


# ---- A 3 in dark ink on white, with surroundings of real pictures


def with_frame(page: Image.Image) -> Image.Image:
    ImageDraw.Draw(page).rectangle((4, 4, 635, 475), outline=0, width=6)
    return page


def with_table_edge(page: Image.Image) -> Image.Image:
    ImageDraw.Draw(page).rectangle((0, 440, 640, 480), "#402010")
    return page


def with_dark_corner(page: Image.Image) -> Image.Image:
    ImageDraw.Draw(page).polygon([(640, 0), (640, 120), (520, 0)], "#202020")
    return page


def on_patterned_cloth(page: Image.Image) -> Image.Image:
    colours = np.random.default_rng(0).integers(0, 255, (5, 80, 3), np.uint8)
    cloth = Image.fromarray(colours).resize((640, 40), Image.Resampling.NEAREST)
    page.paste(cloth, (0, 0))
    return page


def on_a_dark_desk(page: Image.Image) -> Image.Image:
    desk = Image.new("RGB", (640, 400), "#403830")
    desk.paste(page.crop((140, 40, 460, 440)), (160, 0))
    return photographed(desk)


def with_specks(page: Image.Image) -> Image.Image:
    places = np.random.default_rng(0).uniform((0, 0), page.size, (60, 2))
    ImageDraw.Draw(page).point([(int(x), int(y)) for x, y in places], "#303030")
    return page


def on_grey_patch(page: Image.Image) -> Image.Image:
    larger = Image.new("RGB", (960, 800), "white")
    larger.paste(Image.eval(page, lambda level: level * 3 // 4), (160, 160))
    return larger


def with_transparent_edge(page: Image.Image) -> Image.Image:
    page.putalpha(255)
    page.paste((0, 0, 0, 0), (600, 0, 640, 480))
    page.paste((0, 0, 0, 0), (0, 450, 640, 480))
    return page


def in_faint_ink(page: Image.Image) -> Image.Image:
    return Image.eval(page, lambda level: 225 + level * 25 // 255)


def with_jpeg_halo(page: Image.Image) -> Image.Image:
    return Image.open(io.BytesIO(saved(page, "JPEG", quality=12)))


def on_ruled_paper(page: Image.Image) -> Image.Image:
    rules = Image.new("RGB", page.size, "white")
    for y in range(20, 640, 60):
        ImageDraw.Draw(rules).line([(0, y), (640, y + 9)], "#909090", 2)
    return photographed(ImageChops.multiply(page, rules))


def on_squared_paper(page: Image.Image) -> Image.Image:
    rules = Image.new("RGB", page.size, "white")
    for place in range(20, 640, 30):
        ImageDraw.Draw(rules).line([(0, place), (640, place + 9)], "#909090", 2)
        ImageDraw.Draw(rules).line([(place, 0), (place - 7, 480)], "#909090", 2)
    return photographed(ImageChops.multiply(page, rules))


def half_in_shadow(page: Image.Image) -> Image.Image:
    levels = np.array(page, np.float64)
    levels[:, 330:] *= 0.6
    return photographed(levels)


def photographed(page: Image.Image | NDArray[np.float64]) -> Image.Image:
    """Return the page as a photo with grain."""
    levels = 0.8 * np.asarray(page)
    grain = np.random.default_rng(0).normal(0, 3, levels.shape)
    return Image.fromarray((levels + grain).clip(0, 255).astype(np.uint8))


CLUTTER = (
    with_frame,
    with_table_edge,
    with_dark_corner,
    on_patterned_cloth,
    on_a_dark_desk,
    with_specks,
    on_grey_patch,
    with_transparent_edge,
    in_faint_ink,
    with_jpeg_halo,
    on_ruled_paper,
    on_squared_paper,
    half_in_shadow,
)


class TestFindInk:
    @pytest.mark.parametrize("clutter", CLUTTER)
    def test_clutter_around_the_digit_is_not_ink(self, clutter: Clutter) -> None:
        page = clutter(ImageOps.invert(picture()).convert("RGB"))
        ink = find_ink(page)
        assert ink.max() <= 1
        assert ink.min() == 0
        assert difference_in_shape(from_image(picture()), from_image(page)) < 0.2

    def test_several_digits_are_all_found(self) -> None:
        page = Image.new("L", (1500, 500))
        for left in (0, 400, 800):
            page.paste(picture((24), (640, 480)).crop((180, 0, 560, 480)), (left + 100, 10))
        pieces = ndimage.label(find_ink(page))[1]
        assert pieces == 3

    def test_a_thin_one_next_to_touching_digits_is_ink(self) -> None:
        page = Image.new("L", (1500, 500))
        digit = picture().crop((190, 0, 370, 480))
        for left in range(500, 1300, 180):
            page.paste(digit, (left, 10))
        ImageDraw.Draw(page).line((200, 150, 200, 250), 255, 3)
        assert find_ink(page)[:, :120].any()

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
        st.integers(1, 90),
        st.integers(1, 90),
        st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"]),
        st.randoms(use_true_random=False),
    )
    @pytest.mark.promise("any picture")
    def test_any_picture_gives_an_image_or_a_clear_error(
        self, width: int, height: int, mode: str, chance: Random
    ) -> None:
        blocks = Image.frombytes("RGBA", (6, 5), chance.randbytes(120))
        source = blocks.resize((width, height), chance.randrange(4))
        if mode == "I;16":  # Pillow converts no other mode to this one
            source = Image.new(mode, (width, height), chance.randrange(65536))
        else:
            source = source.convert(mode)
        try:
            image = from_image(source)
        except EmptySketchError:
            return
        assert (image.shape, image.dtype, image.max()) == ((28, 28), np.uint8, 255)

    @given(st.integers(0, 290), st.integers(0, 170), st.booleans())
    def test_the_place_in_the_frame_changes_nothing(self, left: int, top: int, dark: bool) -> None:
        moved = three_at(left, top)
        if dark:
            moved = ImageOps.invert(moved)
        assert difference(usual_three(), from_image(moved)) < 0.02


def three_at(left: int, top: int) -> Image.Image:
    """Return a dark picture with a 3 at a place."""
    frame = Image.new("L", (512, 512))
    frame.paste(picture().crop((220, 60, 440, 400)), (left, top))
    return frame


@functools.cache
def usual_three() -> NDArray[np.uint8]:
    """Return the image of a 3 in the middle."""
    return from_image(three_at(100, 100))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's warning about tags
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
@pytest.mark.promise("any picture")
def test_a_damaged_tiff_is_read_or_raises_a_clear_error(compression: str | None) -> None:
    content = saved(picture(size=(320, 240)).convert("L"), "TIFF", compression=compression)
    random = Random(0)
    for _ in range(100):
        damaged = bytearray(content)
        for _ in range(random.randint(1, 8)):
            place = random.choice([random.randrange(200), random.randrange(len(content))])
            damaged[-place] = random.randrange(256)
            damaged[place] = random.randrange(256)
        with contextlib.suppress(ValueError):
            find_ink(bytes(damaged))


def test_grain_does_not_hide_a_stroke_that_crosses_rules() -> None:
    """The ruled lines connect the stroke to the edge, so that only grain is separate from it."""
    page = Image.new("L", (420, 360), 205)
    pen = ImageDraw.Draw(page)
    for y in range(24, 360, 42):
        pen.line([(0, y), (420, y + 12)], fill=150, width=2)
    corners = [(185, 130), (210, 107), (245, 107), (268, 130), (260, 160), (220, 180), (260, 195)]
    corners += [(278, 225), (265, 260), (230, 277), (190, 267), (175, 245)]
    pen.line(corners, fill=50, width=7, joint="curve")
    light = np.linspace(1, 0.7, 420) * np.where(np.arange(360) < 230, 1, 0.6)[:, None]
    grain = np.random.default_rng(0).normal(0, 3, light.shape)
    photo = (np.asarray(page) * light + grain).clip(0, 255).astype(np.uint8)
    assert np.count_nonzero(find_ink(photo)) > 2000  # a line of about 400 by 7 pixels


def test_a_long_stem_is_not_a_ruled_line() -> None:
    paper = Image.new("L", (160, 290), 165)
    pages = [paper, paper.copy()]
    creases = ImageDraw.Draw(pages[1])
    for crease in ((0, 100, 159, 103), (0, 215, 159, 211), (40, 0, 44, 289), (95, 0, 93, 289)):
        creases.line(crease, fill=148, width=2)
    for page in pages:
        pen = ImageDraw.Draw(page)
        pen.line([(110, 20), (60, 100), (125, 98)], fill=20, width=4)
        pen.line([(118, 15), (121, 275)], fill=20, width=4)
    grain = np.random.default_rng(0).normal(0, 0.8, (290, 160))
    plain, creased = (find_ink((np.asarray(page) + grain).round()) > 0.5 for page in pages)
    assert np.count_nonzero(plain != creased) < 0.02 * np.count_nonzero(plain)


@pytest.mark.parametrize("seed", [1, 2, 8])
def test_paper_between_sharpened_strokes_is_not_ink(seed: int, sample: Mnist) -> None:
    page = make_page("sharpened", seed, sample.train)
    near_digits = ndimage.maximum_filter(page.owners != NOBODY, 9)
    assert not find_ink(page.picture)[~near_digits].any()
