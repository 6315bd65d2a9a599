"""Checkpoints: whole or not at all, whenever the process dies, and damage is found out."""

import hashlib
import io
import json
import os

import numpy as np
import pytest
from dying import dies_at_line

from coded_dgd import files
from coded_dgd.engine import checkpoint
from coded_dgd.engine.checkpoint import MAGIC, Checkpoint, Keeper, latest, read, write
from coded_dgd.errors import DataError


def state(iteration, features=50):
    rng = np.random.default_rng(iteration)
    beta = rng.standard_normal(features)
    values = {"losses": [], "clock": iteration / 3, "absences": [[0, 1, 0.25, None]]}
    return Checkpoint(iteration, values, {"beta": beta, "point": beta + 1, "steps": np.float64(3)})


def same(first, second):
    return (
        first.iteration == second.iteration
        and first.values == second.values
        and first.arrays.keys() == second.arrays.keys()
        and all(np.array_equal(array, second.arrays[key]) for key, array in first.arrays.items())
    )


def newest(folder):
    return latest(folder, lambda _: True)


def test_what_is_written_is_read(tmp_path):
    path = write(tmp_path, state(7))
    assert same(read(path), state(7))
    assert newest(tmp_path)[0].iteration == 7


def test_the_latest_two_stay(tmp_path):
    for iteration in (1, 2, 3, 12):
        write(tmp_path, state(iteration))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint-000000003.ckpt", "checkpoint-000000012.ckpt"]


def test_the_files_have_ordinary_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        path = write(tmp_path, state(1))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_process_that_dies_at_any_line_of_writing_leaves_a_whole_one(tmp_path):
    write(tmp_path, state(1))
    write(tmp_path, state(2))
    line, found = 0, set()
    while dies_at_line(line, (checkpoint, files), lambda: write(tmp_path, state(3))):
        last, complaints = newest(tmp_path)
        assert complaints == []
        assert same(last, state(last.iteration))
        found.add(last.iteration)
        (tmp_path / "checkpoint-000000003.ckpt").unlink(missing_ok=True)
        write(tmp_path, state(1))
        write(tmp_path, state(2))
        line += 1
    assert line > 15
    assert found == {2, 3}


@pytest.mark.parametrize("kept", [0, 1, 50, 500, 1500, -1])
def test_a_file_cut_short_is_damaged(tmp_path, kept):
    path = write(tmp_path, state(1))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"damaged|no checkpoint"):
        read(path)


def test_every_flipped_byte_is_found(tmp_path):
    path = write(tmp_path, state(1, features=3))
    whole = path.read_bytes()
    for position in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[position] ^= 0x40
        path.write_bytes(spoilt)
        with pytest.raises(DataError):
            read(path)


def test_of_a_damaged_one_the_one_before_is_used_and_that_is_said(tmp_path):
    write(tmp_path, state(1))
    damaged = write(tmp_path, state(2))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    last, (complaint,) = newest(tmp_path)
    assert last.iteration == 1
    assert str(damaged) in complaint
    assert "damaged" in complaint


def test_of_two_damaged_ones_none_is_used(tmp_path):
    for iteration in (1, 2):
        write(tmp_path, state(iteration)).write_bytes(b"")
    last, complaints = newest(tmp_path)
    assert last is None
    assert len(complaints) == 2


def test_one_that_does_not_fit_is_passed_over(tmp_path):
    write(tmp_path, state(1))
    write(tmp_path, state(2))
    last, (complaint,) = latest(tmp_path, lambda each: each.iteration == 1)
    assert last.iteration == 1
    assert "does not fit" in complaint


def sealed(body):
    """With a checksum that is right."""
    return MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def archive(header, **arrays):
    body = io.BytesIO()
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    np.savez(body, header=np.frombuffer(text, np.uint8), **arrays)
    return body.getvalue()


WHOLE = {"iteration": 1, "values": {}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"PK\x03\x04",
        MAGIC,
        sealed(b""),
        sealed(b"no archive"),
        sealed(archive(b"no JSON")),
        sealed(archive([])),
        sealed(archive({"values": {}})),
        sealed(archive({"iteration": "one", "values": {}})),
        sealed(archive({"iteration": 1e400, "values": {}})),
        sealed(archive({"iteration": -1, "values": {}})),
        sealed(archive({"iteration": 1, "values": 3})),
        sealed(archive({"iteration": 1, "values": None})),
        sealed(archive(WHOLE)[:-30]),
        sealed(archive(WHOLE, array_beta=np.array([{}, {}], dtype=object))),
        MAGIC.replace(b"1", b"2") + sealed(archive(WHOLE))[len(MAGIC) :],
    ],
)
def test_other_content_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "checkpoint-000000001.ckpt"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read(path)
    assert "\n" not in str(error.value)


def test_nothing_in_it_is_executed(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    body = io.BytesIO()
    np.savez(body, header=np.array([Bomb()], dtype=object))
    path = tmp_path / "checkpoint-000000001.ckpt"
    path.write_bytes(sealed(body.getvalue()))
    with pytest.raises(DataError):
        read(path)
    assert not (tmp_path / "executed").exists()


def test_a_directory_of_that_name_is_refused(tmp_path):
    (tmp_path / "checkpoint-000000001.ckpt").mkdir()
    last, (complaint,) = newest(tmp_path)
    assert last is None
    assert "directory" in complaint


def test_the_keeper_says_when_one_is_due(tmp_path, monkeypatch):
    now = 0.0
    monkeypatch.setattr(checkpoint, "monotonic", lambda: now)
    before = []
    keeper = Keeper(tmp_path, every=5, seconds=60.0, before=lambda: before.append(now))
    assert [iteration for iteration in range(1, 12) if keeper.due(iteration)] == [5, 10]
    now = 61.0
    assert keeper.due(11)
    keeper.keep(state(11))
    assert not keeper.due(12)
    keeper.keep(state(11))  # it has been done
    assert before == [61.0]
    never = Keeper(tmp_path, every=0, seconds=0.0, before=lambda: None)
    now = 1e9
    assert not any(never.due(iteration) for iteration in range(1, 100))
