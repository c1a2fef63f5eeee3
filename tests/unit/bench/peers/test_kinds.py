from bench.loadgen import Load, arguments
from bench.peers.kinds import KINDS, PAGE_KINDS
from bench.peers.peer import SERVERS


def test_peers_have_names_of_their_own() -> None:
    assert len({kind.name for kind in KINDS}) == len({kind.title for kind in KINDS}) == len(KINDS)


def test_every_server_is_a_peers() -> None:
    names = {path.stem for path in SERVERS.iterdir() if path.suffix in {".py", ".mjs"}}
    assert names <= {kind.name for kind in (*KINDS, *PAGE_KINDS)}


def test_a_peer_says_in_its_title_that_redis_is_between() -> None:
    assert all("Redis" in kind.title for kind in KINDS if kind.has_redis)


def test_the_load_generator_can_be_told_how_to_talk_to_each() -> None:
    for kind in KINDS:
        assert "{m}" in " ".join(arguments(Load(members=1, senders=1, rate=1), kind.dialect(1)))
