"""What `token list` prints, and what `token create` refuses."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import click
import pytest
import yaml

from pykubeadm.cli import token
from pykubeadm.config.model import BootstrapToken
from pykubeadm.errors import ApiError, ConfigError, UsageError
from pykubeadm.kube.bootstrap_tokens import create_token, delete_token, list_tokens
from pykubeadm.output.forms import form
from pykubeadm.tokens.documents import token_secret
from tests.support.api import FakeApi

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NODES = "system:bootstrappers:kubeadm:default-node-token"


def stored(*tokens: BootstrapToken) -> FakeApi:
    api = FakeApi()
    for wanted in tokens:
        create_token(api, token_secret(wanted, NOW))
    return api


def listed(api: FakeApi):
    damaged: list[str] = []
    return list_tokens(api, damaged.append), damaged


def printed(tokens, output):
    return token._printed(tokens, form(output, allow_missing=True, read=str.encode))


def test_a_token_is_printed_as_kubeadm_prints_it():
    found, damaged = listed(stored(BootstrapToken(token="abcdef.0123456789abcdef", description="for me", ttl=timedelta(hours=1))))
    assert damaged == []
    assert printed(found, "json").startswith(
        '{\n    "kind": "BootstrapToken",\n    "apiVersion": "output.kubeadm.k8s.io/v1alpha3",'
    )
    wanted = {
        "kind": "BootstrapToken",
        "apiVersion": "output.kubeadm.k8s.io/v1alpha3",
        "token": "abcdef.0123456789abcdef",
        "description": "for me",
        "expires": "2026-01-02T04:04:05Z",
        "usages": ["authentication", "signing"],
        "groups": [NODES],
    }
    assert json.loads(printed(found, "json")) == wanted
    assert yaml.safe_load(printed(found, "yaml")) == wanted


def test_several_are_several_documents_in_the_order_of_their_ids():
    found, _ = listed(stored(*(BootstrapToken(token=f"{name}.0123456789abcdef") for name in ("zzzzzz", "aaaaaa"))))
    assert [document["token"][:6] for document in yaml.safe_load_all(printed(found, "yaml"))] == ["aaaaaa", "zzzzzz"]


def test_the_table_names_what_is_not_set():
    found, _ = listed(stored(BootstrapToken(token="abcdef.0123456789abcdef", ttl=timedelta(0), usages=("signing",), groups=())))
    header, row = printed(found, "text").splitlines()
    assert header.split() == ["TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA", "GROUPS"]
    assert row.split() == ["abcdef.0123456789abcdef", "<forever>", "<never>", "signing", "<none>", "<none>"]
    assert printed([], "text") == ""


@pytest.mark.parametrize(
    ("left", "text"),
    [
        ({"seconds": -1}, "<expired>"),
        ({"seconds": 59}, "59s"),
        ({"minutes": 61}, "1h"),
        ({"hours": 47}, "1d"),
        ({"minutes": 3}, "3m"),
    ],
)
def test_what_is_left_is_in_the_largest_unit(left, text):
    assert token._left(NOW + timedelta(**left), NOW) == text


def test_secrets_that_are_no_tokens_are_reported_and_left_out():
    api = stored(BootstrapToken(token="abcdef.0123456789abcdef"))
    broken = token_secret(BootstrapToken(token="ffffff.0123456789abcdef"), NOW)
    del broken["data"]["token-secret"]
    api.put(broken)
    api.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": "kube-system"}, "type": "Opaque"})
    found, damaged = listed(api)
    assert len(found) == 1
    assert damaged == ["Secret kube-system/bootstrap-token-ffffff has no token-secret"]


def test_a_secret_that_cannot_be_anybodys_token_is_reported_without_it():
    api = stored(BootstrapToken(token="abcdef.0123456789abcdef"))
    edited = token_secret(BootstrapToken(token="ffffff.0123456789abcdef"), NOW)
    edited["data"]["token-secret"] = b64encode(b"hunter2").decode()
    api.put(edited)
    found, damaged = listed(api)
    assert len(found) == 1
    assert damaged == ["Secret kube-system/bootstrap-token-ffffff holds no token of the form [a-z0-9]{6}.[a-z0-9]{16}"]


@pytest.mark.parametrize("expiration", ["2030-01-01", "2030-01-01T00:00:00", "tomorrow"])
def test_a_token_whose_expiry_is_no_time_does_not_hide_the_others(expiration):
    """As where it was edited by hand."""
    api = stored(BootstrapToken(token="abcdef.0123456789abcdef"))
    edited = token_secret(BootstrapToken(token="ffffff.0123456789abcdef"), NOW)
    edited["data"]["expiration"] = b64encode(expiration.encode()).decode()
    api.put(edited)
    found, damaged = listed(api)
    assert len(printed(found, "text").splitlines()) == 2
    assert damaged == [
        f'Secret kube-system/bootstrap-token-ffffff has the expiration "{expiration}", which is not an RFC 3339 time'
    ]


def test_an_id_is_given_once_and_deleted_once():
    api = stored(BootstrapToken(token="abcdef.0123456789abcdef"))
    with pytest.raises(ApiError, match="a token with the id abcdef is there already"):
        create_token(api, token_secret(BootstrapToken(token="abcdef.ffffffffffffffff"), NOW))
    delete_token(api, "abcdef")
    with pytest.raises(ApiError, match="there is no bootstrap token abcdef"):
        delete_token(api, "abcdef")


def wanted(given: str | None = None, **values: object):
    ctx = click.Context(token.create)
    return token._wanted(ctx, given, {"config": None, "ttl": None, "usages": (), "groups": (), "description": None, **values})


def test_every_wrong_flag_is_reported_at_once():
    with pytest.raises(ConfigError) as error:
        wanted("bad", ttl="soon", usages=(("signing", "eating"),), groups=(("admins",),))
    said = str(error.value)
    for part in ("token: ", "--ttl: ", '--usages: "eating"', '--groups: "admins"'):
        assert part in said


def test_a_lifetime_that_is_empty_is_not_that_of_a_day():
    """Such as a variable that is not set."""
    with pytest.raises(ConfigError, match='--ttl: "" is not a duration'):
        wanted(ttl="")


def test_a_file_and_flags_exclude_each_other():
    with pytest.raises(UsageError, match="--config cannot be given together with --ttl"):
        wanted(config="x.yaml", ttl="1h")


def test_defaults_are_kubeadms():
    (made,) = wanted()
    assert (made.usages, made.groups, made.ttl) == (("signing", "authentication"), (NODES,), None)
    assert token_secret(made, NOW)["data"]["expiration"] == "MjAyNi0wMS0wM1QwMzowNDowNVo="
