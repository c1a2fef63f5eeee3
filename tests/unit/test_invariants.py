"""Invariants of ARCHITECTURE.md that the source itself must show: socket access, bounded queues, deadlines of calls."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parents[2]
SERVER = sorted([*(ROOT / "services").rglob("*.py"), *(ROOT / "chatterbox").rglob("*.py")])
CLIENT = sorted((ROOT / "client").rglob("*.py"))
GATEWAY = sorted((ROOT / "services/gateway").rglob("*.py"))
TRANSPORT = ROOT / "services/gateway/transport"
INTERNAL_HTTP = ROOT / "chatterbox/chassis/http/internal_http.py"

NETWORK_MODULES = {"socket", "ssl", "select", "selectors"}
TRANSPORT_NAMES = {"transport", "_transport", "Transport", "BaseTransport", "Protocol", "StreamWriter", "StreamReader"}
"""Attributes of objects that hold a transport, and asyncio's own classes."""
TRANSPORT_METHODS = {
    "get_extra_info", "get_write_buffer_size", "set_write_buffer_limits", "set_protocol", "pause_reading",
    "resume_reading", "write_eof", "create_connection", "create_server", "open_connection", "start_server",
    "sock_sendall", "sock_recv",
}  # fmt: skip
QUEUES = {"Queue", "LifoQueue", "PriorityQueue", "deque"}
REASON = "# bounded:"
"""Begins the comment that says what bounds a queue without a size, in a line of the call or in the one before."""
HTTP_METHODS = {"request", "get", "post", "put", "patch", "delete", "send", "stream"}
HTTP_FACTORIES = {"over_network", "in_process", "AsyncClient"}
RPC_FACTORIES = {"open_rpc"}
RPC_METHODS = {"ask", "call"}

PROOFS = {
    1: "tests/integration/history/test_writer.py::test_append_returns_only_after_the_commit",
    2: "tests/integration/history/test_database.py::"
    "test_a_second_process_on_the_database_is_refused_and_the_first_continues",
    3: "tests/unit/gateway/rooms/test_room.py::test_pending_messages_are_written_before_a_connection_is_attached",
    4: "tests/unit/test_invariants.py::test_only_the_gateways_transport_folder_touches_sockets_and_transports",
    5: "tests/unit/test_invariants.py::test_every_queue_has_a_bound",
    6: "tests/simulation/test_schedules.py::test_every_invariant_holds_in_simulated_schedules",
    7: "tests/integration/history/test_appending.py::"
    "test_timestamps_of_a_room_do_not_decrease_when_the_clock_is_set_back",
    8: "tests/integration/auth/test_secrets.py::test_no_password_or_token_is_logged",
    9: "tests/unit/gateway/upstream/test_broker_watchdog.py::test_foreign_payloads_on_the_canary_channel_prove_nothing",
    10: "tests/unit/test_invariants.py::test_every_call_between_services_has_a_deadline",
    11: "tests/integration/history/test_tokens.py::test_requests_are_unavailable_until_revocations_are_loaded",
    12: "tests/contract/test_rate_limit_table.py::test_every_route_has_a_row_or_a_reason_for_none",
    13: "tests/integration/history/test_start_with_damage.py::"
    "test_no_page_with_a_gap_is_served_whichever_of_150_pages_is_damaged",
    14: "tests/unit/gateway/core/test_room_changes.py::test_everything_in_memory_is_as_new_as_what_was_told",
    15: "tests/integration/history/test_heads.py::test_message_stored_while_heads_are_told_is_not_lost",
    16: "tests/integration/processes/test_read_state_replicas.py::"
    "test_a_killed_gateway_loses_no_position_that_it_has_answered",
    17: "tests/integration/history/test_cached_pages.py::test_every_page_is_as_the_database_has_it_right_after",
    18: "tests/unit/gateway/presence/test_presence_feed.py::test_while_the_broker_is_silent_nobody_is_told_offline",
    19: "tests/unit/gateway/core/test_signal_budget.py::"
    "test_bytes_stay_within_the_cap_whatever_changes_and_whoever_types",
    20: "tests/unit/history/core/test_person_record.py::test_two_records_of_the_same_version_are_seen_alike",
    21: "tests/contract/test_history_store.py::test_files_of_a_deleted_message_are_erased_until_that_is_acknowledged",
    22: "tests/unit/history/encryption/test_readable_messages.py::"
    "test_the_recipients_of_a_room_can_read_its_messages_and_no_other_device_can",
    23: "tests/contract/test_inbox_store.py::test_messages_are_kept_in_order_until_they_are_taken",
    24: "tests/simulation/encryption/test_encrypted_schedules.py::"
    "test_exactly_the_recipients_of_each_message_read_it_in_the_end",
    25: "tests/contract/test_member_logs.py::test_whatever_members_try_the_log_is_signed_and_without_gaps",
    26: "tests/integration/history/test_member_log_restore.py::"
    "test_any_member_sends_lost_entries_again_and_they_take_effect",
}
"""By the number of an invariant in ARCHITECTURE.md: a test about it."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """A parsed module whose nodes know their parents."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.tree = ast.parse(text)
        self._parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        while (parent := self._parents.get(node)) is not None:
            yield parent
            node = parent

    def has_deadline(self, node: ast.AST, seen: frozenset[str] = frozenset()) -> bool:
        """Whether `node` only runs in `async with deadline(...)`: lexically, or wherever its function is called."""
        for ancestor in self.ancestors(node):
            if isinstance(ancestor, ast.AsyncWith) and any(
                isinstance(item.context_expr, ast.Call) and _name(item.context_expr.func) == "deadline"
                for item in ancestor.items
            ):
                return True
            if isinstance(ancestor, Function):
                callers = [call for call in self.calls() if _name(call.func) == ancestor.name]
                return (
                    bool(callers)
                    and ancestor.name not in seen
                    and all(self.has_deadline(call, seen | {ancestor.name}) for call in callers)
                )
        return False


