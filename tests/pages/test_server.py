"""The `shop` command and the real server, in processes of their own: some as a shell starts them, `afresh`."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from granian.net import SocketSpec

from shop.server import listening
from tests.live import free_port, live_shop, run_shop, wait_until

SHELF = Path(__file__).parent.parent / "shelf.csv"


def get(shop, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def post(shop, form: str, path: str = "/cart-items", **headers: str) -> tuple[int, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=30)
    headers |= {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    try:
        connection.request("POST", path, form, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer
    finally:
        connection.close()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class HalfAnOrder:
    """A form whose second half is still to be sent, while the shop waits for it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.sendall(
            b"POST /cart-items HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        # Said when the app starts to read the form: the request is in flight.
        assert self._socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        self._socket.sendall(b"item")

    def finish(self) -> bytes:
        """Send the rest. The whole answer."""
        self._socket.sendall(b"=mug")
        answer = b""
        while part := self._socket.recv(65536):
            answer += part
        self._socket.close()
        return answer

    def give_up(self) -> None:
        self._socket.close()


FORM = (
    b"POST /cart-items HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\n"
)


@contextmanager
def visitors(shop, count: int, saying: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections to the shop at once, on each of which a part of a request was sent."""
    with ExitStack() as opened:
        connected = [
            opened.enter_context(socket.create_connection(("127.0.0.1", shop.port), timeout=30)) for _ in range(count)
        ]
        for visitor in connected:
            visitor.sendall(saying)
        yield connected


@pytest.fixture
def many_files():
    """This process may have as many files open as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4000:
        pytest.skip("This system lets a process have too few connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that failed had to say, which is one line."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


# The server


def test_a_shop_opens_with_the_demo_catalogue_and_stops_without_a_trace(tmp_path):
    with live_shop(tmp_path, afresh=True) as shop:
        wait_until(lambda: "Ctrl-C stops" in shop.log, 30, "the greeting")
        assert f" products on {shop.url} (Ctrl-C stops)" in shop.log
        assert '"path": "/products"' not in shop.log  # what it asks itself to get ready is nobody's visit
        assert get(shop, "/products")[0] == 200

        assert shop.stop() == 0
        assert not listens(shop.port)


def test_ctrl_c_stops_the_shop_as_well(tmp_path):
    with live_shop(tmp_path, afresh=True) as shop:
        os.killpg(shop.process.pid, signal.SIGINT)  # a terminal tells the workers, too
        assert shop.wait() == 0
        assert "Unexpected" not in shop.log


@pytest.mark.parametrize("attempt", range(3))
def test_a_stop_in_the_moment_of_the_first_answer_leaves_no_worker(tmp_path, attempt):
    with live_shop(tmp_path) as shop:
        assert shop.stop() == 0
        assert not listens(shop.port)


def test_a_stop_lets_a_request_in_flight_finish(tmp_path):
    with live_shop(tmp_path) as shop:
        order = HalfAnOrder(shop.port)
        shop.process.terminate()
        wait_until(lambda: not listens(shop.port), 30, "the shop to turn new visitors away")

        answer = order.finish()
        assert answer.startswith(b"HTTP/1.1 ")
        assert b"\r\n\r\n" in answer
        assert shop.wait() == 0


def test_a_second_ctrl_c_waits_for_nobody(tmp_path):
    with live_shop(tmp_path) as shop:
        order = HalfAnOrder(shop.port)
        shop.process.send_signal(signal.SIGINT)
        wait_until(lambda: not listens(shop.port), 30, "the shop to turn new visitors away")

        shop.process.send_signal(signal.SIGINT)
        assert shop.wait() == 130
        order.give_up()


def test_workers_stop_when_the_main_process_was_killed(tmp_path):
    with live_shop(tmp_path) as shop:
        shop.process.kill()
        wait_until(lambda: not shop.processes(), 30, "the workers' end")
        assert not listens(shop.port)


def test_a_worker_that_died_is_replaced(tmp_path):
    with live_shop(tmp_path, workers=1) as shop:
        before = set(shop.processes())
        (worker,) = before - {shop.process.pid}
        os.kill(worker, signal.SIGKILL)

        wait_until(lambda: set(shop.processes()) - before, 30, "another one")
        wait_until(lambda: listens(shop.port), 30, "the shop to be open again")
        assert get(shop, "/health")[0] == 200
        assert "Unexpected exit" in shop.log


# Slow visitors. One worker, so that none is lucky to be served by another.


def test_visitors_who_say_nothing_keep_nobody_waiting(tmp_path, many_files):
    with live_shop(tmp_path, workers=1) as shop, visitors(shop, 2000) as silent:
        assert get(shop, "/products")[0] == 200
        silent[0].sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert silent[0].recv(65536).startswith(b"HTTP/1.1 200 ")


def test_visitors_who_send_a_byte_now_and_then_keep_nobody_waiting(tmp_path):
    with (
        live_shop(tmp_path, catalogue=SHELF, workers=1) as shop,
        visitors(shop, 30, b"GET /products HTTP/1.1\r\nHo"),
        visitors(shop, 30, FORM) as buyers,
    ):
        for letter in (b"i", b"t", b"e"):
            for buyer in buyers:
                buyer.sendall(letter)
            assert get(shop, "/products")[0] == 200
            assert post(shop, "item=mug")[0] == 303

        buyers[0].sendall(b"m=mug")
        assert buyers[0].recv(65536).startswith(b"HTTP/1.1 303 ")


def test_forms_that_never_end_leave_the_pages_to_others(tmp_path):
    with live_shop(tmp_path, workers=1) as shop, visitors(shop, 200, FORM):
        assert get(shop, "/products")[0] == 200
        wait_until(lambda: post(shop, "item=mug")[0] == 503, 30, "the shop to take no more forms")
        assert get(shop, "/products")[0] == 200


def test_who_stops_reading_a_long_answer_keeps_nobody_waiting(tmp_path, long_catalogue):
    with live_shop(tmp_path, catalogue=long_catalogue, workers=1) as shop:
        with visitors(shop, 1, b"GET /feeds/google.xml HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as (reader,):
            assert reader.recv(1000).startswith(b"HTTP/1.1 200 ")
            # Who reads no more has taken the one turn there is.
            assert get(shop, "/feeds/google.xml")[0] == 503
            assert get(shop, "/products")[0] == 200
        wait_until(lambda: get(shop, "/feeds/google.xml")[0] == 200, 30, "the turn to be free again")


def test_those_who_read_nothing_keep_no_long_answer_from_who_reads(tmp_path, long_catalogue):
    asking = b"GET /feeds/google.xml HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with live_shop(tmp_path, catalogue=long_catalogue, workers=1) as shop, visitors(shop, 8, asking) as silent:
        assert {visitor.recv(12) for visitor in silent} == {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        wait_until(lambda: get(shop, "/feeds/google.xml")[1].endswith("</rss>"), 60, "the feed, whole")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="This system can't give up who takes nothing")
def test_who_takes_nothing_for_a_minute_is_given_up():
    (_spec, holder), _own = listening(((SocketSpec("127.0.0.1", free_port(), 5), None), None))

    with socket.socket(fileno=holder.get_fd()) as listener:
        listener.listen()
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000  # milliseconds


@pytest.fixture(scope="module")
def long_catalogue(tmp_path_factory) -> Path:
    """One whose feed is longer than what a connection holds on its way."""
    path = tmp_path_factory.mktemp("long") / "export.csv"
    rows = "".join(f"vase-{n},Vase {n},<p>{'Blue glass. ' * 800}</p>,12.00,true,active\n" for n in range(1500))
    path.write_text("Handle,Title,Body (HTML),Variant Price,Published,Status\n" + rows)
    return path


def test_a_form_that_was_cut_off_is_not_acted_on(tmp_path):
    with live_shop(tmp_path, catalogue=SHELF, workers=1) as shop, visitors(shop, 1, FORM + b"item=mu") as (buyer,):
        buyer.shutdown(socket.SHUT_WR)
        assert b" 303 " not in buyer.recv(65536)


# What requests and answers may carry


def test_all_our_cookies_and_as_many_of_others_pass(tmp_path):
    ours = "; ".join(f"{name}={'x' * size}" for name, size in (("cart", 2000), ("users", 3600), ("session", 400)))
    with live_shop(tmp_path) as shop:
        assert get(shop, "/products", Cookie=f"{ours}; other={'x' * 8192}")[0] == 200


def test_a_request_with_too_much_is_refused_and_said_so(tmp_path):
    with live_shop(tmp_path) as shop:
        assert get(shop, "/products", Cookie="other=" + "x" * 200_000)[0] == 431
        assert get(shop, "/" + "x" * 70_000)[0] == 414
        assert get(shop, "/products")[0] == 200


def test_an_answer_with_a_full_cookie_passes(tmp_path):
    """The people on a visitor's list are one cookie, which comes back whole with each change."""
    with live_shop(tmp_path) as shop:
        cookie = ""
        for number in range(20):
            person = f"name=Ann+Lee+{number}&email=ann{number}@example.org&city=Ely&country=GB"
            status, answer = post(shop, person, "/users", Cookie=cookie)
            assert status == 303
            (cookie,) = (each for each in answer.headers.get_all("Set-Cookie") if each.startswith("users="))
            cookie = cookie.partition(";")[0]
        assert len(cookie) > 2500
        assert "Ann Lee 19" in get(shop, "/users", Cookie=cookie)[1]


def test_what_was_imported_is_still_sold_after_a_restart(tmp_path):
    with live_shop(tmp_path) as shop:
        assert run_shop("import", SHELF, SHOP_DATA=str(tmp_path)).returncode == 0
        assert get(shop, "/products/last-poster")[0] == 200
        shop.restart()
        assert get(shop, "/products/last-poster")[0] == 200


def test_a_catalogue_is_sold_from_a_database_of_its_own_and_read_once(tmp_path):
    with live_shop(tmp_path, catalogue=SHELF) as shop:
        assert get(shop, "/products/last-poster")[0] == 200
        assert not (tmp_path / "shop.sqlite3").exists()
        read = "created"
        assert shop.log.count(read) == 1

        shop.restart()
        assert get(shop, "/products/last-poster")[0] == 200
        assert shop.log.count(read) == 1


def test_a_catalogue_that_changed_is_read_again(tmp_path):
    export = tmp_path / "export.csv"
    export.write_bytes(SHELF.read_bytes())
    with live_shop(tmp_path / "data", catalogue=export) as shop:
        export.write_text("Handle,Title,Variant Price,Published,Status\nnew-mug,New mug,12.00,true,active\n")
        shop.restart()
        assert get(shop, "/products/new-mug")[0] == 200
        assert get(shop, "/products/last-poster")[0] == 404


# What can be put right is one line


def test_a_port_in_use_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = only_line(run_shop("serve", SHOP_DATA=str(tmp_path), SHOP_PORT=str(port), afresh=True))
    assert line.startswith(f"Port {port} on 127.0.0.1 is in use. Choose another with SHOP_PORT=")


def test_two_shops_never_share_a_port(tmp_path):
    with live_shop(tmp_path) as shop:
        line = only_line(run_shop("serve", SHOP_DATA=str(tmp_path), SHOP_PORT=str(shop.port)))
        assert "is in use" in line


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("SHOP_PORT", "abc", "SHOP_PORT is 'abc', but must be a whole number"),
        ("SHOP_COLOUR", "red", "SHOP_COLOUR is 'red', but must be one of"),
        ("SHOP_HOST", "192.0.2.1", "SHOP_HOST is '192.0.2.1', which is no address of this machine"),
        ("SHOP_DATABASE_URL", "mysql://shop", "SHOP_DATABASE_URL is …, but must be"),
        ("SHOP_DATABASE_URL", "postgresql+psycopg://shop@127.0.0.1:1/shop", "The database says: "),
    ],
)
def test_a_setting_that_does_not_fit_is_named(tmp_path, setting, value, expected):
    environ = {"SHOP_DATA": str(tmp_path), "SHOP_PORT": str(free_port()), setting: value}
    assert expected in only_line(run_shop("serve", **environ))


@pytest.mark.parametrize("command", [["import"], ["serve", "--catalogue"]], ids=["import", "serve"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, command):
    environ = {"SHOP_DATA": str(tmp_path / "data"), "SHOP_PORT": str(free_port())}
    missing = tmp_path / "missing.csv"
    assert f"{missing}" in only_line(run_shop(*command, missing, **environ))
    assert f"{tmp_path}" in only_line(run_shop(*command, tmp_path, **environ))  # a folder


# Import and demo


@pytest.mark.parametrize("value", ['{"mug":', "gAAAAABnot-ours", "language=klingon"])
def test_what_is_no_cookie_of_ours_is_told(tmp_path, value):
    assert "That can't be read" in only_line(run_shop("cookie", "decode", SHOP_DATA=str(tmp_path), stdin=value))
    assert run_shop("cookie", "decode", SHOP_DATA=str(tmp_path), stdin="language=ru").stdout == '"ru"\n'


@pytest.mark.parametrize("currency", ["JPY", "KWD"])
def test_the_demo_has_prices_in_any_currency(tmp_path, currency):
    assert "57 created" in run_shop("demo", SHOP_DATA=str(tmp_path), SHOP_CURRENCY=currency).stdout


def test_prices_stay_in_the_currency_that_they_came_in(tmp_path):
    dollars, euros = ({"SHOP_DATA": str(tmp_path), "SHOP_CURRENCY": code} for code in ("USD", "EUR"))
    assert run_shop("import", SHELF, **dollars).returncode == 0

    for command in (["serve"], ["import", SHELF], ["demo"], ["export", "products"]):
        assert "prices are in USD, but SHOP_CURRENCY is EUR" in only_line(run_shop(*command, **euros))
    assert run_shop("import", "--replace", SHELF, **euros).returncode == 0
    assert "prices are in EUR" in only_line(run_shop("export", "products", **dollars))
    assert run_shop("export", "products", **euros).returncode == 0


def test_an_import_says_what_it_did(tmp_path):
    first = run_shop("import", SHELF, SHOP_DATA=str(tmp_path), afresh=True)
    again = run_shop("import", SHELF, SHOP_DATA=str(tmp_path))
    assert (first.returncode, first.stderr) == (0, "")
    assert "\n0 created, 0 updated" not in first.stdout
    assert "\n0 created, 0 updated" in again.stdout


def test_a_bad_row_stops_an_import_unless_it_is_skipped(tmp_path):
    export = tmp_path / "export.csv"
    export.write_text(
        "Handle,Title,Variant Price,Published,Status\ngood,Good,1.00,true,active\nbad,Bad,cheap,true,active\n"
    )
    assert "cheap" in only_line(run_shop("import", export, SHOP_DATA=str(tmp_path)))

    skipping = run_shop("import", export, "--skip-bad-rows", SHOP_DATA=str(tmp_path))
    assert skipping.returncode == 0
    assert "cheap" in skipping.stdout
    assert "1 created" in skipping.stdout


def test_the_demo_can_be_loaded(tmp_path):
    assert "created" in run_shop("demo", SHOP_DATA=str(tmp_path)).stdout


def test_a_wrong_command_line_is_exit_code_2(tmp_path):
    assert run_shop("import", SHOP_DATA=str(tmp_path)).returncode == 2
    assert run_shop("sell", SHOP_DATA=str(tmp_path), afresh=True).returncode == 2


@pytest.mark.parametrize("command", [[], ["serve"], ["import"], ["demo"]], ids=" ".join)
def test_each_command_explains_itself(command):
    helped = run_shop(*command, "--help")
    assert helped.returncode == 0
    assert helped.stdout.startswith("Usage: shop")
