import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from captioning import engine
from tests.captioning.pictures import photograph_of
from tests.photographs import photographs
from tests.tiny import save_tiny_checkpoint, tiny_captioner

ROOT = Path(__file__).resolve().parents[2]


def opened():
    return [photograph_of(image) for image in photographs()]


def test_the_captions_are_those_of_the_checkpoint(tiny_checkpoint):
    expected = [caption.sentence for caption in tiny_captioner().caption(photographs())]
    assert [caption.sentence for caption in engine.caption_photographs(opened())] == expected


def test_the_beam_size_reaches_the_search(coffee):
    [caption] = engine.caption_photographs([photograph_of(coffee)], engine.decoding(beam_size=4))
    assert len(caption.candidates) == 3


@pytest.mark.parametrize("candidates", [1, 3, 9])
def test_only_the_best_candidates_are_returned(coffee, candidates):
    [all_of_them] = engine.caption_photographs(
        [photograph_of(coffee)], engine.decoding(beam_size=4)
    )
    [caption] = engine.caption_photographs(
        [photograph_of(coffee)], engine.decoding(beam_size=4), candidates=candidates
    )
    assert caption.sentence == all_of_them.sentence
    assert caption.candidates == all_of_them.candidates[: candidates - 1]


@pytest.mark.slow
def test_the_seed_determines_sampled_captions():
    def captions(seed):
        decoding = engine.decoding(beam_size=1, top_p=1.0, seed=seed)
        found = engine.caption_photographs(opened(), decoding)
        return tuple(caption.sentence for caption in found)

    assert captions(3) == captions(3)
    assert len({captions(seed) for seed in range(8)}) > 1


def test_the_settings_of_stored_captions_keep_their_keys_and_order():
    """SQLite compares settings as text: another order would hide the captions stored so far."""
    settings = engine.caption_settings(engine.decoding(beam_size=4, top_p=0.9, seed=7), 3)
    assert json.dumps(settings) == (
        '{"beam_size": 4, "max_words": 6, "length_normalization": 0.0, "no_repeat_ngram": 0, '
        '"top_p": 0.9, "sampling_seed": 7, "candidates": 3}'
    )
    assert engine.caption_settings()["candidates"] == engine.get_captioner().decoding.beam_size


def test_the_settings_name_options_that_came_later_where_they_differ_from_the_default():
    decoding = engine.decoding(must_say=["dog|cat"], must_not_say=["the"])
    assert json.dumps(engine.caption_settings(decoding)) == (
        '{"beam_size": 2, "max_words": 6, "length_normalization": 0.0, "no_repeat_ngram": 0, '
        '"top_p": null, "sampling_seed": 0, "must_say": ["dog|cat"], "must_not_say": ["the"], '
        '"candidates": 2}'
    )


def test_words_reach_the_search(coffee):
    decoding = engine.decoding(must_say=["snow"], must_not_say=["dog"])
    [caption] = engine.caption_photographs([photograph_of(coffee)], decoding)
    assert "snow" in caption.text.split()
    assert "dog" not in caption.text.split()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"must_say": ["zebra"]}, "must_say has 'zebra'"),
        ({"must_say": ["dog"], "must_not_say": ["dog"]}, "'dog' is in must_say and in must_not"),
    ],
)
def test_options_that_the_model_cannot_follow_are_refused(options, message):
    with pytest.raises(engine.OptionsError, match=message):
        engine.decoding(**options)


def test_the_model_card_is_that_of_the_checkpoint():
    assert engine.read_model_card() == "# A random model\n"


def test_a_checkpoint_without_a_model_card_is_a_permanent_error(settings, tmp_path):
    settings.CAPTIONER_CHECKPOINT = tmp_path
    with pytest.raises(engine.EngineError, match=r"README\.md is missing") as caught:
        engine.read_model_card()
    assert caught.value.permanent


def test_the_model_is_loaded_once_however_many_threads_ask(settings, tmp_path):
    settings.CAPTIONER_CHECKPOINT = save_tiny_checkpoint(tmp_path / "tiny")
    barrier, found = threading.Barrier(4), []

    def ask():
        barrier.wait()
        found.append(engine.get_captioner())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({id(captioner) for captioner in found}) == 1


@pytest.mark.slow
def test_several_threads_get_the_captions_that_one_gets():
    expected = [caption.sentence for caption in engine.caption_photographs(opened())]
    found = {}

    def ask(number):
        [caption] = engine.caption_photographs([opened()[number % 4]])
        found[number] = caption.sentence

    threads = [threading.Thread(target=ask, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(8)] == expected * 2


def test_start_loads_the_model(settings, tmp_path, monkeypatch):
    settings.CAPTIONER_CHECKPOINT = save_tiny_checkpoint(tmp_path / "tiny")
    engine.start()
    (tmp_path / "tiny" / "config.json").unlink()
    assert engine.get_captioner().name == "tiny"


def test_a_missing_checkpoint_is_a_permanent_error(settings, tmp_path):
    settings.CAPTIONER_CHECKPOINT = tmp_path / "absent"
    with pytest.raises(engine.EngineError, match="There is no checkpoint at") as caught:
        engine.get_captioner()
    assert caught.value.permanent


def test_running_out_of_memory_is_a_passing_error(coffee, monkeypatch):
    def run_out_of_memory(*_, **__):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(engine.get_captioner(), "caption", run_out_of_memory)
    with pytest.raises(engine.EngineError, match="could not be captioned") as caught:
        engine.caption_photographs([photograph_of(coffee)])
    assert not caught.value.permanent
    assert caught.value.advice == "Please try again in a minute."


def test_importing_the_engine_does_not_import_torch():
    script = "import captioning.engine, captioning.checks, sys; print('torch' in sys.modules)"
    output = subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True)
    assert output == "False\n"
