"""The HTTP client below: what of its surroundings counts, and how it says what does not work."""

import pytest

from zkmq.errors import BadArgumentError
from zkmq.rest.client import Queue
from zkmq.rest.client.http import open_client

BAD = {
    "ALL_PROXY": "socks5://127.0.0.1:1",
    "HTTP_PROXY": "nonsense://x",
    "SSL_CERT_FILE": "/no/such/file.pem",
}
LOOPBACK = ["http://127.0.0.1:9998", "http://localhost:9998", "http://[::1]:9998/context"]


@pytest.fixture(params=BAD)
def environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set a variable to what no HTTP client can use."""
    name: str = request.param
    for each in (*BAD, "HTTPS_PROXY", "http_proxy", "https_proxy", "all_proxy", "NO_PROXY"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, BAD[name])
    return name


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("url", LOOPBACK)
def test_the_environment_does_not_count_on_loopback(url: str) -> None:
    """A proxy of the company is no way to this machine's own gateway."""
    with open_client(url, {}) as client:
        assert client.trust_env is False


def test_an_environment_that_cannot_be_used_is_told(environment: str) -> None:
    """By the queue's own error, which names the variables; and it can be switched off."""
    with pytest.raises(BadArgumentError, match=environment):
        Queue("http://gateway:9998")
    Queue("http://gateway:9998", http={"trust_env": False}).close()


@pytest.mark.parametrize("url", ["gateway:9998", "http://host:port", "http://[::1", "ftp://x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(BadArgumentError, match="url: "):
        Queue(url)


def test_settings_that_cannot_be_used_are_told() -> None:
    """By the queue's own error as well."""
    with pytest.raises(BadArgumentError, match="no HTTP client can be made"):
        Queue("https://127.0.0.1:9998", http={"proxy": "nonsense://x"})
