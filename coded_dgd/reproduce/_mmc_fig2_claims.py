"""This module checks the MMC paper's claims about its Figure 2 against the closed forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise

from coded_dgd.reproduce._mmc import (
    CLOSE,
    GC,
    LCC,
    LCC_MMC,
    LCC_MMC_2,
    MDS_MMC,
    ROUNDING,
    SIGNIFICANT,
    UC_MMC,
    UC_MMC_PG,
    increase,
    reduction,
)
from coded_dgd.reproduce.base import Claim, Number

MULTI_MESSAGE = (LCC_MMC, LCC_MMC_2, UC_MMC)
BESIDES_LCC = (*MULTI_MESSAGE, UC_MMC_PG)
"""Schemes that the paper's text names when it discusses this figure."""
WHOLE_GRADIENT = (GC, LCC, *MULTI_MESSAGE)

FIRST = 2
"""Smallest computation load r of the claims, which the paper names as a small one.

LCC does not exist at r = 1.
"""
EVERY_R = f"at every r >= {FIRST}"
SHOWN = (2, 3, 4, 5, 10, 20, 40)
"""Computation loads for which claims give numbers."""

NEAR = 10
"""Difference in per cent up to which completion times count as very close."""
TO_A_POINT = 1
"""Difference in percentage points up to which a printed percentage is confirmed."""
ABOUT = 5
"""Difference in percentage points up to which a share counts as a half."""

Curve = Mapping[int, float]
"""Values by computation load."""
Curves = Mapping[str, Curve]
"""Curves by the label of the scheme."""


def claims(
    times: Curves,
    messages: Curves,
    off_times: Mapping[str, float],
    off_messages: Mapping[str, float],
    limit: Curve,
    missing: int,
) -> list[Claim]:
    """Return the claims of the paper about Figure 2, and additional ones of ours.

    Parameters
    ----------
    times, messages : Curves
        E[T] in seconds and communication loads, by closed form.
    off_times, off_messages : mapping
        Difference of closed form and realisations in standard errors, the largest over all
        computation loads, by the label of the scheme.
    limit : Curve
        Mean time in seconds until N tasks are done in total.
    missing : int
        Number of blocks that UC-MMC-PG does without.
    """
    times, messages = _from_first(times), _from_first(messages)
    return [
        verified(
            "a closed-form expression for the per iteration completion time statistics of these "
            "schemes [...] verified [...] with Monte Carlo simulations",
            "Section VI",
            off_times,
        ),
        verified(
            "the closed forms of the communication load, of which the paper has none, match the "
            "simulations too",
            "ours",
            off_messages,
        ),
        reduces(times),
        reasonable(times, messages),
        lcc_with_mmc(times, messages),
        uncoded_outperforms_lcc(times),
        uncoded_is_close(times),
        uncoded_outperforms_lcc_mmc(times),
        uncoded_is_better_at_low(times),
        lcc_sends_least(messages),
        uncoded_sends_most(messages),
        lcc_mmc_sends_constantly(messages),
        lcc_sends_less(messages),
        uncoded_sends_more(messages),
        closest(messages),
        half(messages),
        small_increase(times, messages),
        balanced(times, messages),
        lcc_mmc_is_best(times),
        lcc_is_attractive(messages),
        uncoded_is_best_at_small(times),
        partial_against(times, LCC, 70),
        partial_against(times, UC_MMC, 33),
        two_are_missing(missing),
        partial_sends_less(messages),
        gains(times, messages),
        reaches_limit(times, limit),
    ]


def verified(text: str, where: str, off: Mapping[str, float]) -> Claim:
    return Claim(
        text,
        where,
        f"within {CLOSE} standard errors at every r that is simulated",
        max(off.values()) <= CLOSE,
        "largest difference in standard errors",
        {label: Number(each) for label, each in off.items()},
        f"Those of {UC_MMC} and {UC_MMC_PG} are ours: it matters which results are there, which "
        "(15) does not know",
    )


