"""The table of slash commands: one for parsing, help, completion, the manual page and the docs, in every face. Pure."""

from enum import Enum, auto
from typing import NamedTuple

from chatterbox.wire.encryption.member_log import NewcomerHistory
from chatterbox.wire.people import Writers
from chatterbox.wire.read_state import NotificationLevel
from client.faces.people.self_settings import PRIVACY, PROFILE, SWITCHES


class WordKind(Enum):
    """What a word of a command names, for completion."""

    ROOM = auto()
    """A room that the user is in."""
    ANY_ROOM = auto()
    INVITATION = auto()
    """A room, which the user is not in yet."""
    PERSON = auto()
    SESSION = auto()
    SLASH = auto()
    ROOM_KIND = auto()
    """The word `private` or `encrypted`."""
    HISTORY = auto()
    """The word `--history`, before what new members can read."""
    NEWCOMERS = auto()
    """What new members can read of an encrypted room: `all` or `joining`."""
    CONFIRM = auto()
    """The word `confirm`."""
    DROP = auto()
    """The word `drop`."""
    UNSENT = auto()
    """An unsent message, by its id."""
    NEW = auto()
    """A new name, which can't be completed."""
    TOPIC = auto()
    """The rest of the line: a topic."""
    TEXT = auto()
    """The rest of the line: the text of a message, perhaps after the message that it is about."""
    EMOJI = auto()
    MESSAGE = auto()
    """A message, by its time (07:11) or its number (#41)."""
    WRITERS = auto()
    """Who may write to the user: everyone, rooms or nobody."""
    LEVEL = auto()
    """Of what a room notifies: all, mentions, none or default."""
    FOR = auto()
    """The word `for`."""
    DURATION = auto()
    """A time such as 30m, 2h or 1d."""
    SAVED = auto()
    """A message with files, as `MESSAGE`, or the word `last`."""
    PATH = auto()
    """The rest of the line: a file or folder of this computer."""
    PROFILE = auto()
    """What of the own profile: name, bio, picture or show."""
    PRIVACY = auto()
    """What others see of what the user does: presence, typing or receipts."""
    ANSWER = auto()
    """The word `yes` or `no`."""
    KEYS = auto()
    """What of the user's keys: devices, code, approve, ..."""
    SWITCH = auto()
    """The word `on` or `off`."""
    ABOUT_ME = auto()
    """The rest of the line: a text about the user."""


KEYWORDS = {WordKind.HISTORY: "--history", WordKind.CONFIRM: "confirm", WordKind.DROP: "drop", WordKind.FOR: "for"}
"""Words that must stand as they are."""
ANSWERS = ("yes", "no")
"""What `/verify` takes after the user compared."""
KEY_WORDS = ("devices", "code", "approve", "refuse", "remove", "accept", "recover", "doctor", "reset")
"""What `/keys` takes."""
ROOM_KINDS = ("private", "encrypted")
"""What `/create` takes behind a name."""
CHOICES = {
    WordKind.ROOM_KIND: ROOM_KINDS,
    WordKind.NEWCOMERS: tuple(NewcomerHistory),
    WordKind.PROFILE: PROFILE,
    WordKind.PRIVACY: PRIVACY,
    WordKind.SWITCH: tuple(SWITCHES),
    WordKind.ANSWER: ANSWERS,
    WordKind.KEYS: KEY_WORDS,
}
"""Words of a setting of the user."""
WRITERS = tuple(Writers)
"""What `/writes` takes."""
LEVELS = {
    "all": NotificationLevel.ALL,
    "mentions": NotificationLevel.MENTIONS,
    "none": NotificationLevel.NONE,
    "default": NotificationLevel.CLIENT,
}
"""What `/notify` takes."""


_ABOUT_A_ROOM = frozenset(
    {WordKind.ROOM, WordKind.TOPIC, WordKind.TEXT, WordKind.MESSAGE, WordKind.LEVEL, WordKind.PATH}
)
REST_OF_LINE = frozenset({WordKind.TOPIC, WordKind.TEXT, WordKind.PATH, WordKind.ABOUT_ME})
"""What the last word of a command may be, if that is all of the line that is left."""


class SlashSpec(NamedTuple):
    """A command: its usage, its help, and what its words name; the first `least` words are required."""

    usage: str
    help: str
    takes: tuple[WordKind, ...] = ()
    least: int = 0

    @property
    def needs_room(self) -> bool:
        """Whether it is about a room: the one that a word names, else the one that is open."""
        if self.takes == (WordKind.PERSON, WordKind.TEXT):  # it is about the direct conversation with that user
            return False
        return bool(_ABOUT_A_ROOM & set(self.takes))


