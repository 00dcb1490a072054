"""What a training tells, and the loss at which it gives up."""

import math

import pytest

from ooc_train.errors import OptionError
from ooc_train.progress import Silent
from ooc_train.training.standing import Standing
from ooc_train.training.steps.divergence import LossLimit
from ooc_train.training.steps.trainer import Totals
from ooc_train.training.telling import Duration


class Told(Silent):
    def __init__(self):
        self.messages = []

    def message(self, text):
        self.messages.append(text)


def standing(*, step=10, seconds=20.0, epoch=0, loss=1.0, history=()):
    totals = Totals(n_rows=10, loss_sum=10 * loss, n_correct=5)
    return Standing(
        epoch=epoch, step=step, seconds=seconds, totals=totals, history=list(history)
    )  # fmt: skip


def test_an_epoch_that_is_long_is_said_once_with_the_training():
    told = Told()
    duration = Duration(3, 100, may_stop=True, is_given=True)
    duration.say(standing(seconds=1), told)  # too early
    duration.say(standing(), told)
    duration.say(standing(), told)
    assert told.messages == [
        "an epoch takes about 3 minutes, the training at most 10 minutes; it ends sooner if the "
        "validation no longer improves"
    ]
    assert duration.phase(1) == "epoch 2 of 3"
    assert duration.moment(standing(epoch=1)).endswith("6:20 left in all")


def test_a_short_epoch_is_not_worth_a_line():
    told = Told()
    Duration(1000, 11, may_stop=False, is_given=False).say(standing(seconds=6), told)
    assert told.messages == []


def test_a_loss_that_rises_tenfold_is_an_error():
    limit = LossLimit(n_classes=4, learning_rate=1e9)
    limit.check(2.0, standing(step=1, loss=2.0), 1000)
    limit.check(1e9, standing(step=2, loss=1e9), 1000)  # looked at later
    limit.check(2.0, standing(step=64, loss=20.0), 1000)
    with pytest.raises(OptionError, match="risen to 20.1 by step 128 of epoch 1, from 2 at first"):
        limit.check(2.0, standing(step=128, loss=20.1), 1000)
    with pytest.raises(OptionError, match="try a smaller --learning-rate"):
        limit.check(2.0, standing(step=7, loss=21), 7)


def test_the_limit_is_never_below_that_of_guessing():
    limit = LossLimit(n_classes=2, learning_rate=0.1)
    limit.check(1e-9, standing(step=64, loss=9 * math.log(2)), 64)


def test_after_a_resumption_the_first_epoch_counts():
    limit = LossLimit(n_classes=2, learning_rate=0.1)
    with pytest.raises(OptionError):
        limit.check(100.0, standing(step=64, loss=100.0, history=[{"loss": 5.0}]), 64)