def reduces(times: Curves) -> Claim:
    others = _least(times, (GC, LCC))
    mmc = _least(times, MULTI_MESSAGE)
    reductions = {r: reduction(mmc[r], others[r]) for r in mmc}
    fastest = {label: [r for r in mmc if times[label][r] == mmc[r]] for label in MULTI_MESSAGE}
    return Claim(
        "the average completion time per iteration can be reduced significantly",
        "Abstract, Section VI",
        f"{EVERY_R} E[T] of the fastest of {', '.join(MULTI_MESSAGE)} is at least {SIGNIFICANT} % "
        "less than that of GC and of LCC",
        all(each >= SIGNIFICANT for each in reductions.values()),
        "less by %",
        _shown(reductions, *_ends(reductions)),
        "The fastest is "
        + ", ".join(f"{label} {_at(some)}" for label, some in fastest.items() if some),
    )


def reasonable(times: Curves, messages: Curves) -> Claim:
    prices = {
        label: _over(_over(messages[label], messages[LCC]), _over(times[LCC], times[label]))
        for label in MULTI_MESSAGE
    }
    lowest = _least(prices, MULTI_MESSAGE)
    fair = [r for r, each in lowest.items() if each <= 1]
    return Claim(
        "at a reasonable increase in the communication load",
        "Abstract",
        f"{EVERY_R} one of them multiplies the messages of LCC by no more than it divides its E[T] "
        "by; undecided if at some r",
        None if 0 < len(fair) < len(lowest) else bool(fair),
        "factor of the messages / factor of E[T], the least",
        _shown(lowest),
        f"What is reasonable the paper does not say. So it is {_at(fair)}; LCC sends ever less as "
        "r grows, and they do not",
    )


def lcc_with_mmc(times: Curves, messages: Curves) -> Claim:
    ratios = _over(times[LCC_MMC], times[LCC])
    faster = [r for r, each in ratios.items() if each < 1]
    more = _over(messages[LCC_MMC], messages[LCC])
    return Claim(
        "per iteration completion time can be reduced with MMC [...]; however, at the expense of "
        "an increase in the communication load",
        "Section II-C",
        f"E[T] of LCC-MMC is lower than that of LCC at some r; it sends more {EVERY_R}",
        bool(faster) and all(each > 1 for each in more.values()),
        "E[T] of LCC-MMC / E[T] of LCC",
        _shown(ratios),
        f"Lower {_at(faster)}. With little redundancy it needs nearly all results, 2 N - 1 of N r",
    )


def uncoded_outperforms_lcc(times: Curves) -> Claim:
    ratios = _over(times[LCC], times[UC_MMC])
    return Claim(
        "the UC-MMC scheme consistently outperforms LCC for all computation load values",
        "Section V",
        f"lower E[T] {EVERY_R}",
        all(each > 1 for each in ratios.values()),
        "E[T] of LCC / E[T] of UC-MMC",
        _shown(ratios, *_ends(ratios)),
    )


def uncoded_is_close(times: Curves) -> Claim:
    longer = {r: increase(times[UC_MMC][r], each) for r, each in times[LCC_MMC].items()}
    shares = [
        100 * (times[UC_MMC][r] - each) / (times[LCC][r] - each)
        for r, each in times[LCC_MMC].items()
        if longer[r] > 0
    ]
    return Claim(
        "UC-MMC performs very close to LCC-MMC",
        "Section V",
        f"{EVERY_R} their E[T] differ by at most {NEAR} %",
        all(abs(each) <= NEAR for each in longer.values()),
        "E[T] of UC-MMC longer by %",
        _shown(longer, *_ends(longer)),
        f"Where it is longer, that is {min(shares):.0f} to {max(shares):.0f} % of the way from "
        "LCC-MMC to LCC"
        if shares
        else "",
    )


def uncoded_outperforms_lcc_mmc(times: Curves) -> Claim:
    ratios = _over(times[LCC_MMC], times[UC_MMC])
    return Claim(
        f"for a small r, such as r = {FIRST}, UC-MMC can even outperform LCC-MMC",
        "Section V",
        f"lower E[T] at r = {FIRST}",
        ratios[FIRST] > 1,
        "E[T] of LCC-MMC / E[T] of UC-MMC",
        _shown(ratios),
        'Printed is "it can even outperform UC-MMC", which is itself. Lower '
        + _at(r for r, each in ratios.items() if each > 1),
    )