def _name(node: ast.AST | None) -> str:
    """The last name of a dotted expression: `self._http` is `_http`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def socket_accesses(text: str) -> list[int]:
    """Lines that import a socket module, or touch a transport or asyncio's low-level API."""
    return [line for node in ast.walk(Source(text).tree) if (line := _socket_access(node)) is not None]


def _socket_access(node: ast.AST) -> int | None:
    """The line of `node` if it is an access."""
    match node:
        case ast.Import(names=names) if any(each.name.split(".")[0] in NETWORK_MODULES for each in names):
            return node.lineno
        case ast.ImportFrom(module=str(module)) if module.split(".")[0] in NETWORK_MODULES:
            return node.lineno
        case ast.Attribute(attr=name) if name in TRANSPORT_METHODS:
            return node.lineno
        case ast.Attribute(value=value, attr=name) if name in TRANSPORT_NAMES and _name(value) in {"self", "asyncio"}:
            return node.lineno
        case _:
            return None


def unbounded_queues(text: str) -> list[int]:
    """Lines that create a queue or a deque without a size and without a comment that says what bounds it."""
    source = Source(text)
    found = []
    for call in source.calls():
        if _name(call.func) not in QUEUES:
            continue
        position = 1 if _name(call.func) == "deque" else 0
        named = (keyword.value for keyword in call.keywords if keyword.arg in {"maxsize", "maxlen"})
        sizes = [*call.args[position : position + 1], *named]
        is_bounded = bool(sizes) and not (isinstance(sizes[0], ast.Constant) and sizes[0].value in {0, -1})
        lines = source.lines[max(0, call.lineno - 2) : call.end_lineno]
        if not is_bounded and not any(REASON in line for line in lines):
            found.append(call.lineno)
    return found


def calls_without_deadline(text: str) -> list[int]:
    """Lines that call another service by HTTP or RPC outside `deadline`."""
    source = Source(text)
    calls = [*_http_calls(source), *_rpc_calls(source)]
    return [call.lineno for call in calls if not source.has_deadline(call)]


def http_calls(text: str) -> list[int]:
    """Lines that call a method of an HTTP client."""
    return [call.lineno for call in _http_calls(Source(text))]


def _http_calls(source: Source) -> Iterator[ast.Call]:
    return _method_calls(source, HTTP_METHODS, _holders(source, "AsyncClient", HTTP_FACTORIES))


def _rpc_calls(source: Source) -> Iterator[ast.Call]:
    yield from _method_calls(source, RPC_METHODS, _holders(source, "RpcClient", RPC_FACTORIES))
    yield from (call for call in source.calls() if _name(call.func) in RPC_FACTORIES)


def _method_calls(source: Source, methods: set[str], receivers: set[str]) -> Iterator[ast.Call]:
    for call in source.calls():
        match call.func:
            case ast.Attribute(value=receiver, attr=method) if method in methods and _name(receiver) in receivers:
                yield call
            case _:
                pass


