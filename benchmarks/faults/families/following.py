"""The next command after a failure, which has to make what it always makes, and to tidy up."""

from dataclasses import replace

from benchmarks.faults.bench import Bench
from benchmarks.faults.cases import OUT
from benchmarks.faults.outcomes import LEFTOVER, WRONG, Outcome, Seen, leftovers, new_run

_MESSAGE_CHARACTERS = 300


def with_next_command(bench: Bench, seen: Seen, outcome: Outcome) -> Outcome:
    """An outcome or, if it was a refusal as promised, what is wrong with the next command.

    That is the same command again in the same places; a training that has begun is resumed.
    """
    case = seen.case
    if not outcome.is_promised or not seen.ended.status:
        return outcome
    if not (case.is_training or case.is_forced):
        bench.remove_outputs(case)  # or the next one would not replace them
    more = []
    if case.is_training and (not case.is_forced or new_run(case, seen.after[OUT])):
        case = replace(case, words=tuple(word for word in case.words if word != "--force"))
        more = ["--resume"]
    following = bench.run(case, *more)
    ended = following.ended
    if ended.status or set(case.outputs) - following.complete:
        last = ended.errors.strip()[-_MESSAGE_CHARACTERS:]
        return Outcome(WRONG, f"the next command: status {ended.status}; {last}")
    left = leftovers(replace(following, before=seen.before))
    return Outcome(LEFTOVER, f"the next command: {'; '.join(left)}") if left else outcome
