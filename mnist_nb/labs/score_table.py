"""The scores of each digit as a table of text."""

from collections.abc import Sequence

from mnist_nb.evaluation.metrics import DigitScore


def score_table(scores: Sequence[DigitScore]) -> str:
    """Return the scores of each digit as lines of text, in per cent, with their 95 % intervals."""
    lines = [f"digit  {'precision, %':>23}  {'recall, %':>23}  {'F1, %':>23}  images"]
    for score in scores:
        precision = _format_share(score.precision, score.precision_interval)
        recall = _format_share(score.recall, score.recall_interval)
        f1 = _format_share(score.f1, score.f1_interval)
        lines.append(f"{score.digit:5}  {precision}  {recall}  {f1}  {score.support:6,}")
    return "\n".join(lines)


def _format_share(share: float, interval: tuple[float, float]) -> str:
    low, high = interval
    text = f"{100 * share:.1f} ({100 * low:.1f} to {100 * high:.1f})"
    return f"{text:>23}"
