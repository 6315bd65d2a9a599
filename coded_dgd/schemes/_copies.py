"""This module picks one of several copies of a block."""

from __future__ import annotations

import numpy as np

from coded_dgd.schemes.base import Bools, Integers


def first_copies(arrived: Bools, block: Integers) -> tuple[Integers, Integers, Integers]:
    """Choose one message for each block that has arrived: the earliest index, then worker.

    Parameters
    ----------
    arrived : (M, J) bools
    block : (M, J) integers
        Block that each message carries.

    Returns
    -------
    workers, messages, blocks : (covered blocks,) integers
        Sender, message number and block of each chosen message.
    """
    messages, workers = np.nonzero(arrived.T)
    blocks, first = np.unique(block[workers, messages], return_index=True)
    return workers[first], messages[first], blocks
