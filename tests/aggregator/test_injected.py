"""Variables that orchestrators inject are ignored; whatever only resembles them is not."""

import pytest

from fanin.aggregator.errors import SettingsError
from fanin.aggregator.injected import without_injected
from fanin.aggregator.settings import Settings

KUBELET = {
    "{}_SERVICE_HOST": "10.0.12.7",
    "{}_SERVICE_PORT": "8080",
    "{}_SERVICE_PORT_HTTP_METRICS": "8080",
    "{}_PORT": "tcp://10.0.12.7:8080",
    "{}_PORT_8080_TCP": "tcp://10.0.12.7:8080",
    "{}_PORT_8080_TCP_PROTO": "tcp",
    "{}_PORT_8080_TCP_PORT": "8080",
    "{}_PORT_8080_TCP_ADDR": "10.0.12.7",
    "{}_PORT_53_UDP": "udp://10.0.12.7:53",
}
KUBELET_IPV6 = {
    "{}_SERVICE_HOST": "fd00:10:96::7",
    "{}_PORT": "tcp://[fd00:10:96::7]:8080",
    "{}_PORT_8080_TCP_ADDR": "fd00:10:96::7",
}
DOCKER = {
    "{}_NAME": "/web/fanin",
    "{}_PORT": "tcp://172.17.0.5:8080",
    "{}_PORT_8080_TCP_START": "tcp://172.17.0.5:8080",
    "{}_PORT_8080_TCP_PORT_END": "8085",
    "{}_ENV_FANIN_REGIONS": "eastus",
    "{}_ENV_GPG_KEY": "7169605F62C751356D054A26A821E680E5FA6305",
}


@pytest.mark.parametrize("name", ["FANIN", "FANIN_EU", "FANIN_RESTATE", "WEBHOOKREGIONS"])
@pytest.mark.parametrize("form", [KUBELET, KUBELET_IPV6, DOCKER], ids=["kubelet", "ipv6", "docker"])
def test_injected_variables_are_no_settings(form: dict[str, str], name: str) -> None:
    """A Service or a linked container of any name that begins like ours changes nothing."""
    injected = {pattern.format(name): value for pattern, value in form.items()}
    chosen = {"FANIN_REGIONS": "eastus,westus"}

    assert Settings.from_environment(chosen | injected) == Settings.from_environment(chosen)


def test_the_port_of_the_platform_counts_beside_an_injected_one() -> None:
    """``PORT`` is another spelling of ``FANIN_PORT``, which is not set then."""
    settings = Settings.from_environment(
        {"FANIN_REGIONS": "eastus", "FANIN_PORT": "tcp://10.0.12.7:8080", "PORT": "5000"}
    )

    assert settings.port == 5000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FANIN_PORT", "http://10.0.12.7:8080"),
        ("FANIN_PORT", "tcp://10.0.12.7"),
        ("FANIN_PORT", "8O80"),
        ("FANIN_PORTS", "tcp://10.0.12.7:8080"),
        ("FANIN_SERVICE_HOST", "example.org"),
        ("FANIN_SERVICE_PORT", "http"),
        ("FANIN_SERVICE_NAME", "fanin"),
        ("FANIN_PORT_8080_TCP_ADDR", "db"),
        ("FANIN_PORT_8080", "tcp://10.0.12.7:8080"),
        ("FANIN_NAME", "fanin"),
        ("FANIN_ENV_REGIONS", "eastus"),
        ("fanin_service_host", "10.0.12.7"),
    ],
)
def test_what_resembles_an_injected_variable_is_refused(name: str, value: str) -> None:
    """Both the name and the value must have the form."""
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment({"FANIN_REGIONS": "eastus", name: value})

    assert refusal.value.setting == name


def test_other_names_are_left_alone() -> None:
    """A file of targets may name any variable."""
    environment = {"REDIS_SERVICE_HOST": "10.0.0.1", "FANIN_PORT": "8080"}

    assert without_injected(environment) == environment
