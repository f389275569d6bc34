"""``doc-io serve``: pages to read and compare, for a browser."""

from __future__ import annotations

import importlib.util
import ipaddress
import socket
import webbrowser
from contextlib import suppress

import click

from doc_io.cli.config import StoreLocation
from doc_io.errors import ConfigurationError
from doc_io.escaping import printable

# ruff: noqa: PLC0415 - the pages' libraries are an extra, and no other command waits for them

_NEEDED = ("starlette", "uvicorn", "jinja2", "markdown_it")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8712, show_default=True, help="The port to listen at.")
@click.option("--open", "in_browser", is_flag=True, help="Open the page in a browser.")
@click.option("--dagster-url", metavar="URL", help="Dagster's UI, to link runs and assets to.")
@click.option("--token", envvar="DOC_IO_TOKEN", metavar="TEXT", help="What readers must show once, as ?token=…")
@click.option("--allow-host", "names", multiple=True, metavar="NAME", help="Answer to this host name too; repeatable.")
@click.option("--behind", "proxy", metavar="NAME", help="The host name of a proxy that lets in who may read.")
@click.pass_obj
def serve(
    location: StoreLocation,
    /,
    *,
    host: str,
    port: int,
    in_browser: bool,
    dagster_url: str | None,
    token: str | None,
    names: tuple[str, ...],
    proxy: str | None,
) -> None:
    """Serve pages to read and compare documents.

    For this machine alone, unless --host says otherwise; then with a --token, or --behind a proxy that asks who reads.
    """
    _check_installed()
    if not _is_loopback(host) and token is None and proxy is None:
        raise ConfigurationError(
            setting=f"--host {host}",
            reason="other machines could read every document",
            hint="Give a --token, or the name of the proxy in front of it with --behind.",
        )
    if dagster_url is not None and not dagster_url.startswith(("http://", "https://")):
        raise ConfigurationError(setting="--dagster-url", reason="it is no http or https URL", hint="")
    import uvicorn

    from doc_io.web import app
    from doc_io.web.guard import LOOPBACK

    hosts = [*LOOPBACK, *names, *([proxy] if proxy else []), *([host] if _is_address(host) else [])]
    with location.existing() as store:
        pages = app(store, dagster_url=dagster_url, token=token, hosts=hosts)
        config = uvicorn.Config(pages, host=host, port=port, log_level="warning", server_header=False, lifespan="off")
        with _listening(host, port) as listening:
            url = f"http://{host if _is_address(host) else 'localhost'}:{listening.getsockname()[1]}/"
            who = f"who {proxy} lets in" if proxy else "whoever knows the token" if token else "this machine alone"
            click.echo(
                f"Pages of {printable(store.docs_root)} at {url} for {printable(who)}; read-only. Ctrl-C ends it."
            )
            if in_browser:
                webbrowser.open(url)
            with suppress(KeyboardInterrupt):  # the way to end it
                uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigurationError(
            setting=f"--host {host} --port {port}",
            reason=error.strerror or str(error),
            hint="Give another one; --port 0 takes any that is free.",
        ) from error


def _check_installed() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            setting="doc-io serve", reason=f"{', '.join(missing)} cannot be imported", hint="pip install 'doc-io[web]'"
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    """Whether it is a name or an address that other machines can use in a URL, and not all addresses of this one."""
    return not _is_loopback(host) and ":" not in host and host != "0.0.0.0"  # noqa: S104 - compared, not listened at
