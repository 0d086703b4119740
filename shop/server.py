"""Serving the shop: the catalogue it opens with, and granian's worker processes.

The main process opens no port itself: on Linux each worker listens for itself and the kernel shares visitors out
among them. The first of them does the server's own chores as well. The main process watches them all, replaces one
that died, and stops them all together.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import hashlib
import multiprocessing
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import sqlalchemy as sa
from flask import Flask

# Of granian's allocator, which reads it as it is loaded: no memory kept for each of many threads, most of which wait.
os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:1,tcache:false")

from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer
from werkzeug.test import Client

from shop import access_log, background, create_app, language
from shop.catalogue.currency import check_currency, last_import
from shop.catalogue.indexing import catch_up
from shop.database import Database, collections, products
from shop.money import Currency
from shop.orders import mail
from shop.settings import Settings
from shop.turns import Turns

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DEMO_CATALOGUE = Path(__file__).parent / "demo" / "catalogue.csv"

# A stop waits this long for requests in flight. Docker and most supervisors kill 10 seconds after they asked.
SECONDS_TO_FINISH = 8

# A stop waits this long for the chore in hand: what was cut short is done again at the next start.
SECONDS_TO_FINISH_A_CHORE = 1

# Told (bytes read, bytes in all) while a file is read.
Progress = Callable[[int, int], None]
# Shows the reading of the named file, and gives what it wants to be told; None when nobody is looking.
Showing = Callable[[Path], AbstractContextManager[Progress | None]]


class CannotListen(OSError):
    """The shop's address is taken, not this machine's, or not allowed."""


def serve(settings: Settings, catalogue: Path | None, showing: Showing) -> None:
    """Serve the shop until a signal stops it.

    With `catalogue`, that export is what it sells; without, what was imported before, or the demo catalogue if
    nothing was. Raises CannotListen, and whatever the import and the database raise.
    """
    address = _free_address(settings.host, settings.port)
    if catalogue is not None:
        settings = with_database_of(settings, catalogue)
    count = _open_catalogue(settings, catalogue, showing)

    listening = f"http://{_in_url(settings.host)}:{settings.port}"
    greeting = f"{settings.name}: {_products(count)} on {listening} (Ctrl-C stops)"
    said = "\n".join(filter(None, (mail.destination(settings), greeting)))
    _Server(address, settings, said, _prepared(settings)).run()


def _prepared(settings: Settings) -> Flask:
    """The app with all that every worker needs: those that are forked from here share it instead of making their own.

    It has no connection and no thread yet, which a fork would break.
    """
    _keep_memory_small()
    app = create_app(settings)
    for code in settings.languages:
        Currency(settings.currency, settings.locale_of(code)).format(0)
        language.name_of(code)
        with language.speaking(code):
            language.translation("")
    _ask_for_what_is_asked_most(app)
    gc.collect()
    _give_back_free_memory()
    gc.freeze()  # the collector's marks would turn each worker's share into a copy
    # A page is made of thousands of small things, none of which need the collector to go: a tenth of its time.
    gc.set_threshold(10_000, 20, 50)
    return app


def _ask_for_what_is_asked_most(app: Flask) -> None:
    """Have made, once for all workers, what a process makes at its first requests: templates, queries and much else.

    Python also writes into a function's code what it is mostly called with. In a worker, that would be a copy.
    """
    database: Database = app.extensions["shop"].database
    with database.reading() as connection:
        handles = connection.scalars(sa.select(products.c.handle).where(products.c.visible).limit(5)).all()
        groups = connection.scalars(sa.select(collections.c.handle).limit(2)).all()
    paths = ["/", "/products", "/products?page=2", "/search?q=a", "/search/suggestions?q=a", "/cart"]
    paths += [f"/products/{handle}" for handle in handles] + [f"/search?q={handle}" for handle in handles]
    paths += [f"/collections/{handle}" for handle in groups]
    visitor = Client(app)
    access_log.log.disabled = True
    for path in paths:
        visitor.get(path, headers={"Accept-Encoding": "zstd"}).close()
    access_log.log.disabled = False
    database.close()  # its connections: the next one is each worker's own


def load_demo(database: Database, settings: Settings, showing: Showing) -> object:
    """Import the demo catalogue; the report says what changed."""
    return _import(database, DEMO_CATALOGUE, settings, showing)


def _open_catalogue(settings: Settings, catalogue: Path | None, showing: Showing) -> int:
    """Bring the database up to date and see that there is something to sell. How many products it shows."""
    database = Database(settings.database_url)
    try:
        # First: a file that can't be read should leave no database behind.
        digest = _digest(catalogue) if catalogue else ""
        database.migrate()
        catch_up(database)
        with database.reading() as connection:
            last = last_import(connection)
        if catalogue and (digest, settings.currency) != last:
            click.echo(_import(database, catalogue, settings, showing, replace=True))
        elif not catalogue and _is_empty(database):
            load_demo(database, settings, showing)
        with database.reading() as connection:
            check_currency(connection, settings.currency)
            shown = sa.select(sa.func.count()).select_from(products).where(products.c.visible)
            return connection.execute(shown).scalar_one()
    finally:
        database.close()


def _import(database: Database, path: Path, settings: Settings, showing: Showing, *, replace: bool = False) -> object:
    from shop.catalogue.importing import import_file  # a megabyte, with what cleans descriptions

    with showing(path) as progress:
        return import_file(database, path, settings, replace=replace, progress=progress)


def with_database_of(settings: Settings, catalogue: Path) -> Settings:
    """The settings with a database of the catalogue's own, so that trying one out leaves the shop's alone.

    The currency is part of its name, since prices are kept in minor units. A SHOP_DATABASE_URL that was set
    wins: then the file's products are shown there, and no others.
    """
    if os.environ.get("SHOP_DATABASE_URL"):
        return settings
    path = catalogue.resolve()
    key = hashlib.sha256(f"{path}\n{settings.currency}".encode()).hexdigest()[:10]
    return replace(settings, database_url=f"sqlite:///{settings.data / 'catalogues' / f'{path.stem}-{key}.sqlite3'}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_empty(database: Database) -> bool:
    with database.reading() as connection:
        return connection.execute(sa.select(products.c.id).limit(1)).first() is None


def _products(count: int) -> str:
    return "1 product" if count == 1 else f"{count:,} products"


def _free_address(host: str, port: int) -> str:
    """The IP address that `host` means, with `port` free on it. Raises CannotListen.

    Granian's workers share the port with whoever else wants to, so a second shop on it would start, and
    silently take some of the first one's visitors.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError):
        raise CannotListen(f"SHOP_HOST is {host!r}, which is no address of this machine.") from None
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise CannotListen(_why_not(host, port, error)) from None
    return str(address[0])


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < 65535 else port - 1
        return f"Port {port} on {host} is in use. Choose another with SHOP_PORT={other}."
    if error.errno == errno.EACCES:
        return f"Port {port} on {host} is not allowed to this user. Choose one from 1024 up, such as SHOP_PORT=8000."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"SHOP_HOST is {host!r}, which is no address of this machine."
    return f"Port {port} on {host} can't be listened on: {error.strerror}."


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


