"""What a person writes as data.source finds its reader, or an error that says what to write."""

import subprocess
import sys
import tarfile

import numpy as np
import pytest

from reverie.data import DataConfig, open_dataset
from reverie.data.open import absolute, stated
from reverie.data.source import slug
from reverie.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("written", "meant"), [("mnits", "mnist"), ("rign", "ring"), ("gird", "grid")]
)
def test_a_misspelt_name_is_answered_with_the_name(written, meant):
    with pytest.raises(
        DataError, match=f"no such file, folder or data set; did you mean '{meant}"
    ):
        open_dataset(DataConfig(source=written))


def test_a_misspelt_path_is_answered_with_its_neighbour(tmp_path):
    (tmp_path / "flowers").mkdir()
    written = tmp_path / "flwers"
    expected = f"data.source={written}: .*did you mean '{tmp_path}/flowers'"
    with pytest.raises(DataError, match=expected):
        open_dataset(DataConfig(source=str(written)))


def test_a_misspelt_relative_path_is_answered_as_it_was_written(tmp_path, monkeypatch):
    (tmp_path / "flowers").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"did you mean 'flowers'\?"):
        open_dataset(DataConfig(source="flwers"))


def test_a_path_like_nothing_else_is_told_what_could_be_given():
    with pytest.raises(DataError, match="give a path that exists, or one of mnist, ring, grid"):
        open_dataset(DataConfig(source="/nowhere/at/all"))


def test_a_link_to_nothing_or_to_itself_is_told_from_a_misspelt_path(tmp_path):
    for target in ("gone", "link"):
        link = tmp_path / "link"
        link.symlink_to(tmp_path / target)
        with pytest.raises(DataError, match=r"link: is a link to nothing, or to itself; give a"):
            open_dataset(DataConfig(source=str(link)))
        link.unlink()


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_path_that_no_system_takes_is_refused(name):
    with pytest.raises(DataError):
        open_dataset(DataConfig(source=name))


def test_one_picture_a_tar_and_other_files_are_told_what_to_do(put, load, tmp_path):
    with pytest.raises(
        DataError, match="is one picture; give the folder that holds your pictures"
    ):
        load(put("a.png"))
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(put("a.png"), "a.png")
    with pytest.raises(DataError, match="tar archives are not read; unpack it, or pack"):
        load(tmp_path / "a.tar.gz")
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(DataError, match=r"is no kind of data that is read; give a folder or .zip"):
        load(tmp_path / "a.csv")
    (tmp_path / "empty.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty.npy: is no NumPy file that can be read"):
        load(tmp_path / "empty.npy")


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.save(tmp_path / "x.npy", np.zeros((4, 2, 2), np.uint8))
    assert len(open_dataset(DataConfig(source="~/x.npy")).train) == 3


def test_a_home_that_is_not_known_is_a_plain_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = "~nobody-of-that-name/x.npy"
    assert absolute(written) == written
    with pytest.raises(DataError, match=f"data.source={written}: there is no such file, folder"):
        open_dataset(DataConfig(source=written))


def test_a_path_is_made_absolute_and_a_name_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    assert [absolute(name) for name in ("x", "ring", "not-here")] == [
        str(tmp_path / "x"),
        "ring",
        "not-here",
    ]
    with pytest.raises(DataError, match="cannot be read"):
        absolute("x" * 5000)


@pytest.mark.parametrize(
    "where", [absolute, stated, lambda name: open_dataset(DataConfig(source=name))]
)
def test_an_empty_name_is_no_folder(where):
    with pytest.raises(
        ConfigError, match=r"data\.source is empty; give a path, or one of mnist, ri"
    ):
        where("")


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("My Photos", "my-photos"),
        ("faces.v2.zip", "faces-v2"),
        ("digits.idx.gz", "digits"),
        ("x.tar.gz", "x"),
        ("...", "data"),
        ("花", "花"),
        ("mes photos e\u0301 猫", "mes-photos-é-猫"),
    ],
)
def test_the_name_is_a_short_word(name, short):
    assert slug(name) == short


def test_the_configuration_alone_imports_no_torch():
    script = (
        "import sys, reverie.data; assert 'torch' not in sys.modules and 'PIL' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
