"""The next command after a failure, which has to make what it always makes, and to tidy up."""

from dataclasses import replace

from benchmarks.faults.bench import Bench
from benchmarks.faults.outcomes import LEFTOVER, WRONG, Outcome, Seen, leftovers

_MESSAGE_CHARACTERS = 300


def with_next_command(bench: Bench, seen: Seen, outcome: Outcome) -> Outcome:
    """An outcome or, if it was a refusal as promised, what is wrong with the next command.

    That is the same command again in the same places; a new training is resumed.
    """
    case = seen.case
    if not outcome.is_promised or not seen.ended.status:
        return outcome
    if not (case.is_training or case.is_forced):
        bench.remove_outputs(case)  # or the next one would not replace them
    more = ["--resume"] if case.is_training and not case.is_forced else []
    following = bench.run(case, *more)
    ended = following.ended
    if ended.status or set(case.outputs) - following.complete:
        last = ended.errors.strip()[-_MESSAGE_CHARACTERS:]
        return Outcome(WRONG, f"the next command: status {ended.status}; {last}")
    left = leftovers(replace(following, before=seen.before))
    return Outcome(LEFTOVER, f"the next command: {'; '.join(left)}") if left else outcome
