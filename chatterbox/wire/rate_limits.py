"""The table of rate limits: action, key, rate, place and error. Pure.

The code that enforces a limit reads its row here. `docs/limits.md` shows the table; a test checks that every route and
every command has a row.
"""

from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import Code
from chatterbox.wire.rate_bounds import AtOnce, Bound, Failures, Key, Period, PerTurn, Rate, RateLimit

_FAN_OUT = "services/gateway/gateway.py"
_GATEWAY_CONNECTION = "services/gateway/connections/connection.py"
_PEOPLE = "services/gateway/connections/people_handlers.py"
_ENCRYPTION = "services/gateway/connections/encryption_handlers.py"
_HUB = "services/gateway/connections/hub.py"
_FRAME_BUDGET = "services/gateway/core/frame_budget.py"
_ACCOUNTS = "services/auth/users/accounts.py"
_FILES = "services/files/upload_limits.py"
_HISTORY = "services/history/history.py"
_KEYS = "services/history/keys.py"
_LOGINS = ("POST /login", "POST /password", "POST /password/reset")

SENDS = RateLimit(
    "messages",
    (
        "send",
        "edit",
        "delete",
        "react",
        "pin",
        "POST /messages",
        "PUT /rooms/{room}/messages/{offset}",
        "DELETE /rooms/{room}/messages/{offset}",
        "PUT /rooms/{room}/messages/{offset}/reactions/{emoji}",
        "DELETE /rooms/{room}/messages/{offset}/reactions/{emoji}",
        "PUT /rooms/{room}/messages/{offset}/reactions",
        "DELETE /rooms/{room}/messages/{offset}/reactions",
        "PUT /rooms/{room}/pins/{offset}",
        "DELETE /rooms/{room}/pins/{offset}",
    ),
    Key.USER,
    Rate(100, 20),
    "services/history/messages/send_limits.py",
    Code.RATE_LIMITED,
    ("sends_burst", "sends_per_s"),
)
CHANGES = RateLimit(
    "room changes",
    (
        "create",
        "direct",
        "join",
        "leave",
        "invite",
        "remove",
        "delete_room",
        "topic",
        "POST /rooms",
        "POST /directs",
        "PATCH /me",
        "PUT /rooms/{room}/members/me",
        "DELETE /rooms/{room}/members/me",
        "POST /rooms/{room}/members",
        "DELETE /rooms/{room}/members/{username}",
        "DELETE /rooms/{room}",
        "DELETE /invitations/{room}",
        "PUT /blocks/{username}",
        "DELETE /blocks/{username}",
        "PUT /rooms/{room}/topic",
        "notify",
        "PUT /rooms/{room}/notify",
        "PUT /rooms/{room}/read",
        "POST /rooms/{room}/member-log",
    ),
    Key.USER,
    Rate(100, 2),
    _HISTORY,
    Code.RATE_LIMITED,
    ("changes_burst", "changes_per_s"),
)
ROOMS_CREATED = RateLimit(
    "new rooms",
    ("create", "POST /rooms"),
    Key.USER,
    Rate(50, 50, Period.DAY),
    _HISTORY,
    Code.RATE_LIMITED,
    ("rooms_per_day",),
)
DIRECTS = RateLimit(
    "new direct conversations",
    ("direct", "send", "POST /directs", "POST /messages"),
    Key.USER,
    Rate(50, 50, Period.DAY),
    _HISTORY,
    Code.RATE_LIMITED,
    ("directs_per_day",),
)
INVITATIONS = RateLimit(
    "invitations",
    ("invite", "POST /rooms/{room}/members"),
    Key.USER,
    Rate(100, 100, Period.DAY),
    _HISTORY,
    Code.RATE_LIMITED,
    ("invitations_per_day",),
)
READS = RateLimit(
    "reads",
    (
        "history",
        "changes",
        "join",
        "read",
        "watch",
        "look",
        "recipients",
        "inbox",
        "taken",
        "GET /people/{username}",
        "POST /people/query",
        "GET /messages",
        "GET /rooms/{room}/messages/reactions/mine",
        "GET /rooms/{room}/messages/{offset}/reactions",
        "GET /rooms/{room}/pins",
        "GET /rooms/{room}",
        "GET /rooms/{room}/members",
        "GET /rooms/{room}/member-log",
        "GET /invitations",
        "GET /blocks",
        "GET /me",
        "GET /keys/users",
        "GET /keys/devices",
        "GET /keys/withheld",
        "GET /keys/backup",
        "GET /keys/backup/items",
    ),
    Key.USER,
    Rate(500, 20),
    _HISTORY,
    Code.RATE_LIMITED,
    ("reads_burst", "reads_per_s"),
)
LISTINGS = RateLimit(
    "room lists",
    ("rooms", "GET /rooms", "GET /unread"),
    Key.USER,
    Rate(30, 5),
    _HISTORY,
    Code.RATE_LIMITED,
    ("listings_burst", "listings_per_s"),
)
KEY_UPLOADS = RateLimit(
    "uploads of keys",
    ("PUT /keys/device", "POST /keys/one-time", "PUT /keys/backup", "POST /keys/backup/items"),
    Key.USER,
    Rate(200, 2),
    _KEYS,
    Code.RATE_LIMITED,
)
DEVICE_LISTS = RateLimit(
    "changes of the device list",
    ("PUT /keys/list", "POST /keys/devices/end"),
    Key.USER,
    Rate(20, 20, Period.HOUR),
    _KEYS,
    Code.RATE_LIMITED,
)
HINTS = RateLimit(
    "hints",
    ("typing", "status"),
    Key.USER,
    Rate(60, 5),
    _PEOPLE,
    Code.RATE_LIMITED,
)
TO_DEVICE = RateLimit(
    "to-device messages",
    ("to_device", "share_keys"),
    Key.USER,
    Rate(3000, 100),
    _ENCRYPTION,
    Code.RATE_LIMITED,
)
CLAIMS = RateLimit(
    "claims of one-time keys",
    ("claim",),
    Key.USER,
    Rate(500, 20),
    _ENCRYPTION,
    Code.RATE_LIMITED,
)
UPLOADS = RateLimit(
    "uploads",
    ("POST /files", "POST /files/uploads", "PUT /me/avatar", "DELETE /me/avatar"),
    Key.USER,
    Rate(50, 300, Period.HOUR),
    _FILES,
    Code.RATE_LIMITED,
    ("uploads_burst", "uploads_per_hour"),
)
UPLOADS_AT_ONCE = RateLimit(
    "uploads that receive bytes",
    ("POST /files", "PATCH /files/uploads/{upload}", "PUT /me/avatar"),
    Key.USER,
    AtOnce(3),
    _FILES,
    Code.TOO_MANY_FILES,
)
FILE_READS = RateLimit(
    "reads of files",
    (
        "GET /files/{file}",
        "GET /files/{file}/{name}",
        "GET /files/{file}/previews/{pixels}",
        "GET /avatars/{avatar}/{pixels}",
        "OPTIONS /files/uploads",
        "HEAD /files/uploads/{upload}",
        "PATCH /files/uploads/{upload}",
        "DELETE /files/uploads/{upload}",
    ),
    Key.USER,
    Rate(500, 50),
    _FILES,
    Code.RATE_LIMITED,
    ("file_reads_burst", "file_reads_per_s"),
)
COMMANDS = RateLimit(
    "commands",
    (
        "connect",
        "join",
        "leave",
        "history",
        "changes",
        "read",
        "notify",
        "watch",
        "look",
        "typing",
        "status",
        "rooms",
        "create",
        "direct",
        "invite",
        "remove",
        "delete_room",
        "topic",
        "recipients",
        "claim",
        "share_keys",
        "to_device",
        "inbox",
        "taken",
        "ping",
    ),
    Key.CONNECTION,
    Rate(200, 50),
    _GATEWAY_CONNECTION,
    Code.RATE_LIMITED,
    ("commands_burst", "commands_per_s"),
)
COMMANDS_WAITING = RateLimit(
    "commands waiting for a reply",
    ("every command except `send`",),
    Key.CONNECTION,
    AtOnce(64),
    _GATEWAY_CONNECTION,
    Code.TOO_MANY_COMMANDS,
)
REFUSED_BEFORE_SLOW = RateLimit(
    "commands and messages refused for their rate, before they are read more slowly instead",
    ("every command",),
    Key.CONNECTION,
    Rate(50, 50, Period.MINUTE),
    _GATEWAY_CONNECTION,
    None,
)
REFUSALS = RateLimit(
    "refused commands and frames",
    ("every command and frame",),
    Key.CONNECTION,
    Rate(100, 100, Period.MINUTE),
    _GATEWAY_CONNECTION,
    CloseCode.TOO_MANY_REFUSALS,
)
FRAMES_BEFORE_TOKEN = RateLimit(
    "refused frames before the token",
    ("every frame except `connect`",),
    Key.CONNECTION,
    Rate(20, 100, Period.MINUTE),
    _GATEWAY_CONNECTION,
    CloseCode.TOKEN_REFUSED,
)
BAD_FRAMES = RateLimit(
    "invalid frames",
    ("every frame",),
    Key.CONNECTION,
    Rate(10, 10, Period.MINUTE),
    _GATEWAY_CONNECTION,
    CloseCode.TOO_MANY_BAD_FRAMES,
)
CONTROL_FRAMES = RateLimit(
    "control frames",
    ("every WebSocket ping and unrequested pong",),
    Key.CONNECTION,
    Rate(200, 50),
    _FRAME_BUDGET,
    None,
)
FRAMES_PER_TURN = RateLimit(
    "frames handled",
    ("every frame; one of 4 KiB or more counts as several",),
    Key.CONNECTION,
    PerTurn(16),
    _FRAME_BUDGET,
    None,
)
FIRST_REQUESTS_PER_TURN = RateLimit(
    "first requests of new connections",
    ("every route, `GET /ws` included",),
    Key.PROCESS,
    PerTurn(2),
    "services/gateway/transport/upgrade_protocol.py",
    None,
)
REQUEST_STEPS_PER_TURN = RateLimit(
    "steps of HTTP requests, from one wait to the next",
    ("every route except `GET /ws`",),
    Key.PROCESS,
    PerTurn(1),
    "chatterbox/chassis/http/paced_requests.py",
    None,
)
WELCOMES_PER_TURN = RateLimit(
    "connections welcomed", ("connect",), Key.PROCESS, PerTurn(2), "services/gateway/connections/welcome.py", None
)
CLOSES_PER_TURN = RateLimit(
    "closed connections cleaned up", ("every disconnect",), Key.PROCESS, PerTurn(4), _FAN_OUT, None
)
CONNECTIONS_OF_USER = RateLimit(
    "live connections",
    ("connect", "GET /ws"),
    Key.USER,
    AtOnce(10),
    _HUB,
    CloseCode.TOO_MANY_CONNECTIONS,
    ("connections_per_user",),
)
CONNECTIONS_FROM_ADDRESS = RateLimit(
    "live connections, and as many HTTP connections besides",
    ("GET /ws", "every route"),
    Key.ADDRESS,
    AtOnce(100),
    _HUB,
    Code.TOO_MANY_CONNECTIONS,
    ("connections_per_address",),
)
REQUESTS = RateLimit(
    "HTTP requests",
    (
        "GET /docs",
        "GET /docs-assets",
        "GET /",
        "GET /openapi.json",
        "GET /asyncapi.json",
        "and every other route except `GET /ws`; also invalid requests",
    ),
    Key.ADDRESS,
    Rate(300, 100),
    "chatterbox/chassis/http/request_rate.py",
    Code.RATE_LIMITED,
    ("requests_burst", "requests_per_s"),
)
REQUESTS_REFUSED_AT_ONCE = RateLimit(
    "refused HTTP requests, before each refusal is sent about a second later",
    ("every route except `GET /ws`; also invalid requests",),
    Key.ADDRESS,
    Rate(100, 100, Period.MINUTE),
    "chatterbox/chassis/http/request_rate.py",
    None,
)
REGISTRATIONS = RateLimit(
    "registrations",
    ("POST /register",),
    Key.ADDRESS,
    Rate(50, 120, Period.HOUR),
    _ACCOUNTS,
    Code.RATE_LIMITED,
    ("registrations_burst", "registrations_per_hour"),
)
LOGINS = RateLimit(
    "logins",
    _LOGINS,
    Key.ACCOUNT,
    Rate(100, 120, Period.HOUR),
    _ACCOUNTS,
    Code.RATE_LIMITED,
    ("logins_burst", "logins_per_hour"),
)
LOGINS_FROM_ADDRESS = RateLimit(
    "logins",
    _LOGINS,
    Key.ADDRESS,
    Rate(500, 3600, Period.HOUR),
    _ACCOUNTS,
    Code.RATE_LIMITED,
    ("address_logins_burst", "address_logins_per_hour"),
)
WRONG_PASSWORDS = RateLimit(
    "wrong passwords",
    _LOGINS,
    Key.ACCOUNT_AND_ADDRESS,
    Failures(5, 300),
    _ACCOUNTS,
    Code.LOGIN_THROTTLED,
    ("login_failures", "login_wait_max_s"),
)
WRONG_PASSWORDS_OF_ACCOUNT = RateLimit(
    "wrong passwords from unknown addresses",
    _LOGINS,
    Key.ACCOUNT,
    Failures(30, 60),
    _ACCOUNTS,
    Code.LOGIN_THROTTLED,
    ("account_failures",),
)
WRONG_PASSWORDS_FROM_ADDRESS = RateLimit(
    "wrong passwords", _LOGINS, Key.ADDRESS, Failures(50, 60), _ACCOUNTS, Code.LOGIN_THROTTLED, ("address_failures",)
)
RENEWALS = RateLimit(
    "token renewals",
    ("POST /renew",),
    Key.USER,
    Rate(200, 3600, Period.HOUR),
    "services/auth/sessions/login_sessions.py",
    Code.RATE_LIMITED,
    ("renewals_burst", "renewals_per_hour"),
)
SESSION_REQUESTS = RateLimit(
    "requests about sessions",
    (
        "POST /logout",
        "POST /renew",
        "POST /password",
        "GET /sessions",
        "DELETE /sessions",
        "DELETE /sessions/{session}",
    ),
    Key.SESSION,
    Rate(250, 5),
    "services/auth/http/request_dependencies.py",
    Code.RATE_LIMITED,
)

