from __future__ import annotations

from pathlib import Path

import pytest

from stages.files import remove, replacing, sha256_of, write_json, write_text


def _content(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path):
    target = tmp_path / "deep" / "file.txt"
    with replacing(target) as partial:
        partial.write_text("new")
        assert partial.parent == target.parent and partial.suffix == ".partial" and not target.exists()
    assert _content(tmp_path) == {"deep/file.txt": "new"}


def test_on_an_error_all_is_as_it_was(tmp_path: Path):
    write_text(tmp_path / "file.txt", "old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "file.txt") as partial:
        partial.write_text("half")
        raise RuntimeError
    with pytest.raises(RuntimeError), replacing(tmp_path / "folder") as partial:
        partial.mkdir()
        (partial / "half.txt").write_text("half")
        raise RuntimeError
    assert _content(tmp_path) == {"file.txt": "old"} and [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_a_folder_replaces_a_folder_whole(tmp_path: Path):
    for name in ("one", "two"):
        with replacing(tmp_path / "folder") as partial:
            partial.mkdir()
            (partial / f"{name}.txt").write_text(name)
    assert _content(tmp_path) == {"folder/two.txt": "two"}


def test_what_a_killed_run_left_is_no_hindrance(tmp_path: Path):
    (tmp_path / ".folder.partial").mkdir()
    (tmp_path / ".folder.partial" / "left.txt").write_text("left")
    with replacing(tmp_path / "folder") as partial:
        partial.mkdir()
        (partial / "new.txt").write_text("new")
    assert _content(tmp_path) == {"folder/new.txt": "new"}


def test_remove_takes_links_not_what_they_point_to(tmp_path: Path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove(tmp_path / "link")
    remove(tmp_path / "absent")
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_json_keeps_order_and_refuses_nan(tmp_path: Path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [0.5, None]})
    assert (tmp_path / "a.json").read_text() == '{\n  "b": 1,\n  "a": [\n    0.5,\n    null\n  ]\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert '"b": 1' in (tmp_path / "a.json").read_text()


def test_sha256_is_that_of_the_standard(tmp_path: Path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
