import pytest

from pytorch.data.caption_dataset import CaptionDataset, Example
from pytorch.data.images import DatasetError, ImageFiles


def dataset(root, *, allow_missing=False):
    """A data set of 200 images to train on and 100 as dev."""
    splits = {
        split: tuple(Example(f"{split}-{number}.jpg", ("A dog .",)) for number in range(count))
        for split, count in (("train", 200), ("dev", 100))
    }
    return CaptionDataset("dogs", root, splits, ImageFiles([]), "", allow_missing=allow_missing)


def some(split, count):
    return {f"{split}-{number}.jpg": "missing" for number in range(count)}


def test_nothing_is_left_out_if_everything_can_be_used(tmp_path):
    whole = dataset(tmp_path)
    assert whole.leave_out({}).splits == whole.splits
    assert whole.leave_out({}).skipped == {"train": {}, "dev": {}}


def test_one_percent_of_a_split_may_be_left_out_and_is_named(tmp_path):
    smaller = dataset(tmp_path).leave_out(some("train", 2))
    assert [example.image for example in smaller.split("train")[:2]] == [
        "train-2.jpg",
        "train-3.jpg",
    ]
    assert len(smaller.split("train")) == 198
    assert len(smaller.split("dev")) == 100
    assert smaller.skipped["train"] == {"train-0.jpg": "missing", "train-1.jpg": "missing"}


@pytest.mark.parametrize(("split", "count"), [("train", 3), ("dev", 2), ("dev", 100)])
def test_more_than_one_percent_of_a_split_stops_unless_allowed(tmp_path, split, count):
    with pytest.raises(DatasetError, match=f"the {split} split, {count} cannot be used"):
        dataset(tmp_path).leave_out(some(split, count))
    smaller = dataset(tmp_path, allow_missing=True).leave_out(some(split, count))
    assert len(smaller.skipped[split]) == count


def test_images_left_out_earlier_count_as_well(tmp_path):
    smaller = dataset(tmp_path).leave_out({"train-0.jpg": "missing", "train-1.jpg": "missing"})
    with pytest.raises(DatasetError, match=r"3 cannot be used: .* train-9\.jpg \(unreadable\)"):
        smaller.leave_out({"train-9.jpg": "unreadable"})


def test_a_split_with_no_images_left_is_removed_and_asking_for_it_says_why(tmp_path):
    smaller = dataset(tmp_path, allow_missing=True).leave_out(some("dev", 100))
    with pytest.raises(DatasetError, match="images of the dev split, 100 cannot be used: dev-0"):
        smaller.split("dev")


def test_the_sentence_names_the_first_few(tmp_path):
    smaller = dataset(tmp_path, allow_missing=True).leave_out(some("dev", 7))
    assert smaller.skipped_sentence("dev") == (
        "Of the 100 images of the dev split, 7 cannot be used: dev-0.jpg (missing), dev-1.jpg "
        "(missing), dev-2.jpg (missing), dev-3.jpg (missing), dev-4.jpg (missing), and so on."
    )
    assert smaller.skipped_sentence("train").endswith("0 cannot be used.")


def test_empty_captions_are_dropped_and_their_number_is_told(tmp_path):
    captions = {"a.jpg": ("A dog .", "", " \t\n"), "b.jpg": ("\u2003",), "c.jpg": ("A cat .",)}
    examples = tuple(Example(*pair) for pair in captions.items())
    splits = {"train": examples, "dev": (Example("d.jpg", ("A cow .",)),)}
    kept = CaptionDataset("dogs", tmp_path, splits, ImageFiles([]), "").without_empty_captions()
    assert [example.captions for example in kept.split("train")] == [
        ("A dog .",),
        (),
        ("A cat .",),
    ]
    assert kept.split("dev") == splits["dev"]
    assert kept.empty_captions == {"train": 3}
    assert kept.empty_captions_sentence("train") == (
        "3 empty captions were dropped from the train split."
    )
    assert kept.leave_out({}).empty_captions == {"train": 3}


def test_a_mirrored_example_loses_the_captions_that_say_left_or_right():
    example = Example(
        "dog.jpg",
        (
            "A dog runs .",
            "A dog to the left of a ball .",
            "Right beside a ball is a dog .",
            "A leftover bone .",
            "A bright dog .",
        ),
    )
    mirrored = example.mirrored()
    assert mirrored == Example("dog.jpg", ("A dog runs .", "A bright dog ."), is_mirrored=True)