RATE_LIMITS: tuple[RateLimit[Bound], ...] = (
    SENDS,
    CHANGES,
    ROOMS_CREATED,
    DIRECTS,
    INVITATIONS,
    READS,
    LISTINGS,
    KEY_UPLOADS,
    DEVICE_LISTS,
    HINTS,
    TO_DEVICE,
    CLAIMS,
    UPLOADS,
    UPLOADS_AT_ONCE,
    FILE_READS,
    COMMANDS,
    COMMANDS_WAITING,
    REFUSED_BEFORE_SLOW,
    REFUSALS,
    FRAMES_BEFORE_TOKEN,
    BAD_FRAMES,
    CONTROL_FRAMES,
    FRAMES_PER_TURN,
    FIRST_REQUESTS_PER_TURN,
    REQUEST_STEPS_PER_TURN,
    WELCOMES_PER_TURN,
    CLOSES_PER_TURN,
    CONNECTIONS_OF_USER,
    CONNECTIONS_FROM_ADDRESS,
    REQUESTS,
    REQUESTS_REFUSED_AT_ONCE,
    REGISTRATIONS,
    LOGINS,
    LOGINS_FROM_ADDRESS,
    WRONG_PASSWORDS,
    WRONG_PASSWORDS_OF_ACCOUNT,
    WRONG_PASSWORDS_FROM_ADDRESS,
    RENEWALS,
    SESSION_REQUESTS,
)

UNCOUNTED = {
    "/internal": "only for other services, which present the service key",
    "/health": "for the supervisor or orchestrator",
    "/metrics": "for the monitoring; the edge does not forward it",
}
"""First segments of paths without a row, and why."""
