import dataclasses

import pytest

from pytorch.data.datasets import load_dataset
from pytorch.evaluation.results import ResultsError, image_ids, write_results
from pytorch.evaluation.split_captions import caption_split, read_split_captions
from pytorch.model.decoding import DecodingConfig
from tests.colours import write_colours
from tests.tiny import tiny_captioner


@pytest.fixture
def dataset(tmp_path):
    return load_dataset("flickr8k", write_colours(tmp_path / "flickr8k"))


def test_a_model_captions_a_split_and_explains_captions_word_by_word(dataset, tmp_path):
    captioner = tiny_captioner()
    decoding = DecodingConfig(beam_size=3, max_words=5)
    captioned = caption_split(captioner, dataset, "dev", tmp_path, decoding=decoding)
    images = [dataset.images.open(example.image) for example in dataset.split("dev")]
    expected = captioner.caption(images, decoding=decoding)
    assert captioned.captions == tuple(caption.text for caption in expected)
    assert captioned.origin == {
        "checkpoint": "untitled",
        "decoding": dataclasses.asdict(decoding),
    }
    [last] = captioned.word_by_word([3])
    assert last.text == expected[3].text
    # Features are kept in half precision.
    assert last.log_probability == pytest.approx(expected[3].log_probability, rel=1e-3)


def test_captions_from_a_file_come_in_the_order_of_the_examples(dataset, tmp_path):
    names = dataset.image_names("dev")
    captions = {name: f"caption of {name}" for name in reversed(names)}
    write_results(tmp_path / "results.json", image_ids(names), captions)
    captioned = read_split_captions(tmp_path / "results.json", dataset, "dev")
    assert captioned.captions == tuple(captions[name] for name in names)
    assert captioned.by_image == captions
    assert captioned.origin == {"results": "results.json"}
    assert captioned.word_by_word is None


def test_images_without_a_caption_are_left_out_only_if_the_data_set_allows_it(dataset, tmp_path):
    names = dataset.image_names("dev")
    results = tmp_path / "results.json"
    write_results(results, image_ids(names), dict.fromkeys(names[1:], "a square"))
    with pytest.raises(ResultsError, match=rf"1 in all, the first is '{names[0]}'"):
        read_split_captions(results, dataset, "dev")
    tolerant = dataclasses.replace(dataset, allow_missing=True)
    captioned = read_split_captions(results, tolerant, "dev")
    assert [example.image for example in captioned.examples] == names[1:]
    assert captioned.dataset.skipped["dev"] == {names[0]: "no caption in results.json"}
