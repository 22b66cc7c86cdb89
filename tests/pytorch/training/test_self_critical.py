import pytest
import torch

from pytorch.data.datasets import Example
from pytorch.model.decoding import DecodingConfig
from pytorch.model.search import search
from pytorch.model.vocabulary import SPECIAL_TOKENS, Vocabulary
from pytorch.training.self_critical import CaptionReward, self_critical_loss
from tests.tiny import WORDS, tiny_decoder, tiny_images

VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *WORDS])
EXAMPLES = [
    Example("dog.jpg", ("a black dog runs in snow", "the dog runs")),
    Example("cat.jpg", ("a red cat sits on grass", "the cat sits in grass")),
    Example("person.jpg", ("a small person", "the person runs on snow")),
]
IMAGES = tiny_images(0, 3)
REWARD = CaptionReward(EXAMPLES, VOCABULARY)


def numbers(*captions, ended=True):
    rows = [VOCABULARY.encode(caption.split())[1 : None if ended else -1] for caption in captions]
    length = max(map(len, rows))
    return torch.tensor([row + [Vocabulary.pad] * (length - len(row)) for row in rows])


def greedy_reward(decoder):
    decoder.eval()
    words = search(decoder, IMAGES, DecodingConfig(beam_size=1, max_words=8)).words
    return REWARD(range(3), words).mean().item()


def test_a_caption_is_rewarded_for_its_own_image():
    captions = numbers("a black dog runs in snow", "a red cat sits on grass").unsqueeze(0)
    rewards = REWARD([0], captions)
    assert rewards.shape == (1, 2)
    assert rewards[0, 0] > 3
    assert rewards[0, 1] < 1


def test_a_caption_that_breaks_off_earns_less_than_one_that_ends():
    whole = REWARD([0], numbers("a black dog runs in snow").unsqueeze(0))
    broken = REWARD([0], numbers("a black dog runs in snow", ended=False).unsqueeze(0))
    assert broken < whole


def test_what_follows_the_end_does_not_count():
    caption = numbers("a black dog")
    padded = torch.cat([caption, torch.zeros(1, 5, dtype=torch.long)], dim=1)
    assert REWARD([0], padded.unsqueeze(0)) == REWARD([0], caption.unsqueeze(0))


@pytest.mark.slow
def test_training_raises_the_reward():
    torch.manual_seed(0)
    decoder = tiny_decoder(dropout=0.0)
    before = greedy_reward(decoder)
    decoder.train()  # as the trainer leaves it
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.02)
    for _ in range(180):
        loss = self_critical_loss(decoder, IMAGES, range(3), REWARD, samples=4, max_words=8)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert greedy_reward(decoder) > before + 1


def test_samples_equal_to_the_greedy_caption_teach_nothing():
    decoder = tiny_decoder()
    with torch.no_grad():
        decoder.bias[:] = torch.arange(18.0) * 1000  # one word has all the probability
    loss = self_critical_loss(decoder, IMAGES, range(3), REWARD, samples=2, max_words=3)
    assert loss == 0
