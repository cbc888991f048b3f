"""A saved model is two files that are right or refused: every byte of both is covered."""

import json
import random
import re
import shutil
import struct
import tempfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reverie import artifact
from reverie.artifact import CARD, NEXT, WEIGHTS, load_model, save_model
from reverie.errors import ModelFileError, StorageError
from reverie.latent.likelihoods import Gaussian
from reverie.loading import Loaded
from reverie.models import AutoencoderConfig, VAEConfig
from reverie.networks import MLP
from reverie.spec import Pixels, Vector
from reverie.storage import seal, sha256_of
from reverie.tensors import noise_of
from reverie.training import looking

SPEC = Pixels(shape=(1, 3, 3))
CONFIG = VAEConfig(latent=2, network=MLP(widths=(5,)))


GAUSSIAN = [
    AutoencoderConfig(latent=2, likelihood=Gaussian()),
    VAEConfig(latent=2, likelihood=Gaussian(learn=True)),
]


def built(seed=0, config=CONFIG, spec=SPEC):
    torch.manual_seed(seed)
    return config.build(spec)


@pytest.fixture
def folder():
    """A saved model, in memory where there is such a disk: thousands of damages are written over it."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as place:
        save_model(built(), CONFIG, Path(place), 7, averaged=False)
        yield Path(place)


def same_model(one, two):
    first, second = one.state_dict(), two.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def reseal(folder, change):
    """Changes the card and seals it again, as only someone who means to can."""
    tree = json.loads((folder / CARD).read_bytes())
    tree.pop("seal")
    change(tree)
    (folder / CARD).write_bytes(seal(tree))


# ---- whole and on its own


def test_two_files_are_all_that_a_model_needs(folder, tmp_path_factory):
    """Copied anywhere, without the run, its settings or its data."""
    alone = tmp_path_factory.mktemp("alone")
    for name in (WEIGHTS, CARD):
        shutil.copy(folder / name, alone)
    assert sorted(path.name for path in folder.iterdir()) == sorted([WEIGHTS, CARD])
    loaded = Loaded(alone)
    model = built()
    with looking(model):
        expected = model.sample(64, noise_of(0))
        assert loaded.sample(4, seed=0).shape == (4, 1, 3, 3)
        assert torch.equal(loaded.model.sample(64, noise_of(0)), expected)
    assert (loaded.card.step, loaded.card.averaged, loaded.card.spec) == (7, False, SPEC)


def test_both_files_are_formats_that_cannot_run_code(folder):
    """A safetensors file is a length, a JSON header and numbers; no pickle begins, `\\x80`, anywhere."""
    weights = (folder / WEIGHTS).read_bytes()
    length = struct.unpack("<Q", weights[:8])[0]
    header = json.loads(weights[8 : 8 + length])
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    assert len(weights) == 8 + length + max(entry["data_offsets"][1] for entry in tensors.values())
    assert set(load_file(folder / WEIGHTS)) == set(built().state_dict())
    json.loads((folder / CARD).read_bytes())


def test_no_line_of_the_package_could_unpickle():
    """Neither by pickle itself nor by what uses it: torch.save and load, NumPy's objects, sent objects."""
    forbidden = re.compile(
        r"(import|from) (pickle|joblib|shelve|marshal|dill)\b|(?<!safetensors\.)\btorch\.(save|load)\("
        r"|_object(_list)?\(|allow_pickle=True|\b(exec|eval)\((?!\))"
    )
    package = Path(artifact.__file__).parent
    lines = [
        (path, line) for path in package.rglob("*.py") for line in path.read_text().splitlines()
    ]
    # Weights that others publish as a pickle: their hash is pinned, and tensors are all that is read.
    foreign = 'torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)'
    lines = [pair for pair in lines if not (pair[0].name == "weights.py" and foreign in pair[1])]
    assert len(lines) > 5000
    assert [(path.name, line) for path, line in lines if forbidden.search(line)] == []
    assert forbidden.search("x = torch.load(path)") and forbidden.search(
        "dist.broadcast_object_list(x)"
    )


def test_others_may_read_the_files(folder):
    assert all((folder / name).stat().st_mode & 0o444 == 0o444 for name in (WEIGHTS, CARD))


# ---- altered files


def flip(data, rng):
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def overwrite(data, rng):
    at = rng.randrange(len(data))
    data[at : at + rng.randrange(1, 9)] = rng.randbytes(rng.randrange(1, 9))


def cut(data, rng):
    del data[rng.randrange(len(data)) :]