def uncoded_is_better_at_low(times: Curves) -> Claim:
    ratios = _over(times[LCC], times[UC_MMC])
    fastest = min(times[LCC].values())
    enough = [r for r, each in times[UC_MMC].items() if each < fastest]
    return Claim(
        "in terms of the computation load UC-MMC can be considered as a better option compared to "
        "LCC especially when r is low",
        "Section V",
        f"E[T] of LCC / E[T] of UC-MMC is above 1 {EVERY_R}, and largest at r = {FIRST}",
        min(ratios.values()) > 1 and max(ratios, key=ratios.__getitem__) == FIRST,
        "E[T] of LCC / E[T] of UC-MMC",
        _shown(ratios, *_ends(ratios)),
        "LCC is slow at large r as well, where it waits for all of a worker's r tasks; but UC-MMC "
        f"is faster {_at(enough)} than LCC is at any r",
    )


def lcc_sends_least(messages: Curves) -> Claim:
    ratios = _over(messages[LCC], _least(messages, BESIDES_LCC))
    gc = _over(messages[GC], messages[LCC])
    return Claim(
        "in terms of the communication load the best scheme is LCC",
        "Section V",
        f"{EVERY_R} it sends no more than {', '.join(BESIDES_LCC)}",
        all(each <= 1 for each in ratios.values()),
        "messages of LCC / fewest of the others",
        _shown(ratios),
        "GC, which the text does not name here, sends less "
        + _at(r for r, each in gc.items() if each < 1),
    )


def uncoded_sends_most(messages: Curves) -> Claim:
    others = (LCC, LCC_MMC, LCC_MMC_2, UC_MMC_PG)
    ratios = _over(messages[UC_MMC], _most(messages, others))
    less = [r for r, each in ratios.items() if each <= 1]
    return Claim(
        "the UC-MMC introduces the highest communication load",
        "Section V",
        f"{EVERY_R} it sends more than {', '.join(others)}",
        not less,
        "messages of UC-MMC / most of the others",
        _shown(ratios, *less),
        f"LCC-MMC sends more {_at(less)}" if less else "",
    )


def lcc_mmc_sends_constantly(messages: Curves) -> Claim:
    curve = messages[LCC_MMC]
    return Claim(
        "the communication load of LCC-MMC remains constant with r",
        "Section V",
        f"the same {EVERY_R}",
        max(curve.values()) <= min(curve.values()) * (1 + ROUNDING),
        "messages",
        _shown(curve),
    )


def lcc_sends_less(messages: Curves) -> Claim:
    curve = messages[LCC]
    return Claim(
        "the communication load of LCC monotonically decreases with r",
        "Section V",
        "from no r to the next does it rise",
        not any(b > a * (1 + ROUNDING) for a, b in pairwise(curve.values())),
        "messages",
        _shown(curve),
        "In steps, 2 ceil(N/r) - 1",
    )


def uncoded_sends_more(messages: Curves) -> Claim:
    curve = messages[UC_MMC]
    largest, last = max(curve, key=curve.__getitem__), max(curve)
    falls = any(b < a * (1 - ROUNDING) for a, b in pairwise(curve.values()))
    return Claim(
        "the communication load of UC-MMC monotonically increases with r",
        "Section V",
        "from no r to the next does it fall",
        not falls,
        "messages",
        _shown(curve),
        f"It is largest at r = {largest}, {curve[largest]:.4f}, and {curve[last]:.4f} at "
        f"r = {last}: too little to be seen in a simulation"
        if falls
        else "",
    )


def closest(messages: Curves) -> Claim:
    gaps = {r: abs(each - messages[LCC][r]) for r, each in messages[UC_MMC].items()}
    return Claim(
        f"the communication load of the LCC and UC-MMC schemes are closest at r = {FIRST}",
        "Section V",
        "their difference is the smallest there",
        min(gaps, key=gaps.__getitem__) == FIRST,
        "messages of UC-MMC - messages of LCC",
        _shown(gaps),
    )


def half(messages: Curves) -> Claim:
    shares = {r: 100 * each for r, each in _over(messages[LCC_MMC_2], messages[LCC_MMC]).items()}
    return Claim(
        "with LCC-MMC-2 the number of transmissions is reduced approximately to half compared to "
        "LCC-MMC",
        "Remark 1",
        f"to 50 ± {ABOUT} % {EVERY_R}",
        all(abs(each - 50) <= ABOUT for each in shares.values()),
        "% of the messages of LCC-MMC",
        _shown(shares),
    )