# Threads of a worker, most of which are there only while they are needed: one works at a page, the others wait for
# visitors who are slow to send their form, or to take a long answer. The last few are kept for what isn't slow.
_THREADS = 48
_THREADS_FOR_FORMS = 40

# Connections that one worker holds at once, idle ones included: browsers keep up to six open each.
_MOST_CONNECTIONS = 4096
_FILES_OF_A_WORKER = 100  # besides its connections: the database, templates, pipes

# A visitor who takes nothing of an answer for so long is given up: their thread, if they hold one, is free again.
_SECONDS_TO_TAKE = 60

_LARGEST_FORM = 1024 * 1024  # bytes. A longer one is left to the app, which refuses it unread.


class _InTurn:
    """The app, for many threads: one works, and the others wait for their visitors, for a writer or for Stripe.

    A form is read before its turn comes, so a visitor who sends a byte a second holds up nobody. One whose
    connection broke in the middle is not acted on.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._turns = Turns()
        self._forms = threading.BoundedSemaphore(_THREADS_FOR_FORMS)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
            if not self._forms.acquire(blocking=False):
                return _refused("503 Service Unavailable", start_response)
            try:
                whole = _take_in(environ)
            finally:
                self._forms.release()
            if not whole:
                return _refused("400 Bad Request", start_response)
        with self._turns.mine():
            return self._app(environ, start_response)


class _Made:
    """Gives a worker the app that was made before the fork; one of its own where workers are started otherwise."""

    def __init__(self, settings: Settings, app: Flask) -> None:
        self.settings = settings
        self._app: Flask | None = app

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings, "_app": None}

    def __call__(self) -> WSGIApplication:
        return _InTurn(self._app or create_app(self.settings))


def _take_in(environ: WSGIEnvironment) -> bool:
    """Put the request's body in memory. False when it ended too early."""
    length = environ.get("CONTENT_LENGTH", "")
    if length.isdecimal() and int(length) > _LARGEST_FORM:
        return True
    body = environ["wsgi.input"].read(_LARGEST_FORM + 1)
    environ["wsgi.input"] = BytesIO(body)
    return not length.isdecimal() or len(body) == int(length)


def _refused(status: str, start_response: StartResponse) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "0"), ("Retry-After", "10")])
    return []