def insert(data, rng):
    at = rng.randrange(len(data) + 1)
    data[at:at] = rng.choice([b" ", b"\n", b"\0", b"}", b'"', b"9", rng.randbytes(4)])


def delete(data, rng):
    at = rng.randrange(len(data))
    del data[at : at + rng.choice([1, 1, 4, 64])]


def double(data, rng):
    at = rng.randrange(len(data))
    data[at:at] = data[at : at + rng.randrange(1, 64)]


def swap(data, rng):
    one, two = rng.randrange(len(data)), rng.randrange(len(data))
    data[one], data[two] = data[two], data[one]


def digit(data, rng):
    places = [at for at, byte in enumerate(data) if 48 <= byte <= 57] or [0]
    data[rng.choice(places)] = 48 + rng.randrange(10)


def append(data, rng):
    data += rng.randbytes(rng.randrange(1, 33))


def noise(data, rng):
    data[:] = rng.randbytes(len(data))


KINDS = [flip, overwrite, cut, insert, delete, double, swap, digit, append]


def mutations(original, count, seed):
    """One to five damages each; now and then nothing but noise of the same length."""
    rng = random.Random(seed)
    for number in range(count):
        data = bytearray(original)
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            if data:
                (noise if number % 500 == 499 else rng.choice(KINDS))(data, rng)
        yield bytes(data)


@pytest.mark.parametrize("name", [CARD, WEIGHTS])
def test_of_5000_mutations_of_a_file_none_crashes_and_none_loads_in_silence(name, folder):
    """One that happens to give the file back loads the very model; all others are refused by name."""
    path, model = folder / name, built()
    original, refused, kept = path.read_bytes(), 0, 0
    for mutated in mutations(original, 5000, seed=len(name)):
        path.write_bytes(mutated)
        if mutated == original:
            assert same_model(load_model(folder)[0], model)
            kept += 1
            continue
        with pytest.raises(ModelFileError) as caught:
            load_model(folder)
        assert str(caught.value).startswith(f"{path}: altered or truncated"), mutated
        refused += 1
    assert refused + kept == 5000 and kept < 250


@pytest.mark.parametrize("name", [CARD, WEIGHTS])
def test_a_missing_file_is_named(name, folder):
    (folder / name).unlink()
    with pytest.raises(ModelFileError, match=f"{folder / name}: cannot be read"):
        load_model(folder)


@pytest.mark.parametrize("name", [CARD, WEIGHTS])
def test_a_folder_in_a_files_place_is_named(name, folder):
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(ModelFileError, match=f"{folder / name}: cannot be read"):
        load_model(folder)