def small_increase(times: Curves, messages: Curves) -> Claim:
    longer = {r: increase(times[LCC_MMC_2][r], each) for r, each in times[LCC_MMC].items()}
    even, odd = ({r: each for r, each in longer.items() if r % 2 == k} for k in (0, 1))
    saved = {r: reduction(messages[LCC_MMC_2][r], messages[LCC_MMC][r]) for r in even}
    return Claim(
        "LCC-MMC-2: a noticeable improvement is achieved in the communication load, at the "
        "expense of a relatively small increase in the average per iteration completion time",
        "Remark 1",
        "at every even r E[T] increases by fewer per cent than the messages decrease by",
        all(longer[r] < saved[r] for r in even),
        "E[T] of LCC-MMC-2 longer by %",
        _shown(even),
        f"The paper has r/2 messages per worker. At odd r the last task sends nothing: "
        f"{max(odd.values()):.0f} % longer at r = {max(odd, key=odd.__getitem__)}"
        if odd
        else "",
    )


def balanced(times: Curves, messages: Curves) -> Claim:
    order = (LCC_MMC, LCC_MMC_2, LCC)
    even = [r for r in times[LCC] if r % 2 == 0 and r > FIRST]
    worse = all(curves[LCC_MMC][FIRST] > curves[LCC][FIRST] for curves in (times, messages))
    return Claim(
        "the communication load and the average per iteration completion time can be balanced via "
        "playing with the number of polynomials used in the encoding process",
        "Abstract, Section V",
        f"at every even r above {FIRST}, from 1 polynomial (LCC-MMC) to 2 (LCC-MMC-2) to r (LCC) "
        "E[T] rises and the messages fall",
        all(
            times[a][r] < times[b][r] and messages[a][r] > messages[b][r]
            for r in even
            for a, b in pairwise(order)
        ),
        "E[T] in s",
        {
            f"{label}, r = {r}": Number(times[label][r])
            for r in SHOWN
            if r in even
            for label in order
        },
        f"At r = {FIRST} LCC-MMC is worse than LCC in both" if worse else "",
    )


def lcc_mmc_is_best(times: Curves) -> Claim:
    others = [label for label in WHOLE_GRADIENT if label != LCC_MMC]
    ratios = _over(_least(times, others), times[LCC_MMC])
    return Claim(
        "when the completion time is dominated by the workers' computation time, the LCC-MMC "
        "becomes the best alternative",
        "Section V",
        f"at every r above {FIRST} it has the lowest E[T] of the paper's schemes with the whole "
        "gradient",
        all(each > 1 for r, each in ratios.items() if r > FIRST),
        "lowest E[T] of the others / E[T] of LCC-MMC",
        _shown(ratios, *_ends(ratios)),
    )


def lcc_is_attractive(messages: Curves) -> Claim:
    ratios = _over(messages[LCC], _least(messages, BESIDES_LCC))
    return Claim(
        "if the communication load is the bottleneck, then LCC becomes more attractive especially "
        "when the workers have enough storage capacity, i.e., large r",
        "Section V",
        f"its messages / the fewest of {', '.join(BESIDES_LCC)} never rise with r, and fall in all",
        not any(b > a * (1 + ROUNDING) for a, b in pairwise(ratios.values()))
        and ratios[max(ratios)] < ratios[FIRST],
        "messages of LCC / fewest of the others",
        _shown(ratios),
    )


def uncoded_is_best_at_small(times: Curves) -> Claim:
    others = [label for label in WHOLE_GRADIENT if label != UC_MMC]
    lowest = _least(times, WHOLE_GRADIENT)
    return Claim(
        "when the workers have a small storage capacity, i.e., small r, UC-MMC has the lowest per "
        "iteration completion time",
        "Sections V, VI",
        f"lowest E[T] of the paper's schemes with the whole gradient at r = {FIRST}",
        all(times[UC_MMC][FIRST] < times[other][FIRST] for other in others),
        f"E[T] of the other / E[T] of UC-MMC at r = {FIRST}",
        {other: Number(times[other][FIRST] / times[UC_MMC][FIRST]) for other in others},
        "Lowest " + _at(r for r, each in times[UC_MMC].items() if each == lowest[r]),
    )


