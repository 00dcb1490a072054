"""What became of a command with a fault: the one judge of all families.

A command keeps its promise if each output is complete, or as it was before, and nothing else has
changed; and if it says in one sentence that it failed, whenever it did.
"""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.faults.cases import OUT, Case
from benchmarks.faults.folders import FOLDER, Contents
from benchmarks.faults.processes import Ended

RIGHT, REFUSED = "right", "refused"
WRONG, LOST_ROWS, CRASH = "wrong outputs", "lost rows", "crashes"
HANG, LEFTOVER, TRACEBACK = "hangs", "leftovers", "tracebacks"
FAILURES = (WRONG, CRASH, HANG, LEFTOVER, LOST_ROWS, TRACEBACK)
"""The ways to break the promise, as the table has them."""

_UNCLEAN = re.compile(r"Traceback|Exception ignored|run again with --debug|Fatal Python|Warning")
_CHECKPOINTS = "checkpoints"
_OF_RUN = re.compile(
    r"model\.keras|vectorizer\.h5|settings\.json|history\.csv|report\.(json|html)"
    r"|checkpoints|lock|replacement|step-\d+\.safetensors"
)
"""The names in a run's folder."""


@dataclass(frozen=True)
class Outcome:
    """What an injection led to: `RIGHT`, `REFUSED` or one of `FAILURES`, and details in words."""

    kind: str
    words: str = ""

    @property
    def is_promised(self) -> bool:
        """Whether the promise was kept."""
        return self.kind in (RIGHT, REFUSED)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What an outcome is judged by.

    ``before`` and ``after`` is what was in each place, and ``complete`` the outputs of the case
    that are what they have to be.
    """

    case: Case
    ended: Ended
    before: Mapping[str, Contents]
    after: Mapping[str, Contents]
    complete: frozenset[str]


def judge(seen: Seen) -> Outcome:
    """The outcome of a command that was not killed; of several failures, the gravest."""
    for kind, found in (
        (WRONG, wrong_outputs(seen)),
        (CRASH, _crash(seen)),
        (HANG, ["no end within the limit"] if seen.ended.reply.timed_out else []),
        (LEFTOVER, leftovers(seen)),
        (TRACEBACK, _unclean(seen)),
    ):
        if found:
            return Outcome(kind, f"status {seen.ended.status}; {'; '.join(found)}")
    return Outcome(REFUSED if seen.ended.status else RIGHT)


def judge_killed(seen: Seen) -> Outcome:
    """The outcome of a command that SIGKILL may have ended: leftovers are the next one's task."""
    wrong = wrong_outputs(seen)
    if wrong:
        return Outcome(WRONG, f"status {seen.ended.status}; {'; '.join(wrong)}")
    return Outcome(REFUSED if seen.ended.status else RIGHT)


# ---- Outputs.


def wrong_outputs(seen: Seen) -> list[str]:
    """What is neither complete nor as it was, in words."""
    found = [f"{name} {state}" for name in seen.case.outputs if (state := _wrong(name, seen))]
    for place, before in seen.before.items():
        after = seen.after[place]
        found += [
            f"{place}/{name} was {'changed' if name in after else 'deleted'}"
            for name, content in before.items()
            if after.get(name) != content and not _is_output(place, name, seen)
        ]
    return found


def _wrong(output: str, seen: Seen) -> str | None:
    """What is wrong with an output, in words."""
    before, after = (_parts(output, each[OUT]) for each in (seen.before, seen.after))
    if output in seen.complete:
        return None
    if not seen.ended.status:
        return (
            "is not complete, and success was said" if after else "is absent, and success was said"
        )
    if before:
        return None if before == after else "was there, and is not as it was"
    return None if not after or _is_unfinished(output, after) else "is damaged"


def _parts(output: str, contents: Contents) -> Contents:
    """A file, or what is in a run's folder; checkpoints are not part of what was trained."""
    return {
        name: content
        for name, content in contents.items()
        if name == output or name.startswith(f"{output}/")
        if not name.startswith(f"{output}/{_CHECKPOINTS}")
    }


def _is_unfinished(output: str, after: Contents) -> bool:
    """Whether a run says itself that it is not complete: it can be resumed."""
    return after.get(output) == FOLDER and f"{output}/report.json" not in after


def _is_output(place: str, name: str, seen: Seen) -> bool:
    outputs = (*seen.case.outputs, new_run(seen.case, seen.after[OUT]))
    return place == OUT and name.partition("/")[0] in outputs


# ---- The process.


def _crash(seen: Seen) -> list[str]:
    status, sent = seen.ended.status, seen.ended.signal
    number = -status if status < 0 else status - 128
    if seen.ended.reply.timed_out or number <= 0 or number == sent:
        return []
    return [f"ended by {_signal_name(number)}: {_last_line(seen.ended.errors)}"]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"status {number + 128}"


def leftovers(seen: Seen) -> list[str]:
    """Files and folders that are neither outputs nor were there before, in words."""
    names = [
        f"{place}/{name}"
        for place, after in seen.after.items()
        for name in after
        if name not in seen.before[place]
        and (not _is_output(place, name, seen) or _is_odd_in_run(name))
    ]
    outermost = [name for name in names if name.rpartition("/")[0] not in names]
    return [f"{name} is left" for name in outermost]


def new_run(case: Case, after: Contents) -> str | None:
    """The name of a run that can be resumed, and is to take the place of the one there is."""
    for output in case.outputs:
        new = f".{output}.new"
        if any(name.startswith(f"{new}/{_CHECKPOINTS}/step-") for name in after):
            return new
    return None


def _is_odd_in_run(name: str) -> bool:
    """Whether a name in a run's folder, or in one below it, is no part of a run."""
    return not all(_OF_RUN.fullmatch(part) for part in name.split("/")[1:])


def _unclean(seen: Seen) -> list[str]:
    """What is wrong with the words of a command, and with its status."""
    status, errors, sent = seen.ended.status, seen.ended.errors.strip(), seen.ended.signal
    found = _UNCLEAN.search(errors)
    if found:
        return [f"{found[0]}: {_last_line(errors)}"]
    if not status:
        return []
    allowed = [128 + sent] if sent else [1]
    if status not in allowed and not (sent and status == -sent and not errors):
        return [f"status {status}, not {allowed[0]}"]
    n_lines = len(errors.splitlines())
    if n_lines != 1 and status > 0:
        return [f"{n_lines} lines, not one sentence: {_last_line(errors)}"]
    return []


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no words"])[-1][:300]