def test_files_of_two_models_are_no_pair(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    save_model(built(seed=1), CONFIG, other, 7, averaged=False)
    shutil.copy(other / WEIGHTS, folder)
    with pytest.raises(ModelFileError, match="its SHA-256 does not match"):
        load_model(folder)


# ---- files that someone made to look right


def with_weights(folder, tensors):
    save_file(tensors, folder / WEIGHTS)
    reseal(folder, lambda tree: tree.update(weights=sha256_of(folder / WEIGHTS)))


def test_tensors_that_do_not_fit_are_listed(folder):
    tensors = load_file(folder / WEIGHTS)
    names = sorted(tensors)
    wrong = {
        **tensors,
        names[0]: torch.zeros(17, 2),
        names[1]: tensors[names[1]].double(),
        "extra": torch.zeros(1),
    }
    del wrong[names[2]]
    with_weights(folder, wrong)
    with pytest.raises(ModelFileError) as caught:
        load_model(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / WEIGHTS}: tensors do not fit the model: ")
    assert f"{names[0]} expected {tuple(tensors[names[0]].shape)}, found (17, 2)" in message
    assert f"{names[1]} expected" in message and "of torch.float64" in message
    assert f"{names[2]} expected {tuple(tensors[names[2]].shape)}, found nothing" in message
    assert "extra expected nothing, found (1,)" in message


def test_more_than_five_differences_are_counted(folder):
    with_weights(folder, {f"w{i}": torch.zeros(1) for i in range(9)})
    with pytest.raises(ModelFileError, match=r" and \d+ more$"):
        load_model(folder)


def test_what_is_no_safetensors_file_is_refused_though_its_digest_is_right(folder):
    (folder / WEIGHTS).write_bytes(b"\x80\x04\x95 a pickle, say")
    reseal(folder, lambda tree: tree.update(weights=sha256_of(folder / WEIGHTS)))
    with pytest.raises(ModelFileError, match="not a safetensors file"):
        load_model(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree["model"].update(latent=10**9),
        lambda tree: tree["model"].update(latent=10**18),
        lambda tree: tree["model"].update(latent=10**30),
        lambda tree: tree["spec"].update(shape=[1, 10**6, 10**6]),
        lambda tree: tree["spec"].update(shape=[10**9, 10**9, 10**9]),
        lambda tree: tree["spec"].update(shape=[0, 3, 3]),
        lambda tree: tree["spec"].update(shape=[1, 3]),
        lambda tree: tree["model"].update(kind="os.system"),
        lambda tree: tree["model"].update(kind="reverie.models.vae.VAEConfig"),
        lambda tree: tree["model"].update(network={"kind": "conv", "widths": [10**9]}),
        lambda tree: tree["model"].pop("kind"),
        lambda tree: tree.pop("model"),
        lambda tree: tree.update(step=-1),
        lambda tree: tree.update(weights=None),
        lambda tree: tree.update(value_range="volts"),
        lambda tree: tree.update(run="rm -rf"),
    ],
)
def test_a_card_that_was_sealed_again_takes_no_memory_and_runs_nothing(change, folder):
    """Whatever it claims: names are only words, and no tensor is made that the file does not hold."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reseal(folder, change)
    with pytest.raises(ModelFileError) as caught:
        load_model(folder)
    assert str(folder) in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_a_later_version_is_named(folder):
    reseal(folder, lambda tree: tree.update(schema_version=3, reverie="9.9"))
    with pytest.raises(
        ModelFileError, match=r"schema 3, and this is Reverie .* install Reverie 9\.9"
    ):
        load_model(folder)


# ---- a pair is replaced at once


class CutShortError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("moment", ["weights", "card", "place"])
def test_a_save_cut_short_leaves_one_pair_or_the_other(moment, folder, monkeypatch):
    """Cut before the weights, before the card, and before the weights come to their place: twice each."""

    plain = type(folder).replace

    def stop(*arguments):
        raise CutShortError

    def stop_at_place(path, target):
        return stop() if path.name == NEXT else plain(path, target)

    old, new, newest = built(0), built(1), built(2)
    expected = new if moment == "place" else old
    for model in (new, newest):
        with monkeypatch.context() as patch:
            if moment == "place":
                patch.setattr(type(folder), "replace", stop_at_place)
            else:
                patch.setattr(
                    artifact, {"weights": "swap_in", "card": "write_bytes"}[moment], stop
                )
            with pytest.raises(CutShortError):
                save_model(model, CONFIG, folder, 8, averaged=False)
        assert same_model(load_model(folder)[0], expected)
    save_model(newest, CONFIG, folder, 9, averaged=True)
    loaded, card = load_model(folder)
    assert same_model(loaded, newest) and (card.step, card.averaged) == (9, True)
    assert sorted(path.name for path in folder.iterdir()) == sorted([WEIGHTS, CARD])


def test_a_pair_that_is_replaced_while_it_is_read_is_read_anew(folder, monkeypatch):
    """Training swaps both files after the card was read: its digest meets the new weights."""
    plain, reads = artifact.unseal, []

    def unseal(path):
        tree = plain(path)
        reads.append(tree["step"])
        if len(reads) == 1:
            monkeypatch.setattr(artifact, "unseal", plain)
            save_model(built(1), CONFIG, folder, 9, averaged=False)
            monkeypatch.setattr(artifact, "unseal", unseal)
        return tree

    monkeypatch.setattr(artifact, "unseal", unseal)
    loaded, card = load_model(folder)
    assert card.step == 9 and same_model(loaded, built(1)) and reads[0] != 9


def test_a_save_that_fails_keeps_the_pair_and_says_why(folder, monkeypatch):
    def full(tensors, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifact, "save_tensors", full)
    with pytest.raises(StorageError, match=r"not written, the disk is full \(\d+ MB free\)"):
        save_model(built(1), CONFIG, folder, 8, averaged=False)
    assert same_model(load_model(folder)[0], built(0))


# ---- every slot comes back


@pytest.mark.parametrize("spec", [SPEC, Vector(size=3, classes=("a", "b"))])
@pytest.mark.parametrize("config", GAUSSIAN)
def test_settings_and_spec_come_back_as_they_were(spec, config, tmp_path):
    save_model(built(config=config, spec=spec), config, tmp_path, 0, averaged=True)
    model, card = load_model(tmp_path)
    assert (card.model, card.spec, card.averaged) == (config, spec, True)
    assert not model.training and not any(p.requires_grad for p in model.parameters())
