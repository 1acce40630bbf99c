"""Which addresses the guard calls, before any packet could leave."""

from __future__ import annotations

import ipaddress

import pytest

from vitesse_graph.errors import RefusedAddress
from vitesse_graph.http import AddressPolicy, origin_of
from vitesse_graph.http.policy import classify
from vitesse_graph.settings import Settings

PUBLIC_ONLY = AddressPolicy()

NEVER_FOR_STRANGERS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.1./",
    "http://localhost/",
    "http://localhost./",
    "http://LOCALHOST/",
    "http://api.localhost/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[2001:0:0:0:0:0:80ff:fffe]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://[::]/",
    "http://0.0.0.0/",
    "http://0/",
    "http://10.0.0.1/",
    "http://10.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://192.168.257/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://metadata.google.internal/",
    "http://metadata.google.internal./",
    "http://metadata/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://192.0.0.8/",
    "http://198.18.0.1/",
    "http://１２７.０.０.１/",
    "http://127。0。0。1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://good@169.254.169.254/",
    "http://good:pass@example.com/",
    "http://example.com\\@10.0.0.1/",
    "http://exa\tmple.com/",
    "http://example.com/\r\nHost: evil",
    "http://example.com:99999/",
    "http://",
    "http:///path",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "unix:///var/run/docker.sock",
    "javascript:alert(1)",
    "//example.com/",
    "example.com",
    "http://" + "a" * 9000 + ".example/",
]


@pytest.mark.parametrize("url", NEVER_FOR_STRANGERS, ids=lambda url: url[:48])
def test_inner_and_malformed_addresses_are_refused(url: str) -> None:
    with pytest.raises(RefusedAddress) as refused:
        PUBLIC_ONLY.check_url(url)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/openapi.json",
        "http://example.com:8080/",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/",
        "https://bücher.example/",
        "https://10.example.com/",
    ],
)
def test_public_addresses_pass(url: str) -> None:
    assert PUBLIC_ONLY.check_url(url).hostname


@pytest.mark.parametrize(
    ("url", "setting"),
    [
        ("http://127.0.0.1:9/", "VITESSE_ALLOW_LOOPBACK=true"),
        ("http://10.0.0.1/", "VITESSE_ALLOW_PRIVATE_ADDRESSES=true"),
        ("http://169.254.1.1/", "VITESSE_ALLOWED_HOSTS=169.254.1.1:80"),
        ("http://metadata.google.internal/", "VITESSE_ALLOWED_HOSTS=metadata.google.internal"),
    ],
)
def test_a_refusal_names_the_setting_that_would_allow_it(url: str, setting: str) -> None:
    with pytest.raises(RefusedAddress, match=setting.replace(".", r"\.")):
        PUBLIC_ONLY.check_url(url)


def test_each_switch_opens_its_own_kind_only() -> None:
    loopback, private = AddressPolicy(allow_loopback=True), AddressPolicy(allow_private=True)
    loopback.check_url("http://127.0.0.1/")
    loopback.check_url("http://localhost/")
    private.check_url("http://10.0.0.1/")
    for policy, url in (
        (loopback, "http://10.0.0.1/"),
        (private, "http://127.0.0.1/"),
        (private, "http://169.254.169.254/"),
    ):
        with pytest.raises(RefusedAddress):
            policy.check_url(url)


def test_a_listed_host_is_called_on_its_port_only_when_a_port_is_listed() -> None:
    policy = AddressPolicy(allowed_hosts=frozenset({"10.0.0.5:8080", "erp.corp"}))
    policy.check_url("http://10.0.0.5:8080/")
    policy.check_address("erp.corp", 443, "10.9.9.9")
    with pytest.raises(RefusedAddress):
        policy.check_url("http://10.0.0.5:9090/")


def test_the_policy_is_read_from_settings() -> None:
    settings = Settings(
        allow_loopback=False, allow_private_addresses=True, allowed_hosts=" ERP.corp , 10.0.0.5:80,"
    )
    assert AddressPolicy.from_settings(settings) == AddressPolicy(
        allow_loopback=False, allow_private=True, allowed_hosts=frozenset({"erp.corp", "10.0.0.5:80"})
    )


def test_what_a_stranger_names_may_not_lead_to_loopback_though_the_user_may_go_there() -> None:
    with pytest.raises(RefusedAddress):
        AddressPolicy(allow_loopback=True).for_strangers().check_url("http://127.0.0.1:6379/")


async def test_one_bad_address_among_several_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def answer(*_args: object, **_kwargs: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 80)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with pytest.raises(RefusedAddress, match=r"two-faced\.example \(10\.0\.0\.7\)"):
        await PUBLIC_ONLY.resolve("two-faced.example", 80)


def test_messages_hold_neither_query_nor_credentials() -> None:
    with pytest.raises(RefusedAddress) as refused:
        PUBLIC_ONLY.check_url("http://user:hunter2@example.com/?token=hunter2")
    assert "hunter2" not in str(refused.value)


def test_every_kind_of_special_network_is_classified() -> None:
    expected = {
        "8.8.8.8": "public", "127.9.9.9": "loopback", "10.0.0.1": "private", "100.64.0.1": "private",
        "169.254.0.1": "forbidden", "0.0.0.0": "forbidden", "224.0.0.1": "forbidden", "::1": "loopback",
        "fd12::1": "private", "fe80::1": "forbidden", "::ffff:8.8.8.8": "public", "::ffff:10.0.0.1": "private",
    }  # fmt: skip
    assert {text: classify(ipaddress.ip_address(text)) for text in expected} == expected


def test_origins_are_compared_with_their_default_ports() -> None:
    assert (
        origin_of("HTTPS://Example.com/a?b")
        == origin_of("https://example.com:443/")
        != origin_of("http://example.com/")
    )