def _holders(source: Source, class_name: str, factories: set[str]) -> set[str]:
    """Names of variables and attributes that hold an object of a class, by annotation, factory or assignment."""
    names: set[str] = set()
    for node in ast.walk(source.tree):
        match node:
            case ast.arg(arg=name, annotation=annotation) if _mentions(annotation, class_name):
                names.add(name)
            case ast.AnnAssign(target=target, annotation=annotation) if _mentions(annotation, class_name):
                names.add(_name(target))
            case ast.withitem(context_expr=ast.Call(func=func)) if _name(func) in factories:
                names.add(_name(node.optional_vars))
            case _:
                pass
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign) and (_name(node.value) in names or _is_call(node.value, factories)):
            names.update(_name(target) for target in node.targets)
    return names - {""}


def _mentions(annotation: ast.expr | None, class_name: str) -> bool:
    return annotation is not None and any(_name(node) == class_name for node in ast.walk(annotation))


def _is_call(node: ast.expr, factories: set[str]) -> bool:
    if isinstance(node, ast.Await):
        node = node.value
    return isinstance(node, ast.Call) and _name(node.func) in factories


def _places(path: Path, lines: list[int]) -> list[str]:
    return [f"{path.relative_to(ROOT)}:{line}" for line in lines]


def test_every_invariant_of_the_architecture_names_a_test() -> None:
    section = (ROOT / "ARCHITECTURE.md").read_text().partition("## Invariants\n")[2].partition("\n## ")[0]
    assert [int(number) for number in re.findall(r"^(\d+)\. ", section, re.MULTILINE)] == list(PROOFS)


@pytest.mark.parametrize("proof", PROOFS.values())
def test_the_proof_of_an_invariant_exists(proof: str) -> None:
    path, _, name = proof.partition("::")
    assert re.search(rf"^ *(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


def test_only_the_gateways_transport_folder_touches_sockets_and_transports() -> None:
    others = [path for path in GATEWAY if TRANSPORT not in path.parents]
    assert len(others) > 20
    assert [place for path in others for place in _places(path, socket_accesses(path.read_text()))] == []


def test_every_queue_has_a_bound() -> None:
    assert [place for path in [*SERVER, *CLIENT] for place in _places(path, unbounded_queues(path.read_text()))] == []


def test_every_call_between_services_has_a_deadline() -> None:
    assert [place for path in SERVER for place in _places(path, calls_without_deadline(path.read_text()))] == []


def test_http_between_services_goes_through_internal_http() -> None:
    callers = {path for path in SERVER if http_calls(path.read_text())}
    assert callers == {INTERNAL_HTTP}


@pytest.mark.parametrize(
    "text",
    [
        "import socket",
        "from socket import AF_INET",
        "class C:\n    def f(self):\n        self._transport.write(b'')",
        "def f(connection):\n    connection.transport_of().get_extra_info('socket')",
        "class C(asyncio.Protocol): ...",
    ],
)
def test_a_socket_access_is_found(text: str) -> None:
    assert socket_accesses(text)


@pytest.mark.parametrize(
    "text",
    ["asyncio.Queue()", "q: asyncio.Queue[int] = asyncio.Queue(maxsize=0)", "LifoQueue()", "deque()", "deque([1])"],
)
def test_an_unbounded_queue_is_found(text: str) -> None:
    assert unbounded_queues(text) == [1]


@pytest.mark.parametrize(
    "text", ["Queue(10)", "Queue(maxsize=N)", f"{REASON} by readers\nQueue()", "deque(maxlen=3)", "deque(x, 3)"]
)
def test_a_bounded_or_explained_queue_is_not_reported(text: str) -> None:
    assert unbounded_queues(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "async def f(http: httpx.AsyncClient):\n    await http.post('/x')",
        "def f(http: httpx.AsyncClient):\n    self.a = http\nasync def g():\n    await self.a.request('GET', '/x')",
        "async def f():\n    async with over_network(url, key) as http:\n        await http.get('/x')",
        "async def f(rpc: RpcClient):\n    return await g(rpc)\nasync def g(rpc):\n    return await rpc.call(b'')",
        "async def f():\n    async with asyncio.timeout(5):\n        await open_rpc(url, key, 100)",
    ],
)
def test_a_call_without_deadline_is_found(text: str) -> None:
    assert len(calls_without_deadline(text)) == 1


def test_a_call_whose_callers_all_have_a_deadline_is_not_reported() -> None:
    text = (
        "async def f(rpc: RpcClient):\n    async with deadline(5):\n        return await g(rpc)\n"
        "async def g(rpc):\n    return await rpc.call(b'')"
    )
    assert calls_without_deadline(text) == []
