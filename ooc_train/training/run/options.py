"""The option of every call that opens a run."""

from dataclasses import dataclass

from ooc_train.options import option


@dataclass(frozen=True, kw_only=True)
class OpenOptions:
    """How a run is opened."""

    trust_code: bool = option(
        False,
        "use a run whose model is a function of its author's (--model package.module:function): "
        "its module is imported, which runs its code",
        group="run",
    )
