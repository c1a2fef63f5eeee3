from bench.publisher import Place, content, news
from chatterbox.wire.broker_events import room_channel
from services.history.messages.commit_publisher import payloads
from tests.support.message_batch import message_batch

PLACE = Place("room-0", 7, "epoch", 41)


def test_what_is_published_is_what_history_announces() -> None:
    ((channel, payload),) = payloads(news(PLACE, range(1000, 3000, 1000)))
    batch = message_batch(payload)
    assert channel == room_channel(7)
    assert (batch.epoch, batch.first, len(batch.frames)) == ("epoch", 42, 2)
    assert b"@T=0000000000000001000,00000;" in bytes(batch.frames[0])


def test_nothing_due_is_nothing_published() -> None:
    assert payloads(news(PLACE, range(0))) == []


def test_a_message_is_the_load_generators_marker() -> None:
    assert len(content(5)) == 29
