"""A file over HTTPS from a public place: through the environment's proxies, along redirects, trusted by the system's CAs."""

from __future__ import annotations


def download(url: str, *, timeout: float, at_most: int) -> bytes:
    """Its first `at_most` bytes. `timeout` is in seconds, for each wait; the resolution of the name is not covered. A user and
    password in the URL are shown to its server alone. OSError with the reason where there is no such answer, or where a redirect
    leads out of https."""
    import http.client
    from base64 import b64encode
    from urllib.parse import unquote, urlsplit
    from urllib.request import Request, urlopen

    try:
        parts = urlsplit(url)
        user, _, server = parts.netloc.rpartition("@")
        request = Request(parts._replace(netloc=server).geturl())  # noqa: S310 - https by what calls this
        if user:
            name, _, password = user.partition(":")
            known = b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode("ascii")
            request.add_unredirected_header("Authorization", f"Basic {known}")
        with urlopen(request, timeout=timeout) as answer:  # noqa: S310 - as above
            if not answer.url.lower().startswith("https://"):
                raise OSError(f"it leads to {answer.url}, which is not https")
            content: bytes = answer.read(at_most)
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(str(error) or type(error).__name__) from error
    return content
