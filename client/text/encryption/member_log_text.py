"""What people are told once of the members of an encrypted room. Pure."""

from typing import assert_never

from client.encryption.rooms.member_news import MemberNews, MemberNewsKind
from client.text.encryption.encryption_text import ghost_member_line
from client.text.sanitize import inert, inert_name


def member_news_line(news: MemberNews) -> str:
    """The sentence for one piece of news.

    >>> member_news_line(MemberNews(MemberNewsKind.OTHER_KEYS, "plans~", "bob"))
    'bob has other keys than those invited to plans~, so bob gets no keys there. To change that: /invite bob'
    """
    room, who = inert(news.room), inert_name(news.username) if news.username else ""
    match news.kind:
        case MemberNewsKind.GHOST:
            return ghost_member_line(news.username, news.room)
        case MemberNewsKind.OTHER_KEYS:
            return (
                f"{who} has other keys than those invited to {room}, so {who} gets no keys there. "
                f"To change that: /invite {who}"
            )
        case MemberNewsKind.LOG_SHORTER:
            return (
                f"The server shows an older member log of {room} than before. The newer one counts here; your "
                "messages wait. Ask the operator of the server why."
            )
        case MemberNewsKind.LOG_INVALID:
            return (
                f"The server shows members of {room} that its members did not sign. Your messages there wait. Ask the "
                "operator of the server why."
            )
        case MemberNewsKind.LOG_WITHHELD:
            return f"The server hides from you who was invited to {room} or removed: {who} knows more. Ask {who} who."
        case _:
            assert_never(news.kind)
