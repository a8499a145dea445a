"""Filters: what the settings leave out is answered 200, and starts nothing."""

from fanin.aggregator.filters import EVERY
from fanin.harness.capabilities import OptionalCapability
from fanin.harness.mutants.middleware import AppResponse, Forward, WebhookCall, intercept
from fanin.harness.mutants.mutant import Healthy, Mutant
from fanin.harness.mutants.variation import vary

FILTERS: frozenset[OptionalCapability] = frozenset({"filters"})
NOT_FOUND = 404
_EVERYTHING = {"repositories": EVERY, "tags": EVERY, "tagged_only": False, "skip_attachments": False}


async def _refuse_ignored(call: WebhookCall, forward: Forward) -> AppResponse:
    response = await forward(call)
    return AppResponse(NOT_FOUND) if b'"ignored"' in response.body else response


MUTANTS = (
    Mutant(
        "reports-every-manifest",
        ("B68",),
        "Ignores its filters, so one signed image for two platforms is reported six times.",
        "signed-image",
        vary(settings=_EVERYTHING),
        capabilities=FILTERS,
    ),
    Mutant(
        "refuses-what-it-ignores",
        ("B55",),
        "Answers 404 to what is of no interest, so the registry's log is full of errors.",
        "signed-image",
        vary(middleware=intercept(_refuse_ignored)),
        capabilities=FILTERS,
    ),
    Mutant(
        "waits-for-attachments",
        ("B68",),
        "Leaves out pushes by digest only, so signatures, attestations and SBOMs are reported like images.",
        "signed-image",
        vary(settings={"skip_attachments": False}),
        capabilities=FILTERS,
    ),
)
HEALTHY = (
    Healthy(
        "filters",
        "Leaves out what its settings say: the real aggregator, for mutants to be compared with.",
        vary(),
        capabilities=FILTERS,
    ),
)
