import pytest
import torch

from pytorch.training.ema import ExponentialMovingAverage
from tests.tiny import tiny_captioner


@pytest.fixture
def captioner():
    return tiny_captioner()


def fill_bias(captioner, value):
    with torch.no_grad():
        captioner.decoder.bias.fill_(value)


def test_it_approaches_the_weights(captioner):
    ema = ExponentialMovingAverage(captioner, decay=0.9)
    fill_bias(captioner, 5.0)
    for _ in range(200):
        ema.update(captioner)
    average, bias = ema.captioner.decoder.bias, captioner.decoder.bias
    torch.testing.assert_close(average, bias, rtol=1e-3, atol=1e-3)


def test_without_decay_it_is_the_weights(captioner):
    ema = ExponentialMovingAverage(captioner, decay=0.0)
    fill_bias(captioner, 5.0)
    ema.update(captioner)
    assert torch.equal(ema.captioner.decoder.bias, captioner.decoder.bias)


def test_a_higher_decay_moves_it_less(captioner):
    def moved(decay):
        fill_bias(captioner, 0.0)
        ema = ExponentialMovingAverage(captioner, decay=decay)
        fill_bias(captioner, 1.0)
        for _ in range(50):
            ema.update(captioner)
        return ema.captioner.decoder.bias.mean().item()

    assert moved(0.999) < moved(0.5)


def test_a_frozen_encoder_is_shared(captioner):
    ema = ExponentialMovingAverage(captioner, decay=0.9)
    assert ema.captioner.encoder is captioner.encoder
    assert ema.captioner.decoder is not captioner.decoder


def test_an_encoder_that_is_fine_tuned_is_averaged_from_its_first_trained_layer(captioner):
    captioner.encoder.fine_tune_from(list(captioner.encoder.layers)[-1])
    ema = ExponentialMovingAverage(captioner, decay=0.0)
    assert ema.captioner.encoder is not captioner.encoder
    weights = dict(captioner.encoder.named_parameters())
    with torch.no_grad():
        for weight in weights.values():
            weight.add_(1.0)
    ema.update(captioner)
    averages = dict(ema.captioner.encoder.named_parameters())
    followed = {name for name in weights if torch.equal(averages[name], weights[name])}
    assert followed == {name for name in weights if weights[name].requires_grad}
