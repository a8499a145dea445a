"""The configuration of a target, field by field: the shape of a target file and of `fanin verify`'s options.

Rules of this file: the descriptions of attributes are also those of ``docs/verify.md``.
"""

from typing import Annotated, Literal

from msgspec import Meta

from fanin.harness.capabilities import Capability, Declarable
from fanin.harness.dialect import NotificationDialect, ResponseDialect
from fanin.harness.targets.status_body import Activities
from fanin.simulator.durations import Millis
from fanin.simulator.language.scenario import TIMEOUT_MS_MAX
from fanin.simulator.shapes import HeaderName, HeaderValue, RegionName, Strict


def _text(description: str, pattern: str | None = None) -> Meta:
    return Meta(pattern=pattern, min_length=1, max_length=2_000, description=description)


Reference = Annotated[str, _text("module:application, such as myapp.main:app", "^[^:]+:[^:]+$")]
Line = Annotated[str, _text("text on one line", r"^[^\r\n]+$")]
EnvName = Annotated[str, _text("an environment variable's name", "^[A-Za-z_][A-Za-z0-9_]*$")]
PathTemplate = Annotated[str, _text("a path such as /hooks/{region}", "^/[!-~]*$")]
ListenAddress = Annotated[
    str, _text("HOST:PORT, such as 0.0.0.0:9000", r"^(?:\[[0-9A-Fa-f:.]+\]|[^:\s]+):[0-9]{1,5}$")
]
EnvTemplate = Annotated[
    str, Meta(max_length=2_000, pattern=r"^[^\r\n]*$", description="text on one line, such as {timeout_s}")
]
WebUrl = Annotated[str, _text("a URL such as https://host/path", "^https?://[!-~]+$")]
Duration = Annotated[Millis, Meta(extra={"absolute": True})]
Timeout = Annotated[Millis, Meta(ge=1, le=TIMEOUT_MS_MAX, extra={"absolute": True})]
Rate = Annotated[int, Meta(ge=1, le=10_000)]
Jobs = Annotated[int, Meta(ge=1, le=64)]
Seed = Annotated[int, Meta(ge=0)]


class TargetConfig(Strict, frozen=True):
    """What to judge, and how. A field that is left out has the default of the command line.

    Attributes:
        app: An ASGI application or its factory, judged in virtual time; either this, or command, or url.
        app_dir: The folder of its module; the current one when left out.
        command: A command that starts a process which listens on PORT, judged in real time.
        kill_command: A command that kills the container which the command has started.
        path: The path of webhooks, with {region} and perhaps {key}, where the contract's is not taken.
        env: Variables that it reads besides those that are set anyway, such as {timeout_s} in TIMEOUT.
        url: The URL of a deployment, with {region} in place of the region, and {key} in place of the key.
        key_env: The environment variable that holds the key, instead of FANIN_TARGET_KEY.
        headers: Headers of every webhook to the deployment; {key} stands for the key.
        regions: The regions that the deployment is configured with.
        timeout: The timeout that the deployment is configured with; a command: what every timeout becomes.
        tolerance: How late an outcome may be.
        redelivery_grace: How long it may take to notify once the sink works again, its own backoff included.
        listen: The address at which fanin receives notifications; for a command with port 0.
        public_url: The URL at which the target reaches that address, if another one; a command's has {port}.
        max_rate: Requests per second to the deployment, at most.
        capabilities: What it can do beyond the contract, or what a deployment is configured for.
        lacks: What the application or the command cannot do.
        probe: Read outcomes from the deployment's status API, instead of notifications.
        activities: The activities that report an outcome, for the probe.
        jobs: How many scenarios a command is judged by at the same time.
        seed: Decides every random choice; when left out, a new one for every run against a deployment.
        scenarios: Names of built-in scenarios, or files; the whole pack when left out.
        report: The folder into which a report is written.
        responses: The meaning of statuses with which it answers webhooks, where it is not that of HTTP.
        notification: Where its notifications hold what.
    """

    app: Reference | None = None
    app_dir: Line | None = None
    command: Line | None = None
    kill_command: Line | None = None
    path: PathTemplate | None = None
    env: dict[EnvName, EnvTemplate] = {}  # noqa: RUF012 - msgspec copies it
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
    responses: ResponseDialect = ResponseDialect()
    notification: NotificationDialect = NotificationDialect()
