"""What a target is, field by field: the shape that a target file and the command line are read into.

Rules of this file: the docstrings speak of YAML, because people read them (``docs/verify.md``).
"""

from typing import Annotated, Literal

from msgspec import Meta

from fanin.harness.capabilities import Capability, Declarable
from fanin.harness.dialect import AnswerDialect, NotificationDialect
from fanin.harness.targets.status_body import Activities
from fanin.simulator.durations import Millis
from fanin.simulator.language.scenario import TIMEOUT_MS_MAX
from fanin.simulator.shapes import HeaderName, HeaderValue, RegionName, Strict


def _text(description: str, pattern: str | None = None) -> Meta:
    return Meta(pattern=pattern, min_length=1, max_length=2_000, description=description)


Reference = Annotated[str, _text("module:factory, such as myapp.main:create_app", "^[^:]+:[^:]+$")]
Line = Annotated[str, _text("text on one line", r"^[^\r\n]+$")]
EnvName = Annotated[str, _text("an environment variable's name", "^[A-Za-z_][A-Za-z0-9_]*$")]
ListenAddress = Annotated[
    str, _text("HOST:PORT, such as 0.0.0.0:9000", r"^(?:\[[0-9A-Fa-f:.]+\]|[^:\s]+):[0-9]{1,5}$")
]
WebUrl = Annotated[str, _text("a URL such as https://host/path", "^https?://[!-~]+$")]
Duration = Annotated[Millis, Meta(extra={"absolute": True})]
Timeout = Annotated[Millis, Meta(ge=1, le=TIMEOUT_MS_MAX, extra={"absolute": True})]
Rate = Annotated[int, Meta(ge=1, le=10_000)]
Jobs = Annotated[int, Meta(ge=1, le=64)]
Seed = Annotated[int, Meta(ge=0)]


class TargetConfig(Strict, frozen=True):
    """What is judged, and how. What is left out has the command's default.

    Attributes:
        app: An ASGI application factory, judged in virtual time; this, or command, or url.
        app_dir: Where its module lies.
        command: A process that listens on PORT, judged in real time.
        url: A deployment, with {region} where the region goes, and {key} where the key goes.
        key_env: The environment variable that holds the key, in place of FANIN_TARGET_KEY.
        headers: Sent to the deployment with every webhook; {key} stands for the key.
        regions: The deployment's regions, as it is configured.
        timeout: The deployment's timeout, as it is configured; of a command, what every timeout becomes.
        tolerance: How late it may act.
        redelivery_grace: How long it may take to tell once the sink is well again, its backoff included.
        listen: Where the sink listens for the deployment.
        public_url: Where the deployment finds the sink, if that is somewhere else.
        max_rate: Requests a second to the deployment, at most.
        capabilities: What it has beyond the contract, or a deployment is configured for beyond its defaults.
        lacks: What the application or the command does not offer.
        probe: Reads what was told off the deployment's status, in place of a sink.
        activities: Which activities tell an outcome, for the probe.
        jobs: How many scenarios a command is judged by at once.
        seed: Decides every random choice; drawn anew for a deployment when left out.
        scenarios: Names of the pack, or files; the whole pack when left out.
        report: The folder where a report is written.
        answers: What statuses mean, where that is not what HTTP says.
        notification: Where its notifications say what.
    """

    app: Reference | None = None
    app_dir: Line | None = None
    command: Line | None = None
    url: Line | None = None
    key_env: EnvName | None = None
    headers: dict[HeaderName, HeaderValue] = {}  # noqa: RUF012 - msgspec copies it
    regions: tuple[RegionName, ...] = ()
    timeout: Timeout | None = None
    tolerance: Duration | None = None
    redelivery_grace: Duration | None = None
    listen: ListenAddress | None = None
    public_url: WebUrl | None = None
    max_rate: Rate | None = None
    capabilities: tuple[Declarable, ...] = ()
    lacks: tuple[Capability, ...] = ()
    probe: Literal["durable-functions"] | None = None
    activities: Activities = Activities()
    jobs: Jobs | None = None
    seed: Seed | None = None
    scenarios: tuple[Line, ...] = ()
    report: Line | None = None
    answers: AnswerDialect = AnswerDialect()
    notification: NotificationDialect = NotificationDialect()
