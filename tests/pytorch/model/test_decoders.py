import pytest
import torch

from pytorch.model.decoders import Decoder, DecoderConfig
from pytorch.model.injections import INJECTIONS
from tests.tiny import tiny_decoder, tiny_images

every_injection = pytest.mark.parametrize("injection", INJECTIONS)


every_shape = pytest.mark.parametrize(
    "options",
    [{}, {"layers": 2}, {"tied_embeddings": False}],
    ids=["one layer", "two layers", "untied"],
)


def images_and_words(seed: int = 0, batch: int = 3, length: int = 5):
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(4, 18, (batch, length), generator=generator)
    return tiny_images(seed, batch), words


@every_injection
@every_shape
def test_stepping_word_by_word_equals_teacher_forcing(injection, options):
    decoder = tiny_decoder(injection, **options)
    images, words = images_and_words()
    logits, attention = decoder(images, words)
    memory = decoder.prepare(images)
    state = decoder.start(memory)
    for position in range(words.shape[1]):
        step = decoder.step(words[:, position], state, memory)
        state = step.state
        torch.testing.assert_close(step.logits, logits[:, position])
        if attention is not None:
            torch.testing.assert_close(step.attention, attention[:, position])


@every_injection
def test_a_later_word_does_not_change_an_earlier_prediction(injection):
    decoder = tiny_decoder(injection)
    images, words = images_and_words()
    changed = words.clone()
    changed[:, 3] = (changed[:, 3] - 4 + 1) % 14 + 4
    before, after = decoder(images, words)[0], decoder(images, changed)[0]
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


@every_injection
def test_the_image_changes_the_prediction(injection):
    decoder = tiny_decoder(injection)
    images, words = images_and_words()
    assert not torch.allclose(
        decoder(images, words)[0], decoder(images.rows(torch.tensor([2, 1, 0])), words)[0]
    )


@every_injection
@every_shape
def test_every_weight_is_trained(injection, options):
    decoder = tiny_decoder(injection, **options).train()
    images, words = images_and_words()
    decoder(images, words)[0].square().sum().backward()
    unused = [name for name, weight in decoder.named_parameters() if not weight.grad.any()]
    assert unused == []


@pytest.mark.slow
@every_injection
@every_shape
def test_it_learns_a_caption_for_each_image(injection, options):
    torch.manual_seed(0)
    config = DecoderConfig(
        injection=injection,
        dropout=0.0,
        embedding_size=32,
        hidden_size=64,
        image_size=32,
        attention_size=16,
        **options,
    )
    decoder = Decoder(config, vocabulary_size=18, channels=6)
    images, words = images_and_words()
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.01)
    for _ in range(80):
        logits, _ = decoder(images, words[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), words[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (decoder(images, words[:, :-1])[0].argmax(dim=2) == words[:, 1:]).all()


def test_attention_weights_sum_to_one():
    attention = tiny_decoder("attention")(*images_and_words())[1]
    assert attention.shape == (3, 5, 4)
    torch.testing.assert_close(attention.sum(dim=2), torch.ones(3, 5))


def test_for_an_unknown_injection_the_error_lists_the_injections():
    with pytest.raises(ValueError, match="no injection 'psychic'; choose one of init, prefix"):
        tiny_decoder("psychic")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"layers": 0}, "layers must be at least 1, not 0"),
        ({"hidden_size": -5}, "hidden_size must be at least 1, not -5"),
        ({"dropout": 1.0}, r"dropout must be at least 0 and below 1, not 1\.0"),
    ],
)
def test_an_option_out_of_range_is_refused(option, message):
    with pytest.raises(ValueError, match=message):
        DecoderConfig(**option)
