"""A file appears when it is whole; what is no regular file is written to as it is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from modelwarden.whole_file import whole


def test_a_file_takes_the_place_of_another_when_it_is_whole(tmp_path: Path) -> None:
    file, link = tmp_path / "a", tmp_path / "link"
    file.write_text("old")
    link.symlink_to("a")
    with whole(link) as out:
        out.write(b"new")
        out.flush()
        assert file.read_text() == "old"
    assert (file.read_text(), link.is_symlink()) == ("new", True)
    with pytest.raises(TypeError), whole(file) as out:
        out.writelines([b"half", "text"])  # type: ignore[list-item]
    assert file.read_text() == "new"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "link"]


def test_a_pipe_behind_a_link_is_written_to(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with whole(link) as out:
        out.write(b"through")
    reader.join(10)
    assert read == [b"through"]
    assert pipe.is_fifo()


def test_a_folder_and_a_link_to_itself_are_errors_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), whole(tmp_path):
        pass
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "loop", tmp_path / "loop/a"):
        with pytest.raises(OSError, match="Too many levels of symbolic links"), whole(path):
            pass


WRITES = "import sys; from pathlib import Path; from modelwarden.whole_file import whole\nwith whole(Path(sys.argv[1])) as out: out.write(b'page')"


@pytest.mark.parametrize("to", ["/dev/stdout", "link", "/proc/self/fd/1"])
def test_stdout_stays_what_it_is(tmp_path: Path, to: str) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    call = [sys.executable, "-c", WRITES, to]
    assert subprocess.run(call, cwd=tmp_path, capture_output=True, check=True).stdout == b"page"
    kept = tmp_path / "kept"
    kept.write_text("before ")
    before = kept.stat().st_ino
    with kept.open("ab") as out:
        subprocess.run(call, cwd=tmp_path, stdout=out, check=True)
    assert kept.read_text() == "before page"
    assert kept.stat().st_ino == before
    assert [one.name for one in tmp_path.glob(".*")] == []