def partial_against(times: Curves, other: str, printed: int) -> Claim:
    reductions = {r: reduction(times[UC_MMC_PG][r], each) for r, each in times[other].items()}
    largest = max(reductions, key=reductions.__getitem__)
    return Claim(
        "when r is small, UC-MMC-PG can reduce the average completion time up to "
        f"{printed} % compared to {other}",
        "Section V",
        f"by {printed} % to within {TO_A_POINT} percentage point at r = {FIRST}",
        abs(reductions[FIRST] - printed) <= TO_A_POINT,
        "less by %",
        _shown(reductions, *_ends(reductions)),
        "" if largest == FIRST else f"More at large r: most at r = {largest}",
    )


def two_are_missing(missing: int) -> Claim:
    return Claim(
        "with UC-MMC-PG only two gradient values are missing at each iteration",
        "Section V",
        "N - K is 2",
        missing == 2,
        "blocks",
        {"": Number(missing)},
        "K = 0.95 N",
    )


def partial_sends_less(messages: Curves) -> Claim:
    reductions = {
        r: reduction(messages[UC_MMC_PG][r], each) for r, each in messages[UC_MMC].items()
    }
    return Claim(
        "the UC-MMC-PG scheme can also reduce the communication load",
        "Section V",
        f"{EVERY_R} it sends less than UC-MMC",
        all(each > 0 for each in reductions.values()),
        "less by %",
        _shown(reductions),
    )


def gains(times: Curves, messages: Curves) -> Claim:
    both = {
        r: min(reduction(curves[UC_MMC_PG][r], curves[UC_MMC][r]) for curves in (times, messages))
        for r in times[UC_MMC]
    }
    return Claim(
        "significant gains can be obtained in both computation time and communication load by "
        "ignoring only 5 % of the computations",
        "Section III",
        f"at some r E[T] and messages of UC-MMC-PG are both at least {SIGNIFICANT} % less than of "
        "UC-MMC",
        max(both.values()) >= SIGNIFICANT,
        "less by %, the smaller of the two",
        _shown(both, *_ends(both)),
        f"At least {SIGNIFICANT} % " + _at(r for r, each in both.items() if each >= SIGNIFICANT),
    )


def reaches_limit(times: Curves, limit: Curve) -> Claim:
    reached = _over(times[MDS_MMC], limit)
    paper = _over(_least(times, WHOLE_GRADIENT), limit)
    return Claim(
        "no scheme with the whole gradient is faster than N tasks done anywhere, and mds-mmc is as "
        "fast",
        "ours",
        f"{EVERY_R} E[T] of mds-mmc is that of the limit to {ROUNDING:g}, and of the paper's "
        "schemes no less",
        all(abs(each - 1) <= ROUNDING for each in reached.values())
        and min(paper.values()) >= 1 - ROUNDING,
        "E[T] of the fastest of the paper / limit",
        _shown(paper),
    )


def _from_first(curves: Curves) -> Curves:
    return {
        label: {r: each for r, each in curve.items() if r >= FIRST}
        for label, curve in curves.items()
    }


def _over(a: Curve, b: Curve) -> dict[int, float]:
    """Return the ratio of two curves, at the loads that both have."""
    return {r: each / b[r] for r, each in a.items() if r in b}


def _least(curves: Curves, labels: Sequence[str]) -> dict[int, float]:
    """Return the minimum of several curves that have the same loads."""
    return {r: min(curves[label][r] for label in labels) for r in curves[labels[0]]}


def _most(curves: Curves, labels: Sequence[str]) -> dict[int, float]:
    return {r: max(curves[label][r] for label in labels) for r in curves[labels[0]]}


def _ends(curve: Curve) -> tuple[int, int]:
    """Return the loads at which the curve has its minimum and its maximum."""
    return min(curve, key=curve.__getitem__), max(curve, key=curve.__getitem__)


def _shown(curve: Curve, *further: int) -> dict[str, Number]:
    return {f"r = {r}": Number(curve[r]) for r in sorted(curve.keys() & {*SHOWN, *further})}


def _at(some: Iterable[int]) -> str:
    """Return the loads as text, such as: at r = 2, 5..9."""
    runs = []
    for _, run in groupby(enumerate(some), lambda each: each[1] - each[0]):
        found = [r for _, r in run]
        runs.append(f"{found[0]}..{found[-1]}" if len(found) > 1 else f"{found[0]}")
    return f"at r = {', '.join(runs)}" if runs else "nowhere"