def _allow_many_files() -> int:
    """Let this process, and those forked from it, have as many files open as they may need, connections included.

    How many that is: fewer where the system lets them have fewer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_CONNECTIONS + _FILES_OF_A_WORKER
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


# Only `_obey` takes these, in both kinds of process: everywhere else they are held, so that none is lost.
_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class _Server(MPServer):
    """Granian, with stops that leave nothing behind whenever they come.

    Its own way has gaps, each seen in a test. A worker that was just forked still has the main process's signal
    handlers, so that a SIGTERM is lost and the stop waits for ever. Python's handlers run between two steps of the
    main thread, so one that comes as that thread falls asleep is lost too. A terminal's Ctrl-C reaches the workers
    as well, which then look as if they had died. And workers outlive a main process that is killed.
    """

    def __init__(self, address: str, settings: Settings, greeting: str, app: Flask) -> None:
        connections = min(_MOST_CONNECTIONS, _allow_many_files() - _FILES_OF_A_WORKER)
        super().__init__(
            target="shop",
            address=address,
            port=settings.port,
            interface=Interfaces.WSGI,
            workers=settings.workers,
            blocking_threads=_THREADS,
            blocking_threads_idle_timeout=10,
            backpressure=max(1, connections),
            # The other mode's stop can miss the end of its own work (a wait on a condition without a look first).
            runtime_mode=RuntimeModes.st,
            http=HTTPModes.http1,
            # Request heads up to 64 KB. Our cookies stay within 6,000 bytes, but other software on the same
            # host name may add to them.
            http1_settings=HTTP1Settings(header_read_timeout=30_000, max_buffer_size=64 * 1024),
            websockets=False,
            log_level=LogLevels.error,
            log_access=False,  # the app logs requests
            respawn_failed_workers=True,
            respawn_interval=0,
            workers_kill_timeout=SECONDS_TO_FINISH,
        )
        self._app = _Made(settings, app)
        self._greeting = greeting
        self._killed = False

    def run(self) -> None:
        """Serve until a signal. Raises KeyboardInterrupt when a second Ctrl-C had to kill."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self.serve(spawn_target=_work, target_loader=self._app, wrap_loader=False)
        if self._killed:
            raise KeyboardInterrupt

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        # A shop whose terminal was closed stops, unless it was started with nohup.
        ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else set()
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]
        threading.Thread(target=_obey, args=(_SIGNALS - ignored, self._stop), daemon=True).start()
        self._greet()

    def _stop(self, signum: int) -> None:
        if self.interrupt_signal and signum == signal.SIGINT:
            self._killed = True
            for worker in self.wrks:
                worker.kill()  # type: ignore[no-untyped-call]
        self.signal_handler_interrupt()  # type: ignore[no-untyped-call]

    def _greet(self) -> None:
        """Say that the shop is open, once it is."""
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.bind_addr, self.bind_addr)  # noqa: S104
        while not self.main_loop_interrupt.wait(0.02):
            try:
                socket.create_connection((here, self.bind_port), timeout=1).close()
            except OSError:
                continue
            click.echo(self._greeting)
            return


def _obey(signals: set[signal.Signals], stop: Callable[[int], None]) -> None:
    while True:
        stop(signal.sigwait(signals))


def _work(number: int, name: str, app: _Made, sockets: Any, *args: Any) -> None:
    """A worker's life. It stops when the main process says so with SIGTERM, or is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the main process's handler, inherited
    stopping = threading.Event()
    # In a thread, which nothing has to wait for: most of a chore is waiting, for the database or a mail server.
    chores = threading.Thread(target=background.run, args=(app.settings, stopping), daemon=True)
    if number == 1:
        chores.start()

    def stop(signum: int) -> None:
        stopping.set()
        _stop_working(signum)

    threading.Thread(target=_obey, args=({signal.SIGTERM}, stop), daemon=True).start()
    threading.Thread(target=_give_back_memory_now_and_then, daemon=True).start()
    threading.Thread(target=_stop_with_the_main_process, daemon=True).start()
    MPServer._spawn_wsgi_worker(number, name, app, listening(sockets), *args)
    if chores.is_alive():
        chores.join(SECONDS_TO_FINISH_A_CHORE)


def listening(sockets: Any) -> Any:
    """A worker's sockets, as granian hands them over, with connections that end when nothing is taken for too long.

    Only Linux can. Source: tcp(7), TCP_USER_TIMEOUT; a connection has it from the socket that accepts it.
    """
    (to_be_built, built), own = sockets
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        return sockets
    holder = built or to_be_built.build()
    with socket.socket(fileno=os.dup(holder.get_fd())) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SECONDS_TO_TAKE * 1000)
    return (None, holder), own


# Of glibc's malloc.h.
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_LARGE = 128 * 1024  # bytes
_SECONDS_BETWEEN_TRIMS = 10


def _keep_memory_small() -> None:
    """Have all threads take memory from one place: each would keep megabytes free for itself, and only one works.

    What is large, such as a compressor's tables, has a place of its own, and leaves no gap behind.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _give_back_free_memory() -> None:
    """Let the system have what this process has no use for now."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def _give_back_memory_now_and_then() -> None:
    while True:
        time.sleep(_SECONDS_BETWEEN_TRIMS)
        _give_back_free_memory()


def _stop_working(signum: int) -> None:
    """Finish what is in flight, then end. Granian's handler, which says so, is there before the first request."""
    handler = signal.getsignal(signum)
    if callable(handler):
        handler(signum, None)
    else:
        os._exit(0)


def _stop_with_the_main_process() -> None:
    main = multiprocessing.parent_process()
    if main is None:
        return
    main.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_FINISH)
    os.kill(os.getpid(), signal.SIGKILL)
