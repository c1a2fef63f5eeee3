"""All limits for clients: sent in `welcome`, enforced by the server, named in errors."""

import msgspec

from chatterbox.wire import rate_limits
from chatterbox.wire.position import Whole
from chatterbox.wire.rate_bounds import Rate, RateLimit


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits for one client. An operator may change some of the defaults."""

    content_chars: Whole = 4000
    """Characters (code points) in one message."""
    frame_bytes: Whole = 65_536
    """Bytes in one WebSocket message from the client."""
    fragments: Whole = 64
    """Fragments of one WebSocket message from the client."""
    key_chars: Whole = 64
    """Characters in an idempotency key."""
    room_name_chars: Whole = 40
    """Characters in a room's name."""
    topic_chars: Whole = 200
    """Characters (code points) in a room's topic."""
    rooms_per_user: Whole = 1000
    """Rooms that one user may be a member of."""
    directs_per_user: Whole = 1000
    """Direct conversations of one user, besides the rooms."""
    connections_per_user: Whole = rate_limits.CONNECTIONS_OF_USER.bound.limit
    """Live connections of one user."""
    connections_per_address: Whole = rate_limits.CONNECTIONS_FROM_ADDRESS.bound.limit
    """Live connections from one network address (IPv6: from one /64), and as many HTTP connections besides."""
    sends_per_s: float = rate_limits.SENDS.bound.amount
    """Messages per second that one user may send, over all connections, in the long run."""
    sends_burst: Whole = rate_limits.SENDS.bound.burst
    """Messages that one user may send at once before `sends_per_s` applies."""
    commands_per_s: float = rate_limits.COMMANDS.bound.amount
    """Commands per second on one connection, in the long run."""
    commands_burst: Whole = rate_limits.COMMANDS.bound.burst
    """Commands at once on one connection before `commands_per_s` applies."""
    changes_per_s: float = rate_limits.CHANGES.bound.amount
    """Joins, leaves, topics, invitations and new rooms per second by one user, in the long run."""
    changes_burst: Whole = rate_limits.CHANGES.bound.burst
    """Such changes at once by one user before `changes_per_s` applies."""
    rooms_per_day: Whole = rate_limits.ROOMS_CREATED.bound.burst
    """Rooms that one user may create at once, and per day in the long run."""
    directs_per_day: Whole = rate_limits.DIRECTS.bound.burst
    """Direct conversations that one user may begin at once, and per day in the long run."""
    invitations_per_day: Whole = rate_limits.INVITATIONS.bound.burst
    """Invitations that one user may send at once, and per day in the long run."""
    reads_per_s: float = rate_limits.READS.bound.amount
    """Reads of pages, rooms and members per second by one user, in the long run."""
    reads_burst: Whole = rate_limits.READS.bound.burst
    """Reads at once by one user before `reads_per_s` applies."""
    listings_per_s: float = rate_limits.LISTINGS.bound.amount
    """Pages of the room list per second for one user, in the long run."""
    listings_burst: Whole = rate_limits.LISTINGS.bound.burst
    """Pages of the room list at once for one user before `listings_per_s` applies."""
    requests_per_s: float = rate_limits.REQUESTS.bound.amount
    """HTTP requests per second from one network address, in the long run."""
    requests_burst: Whole = rate_limits.REQUESTS.bound.burst
    """HTTP requests at once from one network address before `requests_per_s` applies."""
    commands_waiting: Whole = rate_limits.COMMANDS_WAITING.bound.limit
    """Commands of one connection that may wait for their reply (sends are limited by `sends_burst`)."""
    bad_frames_per_minute: Whole = rate_limits.BAD_FRAMES.bound.burst
    """Invalid frames within a minute after which the connection is closed."""
    refusals_per_minute: Whole = rate_limits.REFUSALS.bound.burst
    """Refused commands and frames within a minute after which the connection is closed."""
    page_rooms: Whole = 100
    """Rooms in one page of the room list that the user is not in."""
    page_messages: Whole = 200
    """Messages in one page, or in the reply to `join`."""
    page_changes: Whole = 200
    """Changed messages in one reply to `changes`."""
    edit_s: Whole = 0
    """Seconds after which a message can't be edited any more; 0: it always can."""
    reactions_per_message: Whole = 20
    """Different emoji on one message."""
    reaction_chars: Whole = 32
    """Characters (code points) in one reaction."""
    pins_per_room: Whole = 50
    """Pinned messages in one room."""
    mentions_per_message: Whole = 50
    """Users whom one message can mention; further names are only text."""
    call_members: Whole = 50
    """Members of a room up to which everybody may write `@room`, and authors may pin; beyond, its creator may."""
    display_name_chars: Whole = 64
    """Characters (code points) in a display name."""
    bio_chars: Whole = 400
    """Characters (code points) in what a user says about themselves."""
    status_chars: Whole = 100
    """Characters (code points) in a status."""
    watch_people: Whole = 200
    """Users whose presence one connection may watch."""
    typing_every_s: float = 4
    """Least seconds from one `typing` to the next; earlier ones are ignored."""
    typing_for_s: float = 8
    """Seconds after which a user who does not say so again is no longer typing."""
    receipts_members: Whole = 20
    """Members of a room up to which members see how far the others have read."""
    file_bytes: Whole = 100 * 1024 * 1024
    """Bytes in one file."""
    files_per_message: Whole = 10
    """Files of one message."""
    avatar_bytes: Whole = 2 * 1024 * 1024
    """Bytes in the picture of a profile, as it is uploaded."""
    envelope_bytes: Whole = 24_576
    """Bytes in one encrypted message."""
    reaction_envelope_bytes: Whole = 1024
    """Bytes in one user's encrypted reactions to a message."""
    topic_envelope_bytes: Whole = 2048
    """Bytes in the encrypted topic of a room."""
    devices_per_user: Whole = 20
    """Devices of one user that have keys, besides removed ones."""
    recipients_per_room: Whole = 1000
    """Devices that can read one encrypted room."""
    to_device_bytes: Whole = 4096
    """Bytes in one to-device message."""
    inbox_messages: Whole = 5000
    """To-device messages that wait for one device; beyond, it gets no more keys until it is back."""
    inbox_bytes: Whole = 8 * 1024 * 1024
    """Bytes that wait for one device."""
    inbox_messages_of_device: Whole = 500
    """To-device messages of one sending device that wait for one device."""
    one_time_keys: Whole = 100
    """One-time keys of one device that the server holds."""
    backup_items: Whole = 50_000
    """Items in one user's key backup."""
    connect_s: float = 10
    """Seconds within which a connection without a token must send `connect`."""

    def rate(self, row: RateLimit[Rate]) -> Rate:
        """The rate of a row of the table of rate limits, with the values of this server."""
        burst, amount = row.settings[0], row.settings[-1]
        return row.bound._replace(burst=getattr(self, burst), amount=getattr(self, amount))


DEFAULT_ROOM = "general"
"""The room that everyone is a member of, and the default room of commands."""
