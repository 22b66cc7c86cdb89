import torch

from pytorch.training.ema import ExponentialMovingAverage, Model
from tests.tiny import tiny_captioner


def test_it_goes_towards_the_weights():
    model = Model(tiny_captioner().decoder, None)
    average = ExponentialMovingAverage(model, decay=0.9)
    with torch.no_grad():
        model.decoder.bias.fill_(5.0)
    for _ in range(200):
        average.update(model)
    torch.testing.assert_close(average.model.decoder.bias, model.decoder.bias, rtol=1e-3, atol=1e-3)


def test_without_decay_it_is_the_weights():
    model = Model(tiny_captioner().decoder, None)
    average = ExponentialMovingAverage(model, decay=0.0)
    with torch.no_grad():
        model.decoder.bias.fill_(5.0)
    average.update(model)
    assert torch.equal(average.model.decoder.bias, model.decoder.bias)


def test_it_moves_less_the_higher_its_decay():
    def moved(decay):
        model = Model(tiny_captioner().decoder, None)
        average = ExponentialMovingAverage(model, decay=decay)
        before = model.decoder.bias.detach().clone()
        with torch.no_grad():
            model.decoder.bias.add_(1.0)
        for _ in range(50):
            average.update(model)
        return (average.model.decoder.bias - before).mean().item()

    assert moved(0.999) < moved(0.5)
