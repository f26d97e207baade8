import hashlib
import tempfile
import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debusine.domain.files import EMPTY_DIGEST, ArtifactPath, Digest, File, FileState, FileUpload, InvalidPath
from debusine.domain.times import now

GOOD = [
    "hello_2.10-3.dsc",
    "a",
    "sub/dir/file",
    ".hidden",
    "...",
    "..a/b..",
    "a b",
    "-rf",
    "~",
    "C:\\x",
    "na\u00efve.txt",
    "\u65e5\u672c\u8a9e",
    "%2f",
    "x" * 255,
    "/".join(["x" * 99] * 5),
    "\u00e9" * 127,
]

BAD = [
    ("", "empty"),
    ("/", "absolute"),
    ("/etc/passwd", "absolute"),
    (".", "empty component"),
    ("..", "empty component"),
    ("../x", "empty component"),
    ("a/../b", "empty component"),
    ("a/./b", "empty component"),
    ("a//b", "empty component"),
    ("a/", "empty component"),
    ("a\0b", "control"),
    ("a\nb", "control"),
    ("a\r\nb", "control"),
    ("a\x1bb", "control"),
    ("a\x7fb", "control"),
    ("a\u0085b", "control"),
    ("gpj.\u202egnp", "direction"),
    ("a\u2066b", "direction"),
    ("a\u200fb", "direction"),
    ("a\u061cb", "direction"),
    ("nai\u0308ve", "NFC"),
    ("\u212b", "NFC"),
    ("a\ud800b", "UTF-8"),
    ("x" * 256, "255 bytes"),
    ("\u00e9" * 128, "255 bytes"),
    ("/".join(["x" * 99] * 5) + "xx", "500 characters"),
]


@pytest.mark.parametrize("text", GOOD)
def test_a_good_path_stays_as_it_is(text: str) -> None:
    assert ArtifactPath(text) == text


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_a_bad_path_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidPath) as caught:
        ArtifactPath(text)

    assert reason in caught.value.reason


@pytest.mark.parametrize(("text", "_"), BAD)
def test_the_message_about_a_bad_path_can_be_printed(text: str, _: str) -> None:
    with pytest.raises(InvalidPath) as caught:
        ArtifactPath(text)

    assert str(caught.value).isprintable()
    str(caught.value).encode()


@given(st.text(max_size=600))
def test_whatever_passes_is_safe_to_unpack_and_to_print(text: str) -> None:
    try:
        path = ArtifactPath(text)
    except InvalidPath:
        return
    parts = PurePosixPath(path).parts
    assert str(PurePosixPath(path)) == path, "nothing of it is normalised away"
    assert parts
    assert not {"..", ".", "/"}.intersection(parts)
    assert all(unicodedata.category(character) not in {"Cc", "Cs"} for character in path)
    assert len(path) <= 500
    assert max(len(part.encode()) for part in parts) <= 255


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20), max_size=5))
def test_plain_names_always_pass(parts: list[str]) -> None:
    assert not parts or ArtifactPath("/".join(parts)).name == parts[-1]


def test_a_name_is_the_last_component() -> None:
    assert (ArtifactPath("a/b/c.deb").name, ArtifactPath("c.deb").name) == ("c.deb", "c.deb")


@given(st.binary(max_size=3 << 20))
def test_a_local_file_is_described_by_its_content(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(content)
        stream.flush()
        file = File.from_local_path(Path(stream.name))

    assert file.digest == Digest(hash_digest=hashlib.sha256(content).digest(), size=len(content))
    assert (file.id, file.state) == (0, FileState.LIVE)


def test_a_hash_is_shown_in_hexadecimal() -> None:
    assert EMPTY_DIGEST.hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_an_upload_is_found_below_the_upload_directory() -> None:
    upload = FileUpload(id=1, file_in_artifact=2, path="3-abc", received=0, last_activity_at=now())

    assert upload.absolute_file_path(Path("/uploads")) == Path("/uploads/3-abc")