SLASHES: dict[str, SlashSpec] = {
    "join": SlashSpec("/join ROOM", "open a room; join it first if it is public", (WordKind.ANY_ROOM,), 1),
    "leave": SlashSpec(
        "/leave [ROOM] [confirm]",
        "leave this room, or another; the last member of a private room confirms that it is deleted",
        (WordKind.ROOM, WordKind.CONFIRM),
    ),
    "rooms": SlashSpec("/rooms", "list the rooms that you are in or can join"),
    "create": SlashSpec(
        "/create ROOM [private | encrypted [--history all|joining]]",
        "create a room and open it: a public one, a private one, or an encrypted private one, whose name ends in ~; "
        "--history all lets new members read what was written before",
        (WordKind.NEW, WordKind.ROOM_KIND, WordKind.HISTORY, WordKind.NEWCOMERS),
        1,
    ),
    "encrypt": SlashSpec(
        "/encrypt [ROOM]",
        "continue this private room, or another, in an encrypted one: create ROOM~, invite the members, say so here",
        (WordKind.ROOM,),
    ),
    "invite": SlashSpec(
        "/invite USERNAME [ROOM]",
        "invite a user to this room, or to another; they become a member when they accept",
        (WordKind.PERSON, WordKind.ROOM),
        1,
    ),
    "invitations": SlashSpec("/invitations", "list the rooms that you are invited to"),
    "accept": SlashSpec("/accept ROOM", "accept an invitation, and open the room", (WordKind.INVITATION,), 1),
    "decline": SlashSpec("/decline ROOM", "decline an invitation", (WordKind.INVITATION,), 1),
    "msg": SlashSpec(
        "/msg USERNAME [TEXT]",
        "open the direct conversation with a user (with yourself: notes), or with TEXT write to them",
        (WordKind.PERSON, WordKind.TEXT),
        1,
    ),
    "writes": SlashSpec(
        "/writes [WHO]",
        "show or set who may write to you directly: everyone, rooms (who shares a room with you), nobody",
        (WordKind.WRITERS,),
    ),
    "block": SlashSpec(
        "/block [USERNAME]",
        "get no more invitations and direct messages from a user, or list those you block",
        (WordKind.PERSON,),
    ),
    "unblock": SlashSpec(
        "/unblock USERNAME", "allow a user's invitations and direct messages again", (WordKind.PERSON,), 1
    ),
    "verify": SlashSpec(
        "/verify USERNAME [yes|no]",
        "compare keys with a user who is there, then say whether your screens show the same",
        (WordKind.PERSON, WordKind.ANSWER),
        1,
    ),
    "unverify": SlashSpec("/unverify USERNAME", "take the mark of a verified user back", (WordKind.PERSON,), 1),
    "number": SlashSpec(
        "/number USERNAME", "show your safety number with a user, to compare by phone", (WordKind.PERSON,), 1
    ),
    "keys": SlashSpec(
        "/keys [devices | code | approve ID | refuse ID | remove ID | accept USERNAME]",
        "show your keys; list your devices; make a recovery key; let a new device in or refuse it; remove one; take "
        "the new keys of a user. `chatterbox keys` in a shell can do more",
        (WordKind.KEYS, WordKind.ABOUT_ME),
    ),
    "remove": SlashSpec(
        "/remove USERNAME [ROOM]",
        "remove a member from this room, or from another, if you created it",
        (WordKind.PERSON, WordKind.ROOM),
        1,
    ),
    "delete-room": SlashSpec(
        "/delete-room ROOM confirm",
        "delete a room that you created, with all of its messages",
        (WordKind.ROOM, WordKind.CONFIRM),
        1,
    ),
    "edit": SlashSpec(
        "/edit [MESSAGE] TEXT",
        "replace the text of your last message, or of another: MESSAGE is its time (07:11) or its number (#41)",
        (WordKind.TEXT,),
        1,
    ),
    "delete": SlashSpec("/delete [MESSAGE]", "erase your last message, or another", (WordKind.MESSAGE,)),
    "react": SlashSpec(
        "/react EMOJI [MESSAGE]", "react to the last message, or to another", (WordKind.EMOJI, WordKind.MESSAGE), 1
    ),
    "unreact": SlashSpec("/unreact EMOJI [MESSAGE]", "take a reaction back", (WordKind.EMOJI, WordKind.MESSAGE), 1),
    "reply": SlashSpec(
        "/reply [MESSAGE] TEXT", "answer the last message of another user, or another message", (WordKind.TEXT,), 1
    ),
    "thread": SlashSpec(
        "/thread [MESSAGE]", "show the thread of the last answer, or of another message", (WordKind.MESSAGE,)
    ),
    "pin": SlashSpec("/pin [MESSAGE]", "pin the last message, or another", (WordKind.MESSAGE,)),
    "unpin": SlashSpec("/unpin [MESSAGE]", "unpin the last pinned message, or another", (WordKind.MESSAGE,)),
    "pins": SlashSpec("/pins [ROOM]", "show the pinned messages of this room, or of another", (WordKind.ROOM,)),
    "upload": SlashSpec(
        "/upload PATH", "send a file to this room; /upload stop stops what is being sent and saved", (WordKind.PATH,), 1
    ),
    "save": SlashSpec(
        "/save MESSAGE [PATH]",
        "save the files of a message: its number, its time, or `last`; PATH is a folder, or the new name of one file",
        (WordKind.SAVED, WordKind.PATH),
        1,
    ),
    "topic": SlashSpec("/topic [TEXT]", "show the topic; /topic TEXT sets it, /topic - clears it", (WordKind.TOPIC,)),
    "unread": SlashSpec("/unread", "list the rooms with unread messages, those that mention you first"),
    "search": SlashSpec(
        "/search WORDS",
        "find messages of this room by the beginnings of their words; in an encrypted room also those not loaded",
        (WordKind.TEXT,),
        1,
    ),
    "notify": SlashSpec(
        "/notify [LEVEL] [for TIME]",
        "show or set what this room notifies you of, on all your devices: all, mentions, none, or default (as each "
        "client is configured); /notify none for 2h: nothing for two hours, then as before",
        (WordKind.LEVEL, WordKind.FOR, WordKind.DURATION),
    ),
    "members": SlashSpec("/members [ROOM]", "list the members of this room, or of another", (WordKind.ROOM,)),
    "who": SlashSpec(
        "/who", "list who of this room is here, who is typing, and who has spoken in it since you opened it"
    ),
    "whois": SlashSpec("/whois USERNAME", "show the presence and the profile of a user", (WordKind.PERSON,), 1),
    "away": SlashSpec("/away", "be shown as away until /back; without a key for five minutes you are away, too"),
    "back": SlashSpec("/back", "end /away"),
    "sessions": SlashSpec("/sessions", "list your sessions: where you are logged in"),
    "logout": SlashSpec(
        "/logout ID",
        "end one of your sessions, by the start of its id, or all `others`",
        (WordKind.SESSION,),
        1,
    ),
    "password": SlashSpec("/password", "say how to change your password: chatterbox passwd, in a shell"),
    "status": SlashSpec(
        "/status [TEXT] [for TIME | until TIME]",
        "show your username, the connection and the number of unsent messages; with TEXT, tell others what you are "
        "doing: /status lunch for 30m, /status at the dentist until 15:00, /status - clears it",
        (WordKind.ABOUT_ME,),
    ),
    "profile": SlashSpec(
        "/profile [name TEXT | bio TEXT | picture PATH | show FIELD WHO]",
        "show your profile, or set your display name, what you tell about yourself or your picture (- clears it), or "
        "who may see your name, bio, picture or status: /profile show bio rooms",
        (WordKind.PROFILE, WordKind.ABOUT_ME),
    ),
    "privacy": SlashSpec(
        "/privacy [presence|typing|receipts on|off]",
        "show or set what others see: whether you are here, that you are typing, how far you have read",
        (WordKind.PRIVACY, WordKind.SWITCH),
    ),
    "reconnect": SlashSpec("/reconnect", "while offline: connect now, without waiting for the next attempt"),
    "outbox": SlashSpec(
        "/outbox [drop ID]",
        "list your unsent messages, or delete one of them",
        (WordKind.DROP, WordKind.UNSENT),
    ),
    "help": SlashSpec("/help [COMMAND]", "list the commands, or explain one", (WordKind.SLASH,)),
    "quit": SlashSpec("/quit", "quit; drafts and unsent messages are kept"),
}


ALIASES = {
    "close": "quit",
    "exit": "quit",
    "dm": "msg",
    "j": "join",
    "kick": "remove",
    "names": "members",
    "part": "leave",
    "passwd": "password",
    "query": "msg",
}
"""Names that other chats have for the commands of the table."""
LOSES = frozenset({"delete", "delete-room", "leave", "logout", "quit", "remove"})
"""Commands that end or lose something: never suggested for a mistyped name, which may have meant something else."""
EXPLAINED = {
    "clear": "There is no /clear. Nothing was cleared or deleted; on the full screen, Ctrl+L redraws.",
    "me": "There is no /me. To send it as text: //me ...",
    "nick": "There is no /nick: usernames don't change. To set a display name: /profile name TEXT",
}
"""Commands of other chats that do not exist here, each with what to do instead."""

NO_TOPIC = "-"
"""What `/topic` takes to clear the topic."""
