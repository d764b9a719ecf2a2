"""A pyramid that reads words: what it depends on, and what it does not."""

import torch

from internvideo.models.query_head import QUERY_DEBUG, QueryHead


def heads_of(seed=0):
    torch.manual_seed(seed)
    network = QueryHead(QUERY_DEBUG).eval()
    for reader in network.readers:
        torch.nn.init.normal_(reader.out.weight, std=0.5)
    return network, torch.randn(1, 64, 64), torch.arange(64)[None] < 50


def test_words_change_the_answer_and_padding_does_not():
    network, features, mask = heads_of()
    short, long = torch.tensor([[5, 9, 40_000]]), torch.tensor([[5, 9, 40_000, 0, 0, 0]])
    other = torch.tensor([[5, 8, 40_000]])
    with torch.no_grad():
        one, padded, different = (network(features, mask, ids).flat()[0] for ids in (short, long, other))
    torch.testing.assert_close(one, padded)
    assert (one - different).abs().max() > 1e-4


def test_a_batch_is_its_rows_and_the_text_tower_does_not_learn():
    network, features, mask = heads_of()
    ids = torch.tensor([[5, 9, 40_000, 0], [7, 3, 2, 40_000]])
    both = network(features.expand(2, -1, -1), mask.expand(2, -1), ids)
    alone = network(features, mask, ids[1:])
    torch.testing.assert_close(both.flat()[0][1:], alone.flat()[0])
    both.flat()[0].sum().backward()
    learned = {name.split(".")[0] for name, value in network.named_parameters() if value.grad is not None}
    assert "text" not in learned and {"base", "readers", "words"} <= learned
