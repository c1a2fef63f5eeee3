"""Database schema and migrations. A released script is never edited: a change is a new script at the end."""

from chatterbox.chassis.sqlite.database import Schema

MIGRATIONS = (
    """
    CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('membership_revision', 0);

    CREATE TABLE rooms (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        epoch TEXT NOT NULL,
        head INTEGER NOT NULL DEFAULT 0,
        last_ms INTEGER NOT NULL DEFAULT 0,
        private INTEGER NOT NULL DEFAULT 0,
        everyone INTEGER NOT NULL DEFAULT 0,
        created_ms INTEGER NOT NULL,
        created_by INTEGER
    ) STRICT;
    INSERT INTO rooms (name, epoch, everyone, created_ms)
        VALUES ('general', lower(hex(randomblob(4))), 1, CAST(strftime('%s', 'now') AS INTEGER) * 1000);

    CREATE TABLE memberships (
        room_id INTEGER NOT NULL REFERENCES rooms (id),
        user_id INTEGER NOT NULL,
        username TEXT NOT NULL,
        joined_ms INTEGER NOT NULL,
        PRIMARY KEY (room_id, user_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX memberships_by_user ON memberships (user_id);

    -- A key is kept as long as its message, so a retry is recognised at any time. NULL: no key.
    -- The key comes before the user in the index: time-ordered keys then share the index's last pages instead of
    -- touching one page per user in every commit (100 messages a commit: 28,000 instead of 17,000 a second).
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        room_id INTEGER NOT NULL REFERENCES rooms (id),
        offset INTEGER NOT NULL,
        user_id INTEGER NOT NULL,
        username TEXT NOT NULL,
        content TEXT NOT NULL,
        timestamp INTEGER NOT NULL,
        key TEXT,
        UNIQUE (room_id, offset),
        UNIQUE (room_id, key, user_id)
    ) STRICT;
    """,
    """
    ALTER TABLE rooms ADD COLUMN topic TEXT NOT NULL DEFAULT '';
    """,
    """
    -- The number of members is stored, so that a page of the room list costs the same however large its rooms are.
    ALTER TABLE rooms ADD COLUMN members INTEGER NOT NULL DEFAULT 0;
    UPDATE rooms SET members = (SELECT count(*) FROM memberships WHERE room_id = rooms.id);
    CREATE TRIGGER membership_added AFTER INSERT ON memberships BEGIN
        UPDATE rooms SET members = members + 1 WHERE id = new.room_id;
    END;
    CREATE TRIGGER membership_removed AFTER DELETE ON memberships BEGIN
        UPDATE rooms SET members = members - 1 WHERE id = old.room_id;
    END;
    CREATE INDEX public_rooms ON rooms (name) WHERE NOT private;
    """,
    """
    -- The row of a deleted room stays until its messages are deleted, newest first and a few at a time: its head
    -- follows them, its name is '!' and its id, which can't be the name of a room, and it has no members.
    ALTER TABLE rooms ADD COLUMN deleted_ms INTEGER;
    -- When the last member left; NULL while there is one.
    ALTER TABLE rooms ADD COLUMN empty_since_ms INTEGER;
    -- Users who were removed from a room: they can't join it again unless a member invites them.
    CREATE TABLE removals (
        room_id INTEGER NOT NULL REFERENCES rooms (id),
        user_id INTEGER NOT NULL,
        PRIMARY KEY (room_id, user_id)
    ) STRICT, WITHOUT ROWID;
    UPDATE rooms SET empty_since_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000
        WHERE NOT everyone AND id NOT IN (SELECT room_id FROM memberships);
    """,
    """
    -- Pending invitations.
    CREATE TABLE invitations (
        room_id INTEGER NOT NULL REFERENCES rooms (id),
        user_id INTEGER NOT NULL,
        inviter_id INTEGER NOT NULL,
        inviter TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (room_id, user_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX invitations_by_user ON invitations (user_id);
    -- Blocked inviters by their casefolded name, whether there is such a user or not.
    CREATE TABLE blocks (
        user_id INTEGER NOT NULL,
        folded TEXT NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (user_id, folded)
    ) STRICT, WITHOUT ROWID;
    -- Counts attempts to invite, so that those without effect are committed like the others.
    INSERT INTO meta VALUES ('invitations', 0);
    """,
    """
    -- Changes of messages. A room's rev counts them: each changed message of a transaction is one more.
    ALTER TABLE rooms ADD COLUMN rev INTEGER NOT NULL DEFAULT 0;
    -- The offset of the first message that is kept.
    ALTER TABLE rooms ADD COLUMN floor INTEGER NOT NULL DEFAULT 1;
    -- The room's rev at the message's last change; 0: it never changed.
    ALTER TABLE messages ADD COLUMN rev INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN edited_ms INTEGER;
    ALTER TABLE messages ADD COLUMN deleted_ms INTEGER;
    ALTER TABLE messages ADD COLUMN deleted_by TEXT;
    -- Offsets: of the message that this one answers, and of the first one of its thread.
    ALTER TABLE messages ADD COLUMN reply_to INTEGER;
    ALTER TABLE messages ADD COLUMN thread INTEGER;
    ALTER TABLE messages ADD COLUMN replies INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE messages ADD COLUMN pinned_ms INTEGER;
    ALTER TABLE messages ADD COLUMN pinned_by TEXT;
    -- JSON: the reactions as frames contain them, so that pages need no join.
    ALTER TABLE messages ADD COLUMN marks TEXT;
    -- JSON: whom the text mentions.
    ALTER TABLE messages ADD COLUMN extra TEXT;
    CREATE UNIQUE INDEX messages_changed ON messages (room_id, rev) WHERE rev > 0;
    CREATE INDEX messages_thread ON messages (room_id, thread, offset) WHERE thread IS NOT NULL;
    CREATE INDEX messages_pinned ON messages (room_id, offset) WHERE pinned_ms IS NOT NULL;
    -- `place` orders the reactions of a message.
    CREATE TABLE reactions (
        message_id INTEGER NOT NULL,
        emoji TEXT NOT NULL,
        user_id INTEGER NOT NULL,
        place INTEGER NOT NULL,
        PRIMARY KEY (message_id, emoji, user_id)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- Direct conversations, of two users or (notes) of one. `folded` is the room's name as it is compared.
    CREATE TABLE directs (
        low_user INTEGER NOT NULL,
        high_user INTEGER NOT NULL,
        room_id INTEGER NOT NULL UNIQUE REFERENCES rooms (id),
        folded TEXT NOT NULL UNIQUE,
        PRIMARY KEY (low_user, high_user)
    ) STRICT, WITHOUT ROWID;
    -- 1 in direct conversations. Storing a message reads this row anyway, so for other rooms it costs nothing.
    ALTER TABLE memberships ADD COLUMN direct INTEGER NOT NULL DEFAULT 0;
    -- What users set for themselves; no row: the defaults.
    CREATE TABLE people (
        user_id INTEGER PRIMARY KEY,
        writers TEXT NOT NULL DEFAULT 'everyone'
    ) STRICT;
    """,
    """
    -- How far each member has read: positions (turn, read), the greater one counts; and of what the room notifies them,
    -- and until when of nothing. One row for each membership, kept by triggers. Ordered by user, since the states of
    -- all rooms of a user are read together: in `memberships`, these are as many pages as rooms.
    CREATE TABLE read_states (
        user_id INTEGER NOT NULL,
        room_id INTEGER NOT NULL,
        read INTEGER NOT NULL,
        turn INTEGER NOT NULL DEFAULT 0,
        notify TEXT NOT NULL DEFAULT '',
        quiet_until_ms INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (user_id, room_id)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO read_states (user_id, room_id, read)
        SELECT user_id, room_id, head FROM memberships JOIN rooms ON rooms.id = room_id ORDER BY user_id, room_id;
    CREATE TRIGGER read_state_added AFTER INSERT ON memberships BEGIN
        INSERT INTO read_states (user_id, room_id, read)
            SELECT new.user_id, new.room_id, head FROM rooms WHERE id = new.room_id;
    END;
    CREATE TRIGGER read_state_removed AFTER DELETE ON memberships BEGIN
        DELETE FROM read_states WHERE user_id = old.user_id AND room_id = old.room_id;
    END;
    -- Members whom a message names, other than its author. A message to the whole room has one row in `calls` instead.
    CREATE TABLE mentions (
        user_id INTEGER NOT NULL,
        room_id INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        PRIMARY KEY (user_id, room_id, offset)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX mentions_by_message ON mentions (room_id, offset);
    -- Messages to all members of their room, by user `user_id`.
    CREATE TABLE calls (
        room_id INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        user_id INTEGER NOT NULL,
        PRIMARY KEY (room_id, offset)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- Profiles, as others may see them.
    ALTER TABLE people ADD COLUMN display_name TEXT NOT NULL DEFAULT '';
    ALTER TABLE people ADD COLUMN bio TEXT NOT NULL DEFAULT '';
    ALTER TABLE people ADD COLUMN avatar TEXT NOT NULL DEFAULT '';
    ALTER TABLE people ADD COLUMN status TEXT NOT NULL DEFAULT '';
    ALTER TABLE people ADD COLUMN status_until_ms INTEGER NOT NULL DEFAULT 0;
    -- Who may see each field: 'everyone', 'rooms' or 'nobody'.
    ALTER TABLE people ADD COLUMN display_name_for TEXT NOT NULL DEFAULT 'everyone';
    ALTER TABLE people ADD COLUMN bio_for TEXT NOT NULL DEFAULT 'everyone';
    ALTER TABLE people ADD COLUMN avatar_for TEXT NOT NULL DEFAULT 'everyone';
    ALTER TABLE people ADD COLUMN status_for TEXT NOT NULL DEFAULT 'everyone';
    -- Privacy: what others are told of the user's presence, typing and reading.
    ALTER TABLE people ADD COLUMN presence INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE people ADD COLUMN typing INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE people ADD COLUMN receipts INTEGER NOT NULL DEFAULT 1;
    -- When the user was last reported to be connected; 0 also for users who do not show their presence.
    ALTER TABLE people ADD COLUMN seen_ms INTEGER NOT NULL DEFAULT 0;
    -- Grows with each change of the profile, of who may see it, or of the privacy.
    ALTER TABLE people ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
    -- Room 1 is the one that everyone is in, so this finds each user who has ever connected.
    CREATE INDEX users_by_name ON memberships (username COLLATE NOCASE) WHERE room_id = 1;
    """,
    """
    -- Uploaded files, whose bytes the files service has. `message_id`: the message that has the file; NULL: none yet.
    -- The files of a message are also described in its `extra`, so that pages need no join.
    CREATE TABLE files (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        file_id TEXT NOT NULL UNIQUE,
        room_id INTEGER NOT NULL,
        user_id INTEGER NOT NULL,
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        size INTEGER NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        message_id INTEGER,
        uploaded_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX files_by_room ON files (room_id);
    CREATE INDEX files_by_message ON files (message_id) WHERE message_id IS NOT NULL;
    CREATE INDEX files_unbound ON files (uploaded_ms) WHERE message_id IS NULL;
    -- Files whose bytes the files service is still to erase.
    CREATE TABLE file_erasures (
        file_id TEXT PRIMARY KEY
    ) STRICT, WITHOUT ROWID;
    """,
    """
    -- End-to-end encryption. A room is encrypted from its beginning or never. `recipients` counts changes of who can
    -- read it; `closed_at` is its value when last someone lost that. `uid` names the room inside encrypted messages.
    ALTER TABLE rooms ADD COLUMN encrypted INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rooms ADD COLUMN uid TEXT NOT NULL DEFAULT '';
    ALTER TABLE rooms ADD COLUMN recipients INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rooms ADD COLUMN closed_at INTEGER NOT NULL DEFAULT 0;
    -- Two users may have an encrypted conversation besides an earlier one that is not. `memberships.direct` is 1 in
    -- direct conversations, plus 2 in encrypted rooms.
    CREATE TABLE new_directs (
        low_user INTEGER NOT NULL,
        high_user INTEGER NOT NULL,
        encrypted INTEGER NOT NULL,
        room_id INTEGER NOT NULL UNIQUE REFERENCES rooms (id),
        folded TEXT NOT NULL UNIQUE,
        PRIMARY KEY (low_user, high_user, encrypted)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO new_directs SELECT low_user, high_user, 0, room_id, folded FROM directs;
    DROP TABLE directs;
    ALTER TABLE new_directs RENAME TO directs;
    -- Devices that have keys. `sid` is the login session that may use it; empty: none. `keys` is JSON (`DeviceKeys`).
    -- Its inbox has the to-device messages from `inbox_floor` + 1 to `inbox_head`.
    CREATE TABLE devices (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user_id INTEGER NOT NULL,
        username TEXT NOT NULL,
        device_id TEXT NOT NULL,
        sid TEXT NOT NULL,
        keys TEXT NOT NULL,
        state TEXT NOT NULL,
        dehydrated INTEGER NOT NULL DEFAULT 0,
        generation INTEGER NOT NULL,
        inbox_epoch TEXT NOT NULL,
        inbox_floor INTEGER NOT NULL DEFAULT 0,
        inbox_head INTEGER NOT NULL DEFAULT 0,
        inbox_bytes INTEGER NOT NULL DEFAULT 0,
        created_ms INTEGER NOT NULL,
        seen_ms INTEGER NOT NULL,
        UNIQUE (user_id, device_id)
    ) STRICT;
    CREATE INDEX devices_by_session ON devices (sid) WHERE sid <> '';
    -- The device list that each user signed, and the keys that vouch for it; all of it JSON.
    CREATE TABLE device_lists (
        user_id INTEGER PRIMARY KEY,
        username TEXT NOT NULL,
        generation INTEGER NOT NULL,
        version INTEGER NOT NULL,
        master TEXT NOT NULL,
        self_signing TEXT NOT NULL,
        list TEXT NOT NULL,
        -- 1: it comes from a restored backup, and its owner's devices may have a later one.
        restored INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    -- `seq`: the first one is given out first.
    CREATE TABLE one_time_keys (
        device INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        key_id TEXT NOT NULL,
        key TEXT NOT NULL,
        PRIMARY KEY (device, seq),
        UNIQUE (device, key_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE fallback_keys (
        device INTEGER PRIMARY KEY,
        key_id TEXT NOT NULL,
        key TEXT NOT NULL,
        used INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    -- Keys that were given out lately: who asks again gets the same one, unless it was used for a session.
    CREATE TABLE claims (
        by_device INTEGER NOT NULL,
        of_device INTEGER NOT NULL,
        key TEXT NOT NULL,
        key_id TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        used INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (by_device, of_device, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX claims_of_device ON claims (of_device);
    CREATE TABLE to_device (
        device INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        from_device INTEGER NOT NULL,
        n INTEGER NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (device, offset)
    ) STRICT, WITHOUT ROWID;
    -- The number of the last message from one device to another, and how many of them wait.
    CREATE TABLE to_device_counts (
        from_device INTEGER NOT NULL,
        to_device INTEGER NOT NULL,
        last_n INTEGER NOT NULL,
        waiting INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (from_device, to_device)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX to_device_counts_by_receiver ON to_device_counts (to_device);
    -- Outbound sessions: for which version of the room's recipients all have its keys, and at which one it began.
    CREATE TABLE room_sessions (
        room_id INTEGER NOT NULL,
        session TEXT NOT NULL,
        device INTEGER NOT NULL,
        recipients INTEGER NOT NULL,
        began_at INTEGER NOT NULL,
        used_ms INTEGER NOT NULL,
        PRIMARY KEY (room_id, session)
    ) STRICT, WITHOUT ROWID;
    -- Those for which it is known who was given their keys; `used_ms` is 0 when that is forgotten.
    CREATE INDEX sessions_by_use ON room_sessions (used_ms) WHERE used_ms > 0;
    CREATE INDEX sessions_by_device ON room_sessions (device);
    -- Who was given a session's keys; `how` is '' or the reason why a device was not.
    CREATE TABLE session_shares (
        room_id INTEGER NOT NULL,
        session TEXT NOT NULL,
        device INTEGER NOT NULL,
        how TEXT NOT NULL,
        PRIMARY KEY (room_id, session, device)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE key_backups (
        user_id INTEGER PRIMARY KEY,
        version INTEGER NOT NULL,
        header TEXT NOT NULL,
        items INTEGER NOT NULL DEFAULT 0,
        last_seq INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE key_backup_items (
        user_id INTEGER NOT NULL,
        item TEXT NOT NULL,
        seq INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (user_id, item)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX key_backup_order ON key_backup_items (user_id, seq);
    """,
    """
    -- The member logs of encrypted rooms that are no direct conversations: entries 1, 2, 3 ... of each, as JSON
    -- (`MemberEntry`). `user_id` is the user whom an entry is about. The room's uid is the hash of its first entry.
    CREATE TABLE member_log (
        room_id INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        user_id INTEGER NOT NULL,
        hash TEXT NOT NULL,
        entry TEXT NOT NULL,
        PRIMARY KEY (room_id, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX member_log_by_user ON member_log (room_id, user_id, seq);
    """,
)

_MENTIONS_BEYOND = """
    UNION ALL SELECT 1 FROM rooms WHERE head < (SELECT max(offset) FROM mentions WHERE room_id = rooms.id)
        OR head < (SELECT max(offset) FROM calls WHERE room_id = rooms.id)
"""
_ENCRYPTION_IMPOSSIBLE = """
    UNION ALL SELECT 1 FROM rooms WHERE closed_at > recipients
        OR (encrypted AND deleted_ms IS NULL AND (uid = '' OR recipients < 1))
    UNION ALL SELECT 1 FROM rooms WHERE encrypted AND deleted_ms IS NULL AND name NOT LIKE '@%'
        AND uid <> coalesce((SELECT hash FROM member_log WHERE room_id = rooms.id AND seq = 1), '')
    UNION ALL SELECT 1 FROM room_sessions JOIN rooms ON rooms.id = room_id
        WHERE room_sessions.recipients > rooms.recipients OR began_at > rooms.recipients
    UNION ALL SELECT 1 FROM devices WHERE
        coalesce((SELECT max(offset) FROM to_device WHERE device = devices.id), inbox_head) <> inbox_head
        OR coalesce((SELECT min(offset) FROM to_device WHERE device = devices.id), inbox_head + 1) <> inbox_floor + 1
"""
"""Finds an encrypted room without a uid, one whose uid is not the hash of the first entry of its member log, a loss of
access or a session beyond the room's version, and an inbox that does not begin and end where it should.
"""
_ENCRYPTION_COUNTS = """
    UNION ALL SELECT 1 FROM memberships JOIN rooms ON rooms.id = room_id WHERE direct >> 1 <> encrypted
    UNION ALL SELECT 1 FROM rooms WHERE encrypted AND deleted_ms IS NULL
        AND (SELECT count(*) FROM member_log WHERE room_id = rooms.id)
            <> (SELECT coalesce(max(seq), 0) FROM member_log WHERE room_id = rooms.id)
    UNION ALL SELECT 1 FROM member_log
        WHERE room_id NOT IN (SELECT id FROM rooms WHERE encrypted AND (deleted_ms IS NOT NULL OR name NOT LIKE '@%'))
    UNION ALL SELECT 1 FROM devices
        WHERE inbox_head - inbox_floor <> (SELECT count(*) FROM to_device WHERE device = devices.id)
    UNION ALL SELECT 1
        WHERE (SELECT count(*) FROM to_device) <> (SELECT coalesce(sum(inbox_head - inbox_floor), 0) FROM devices)
    UNION ALL SELECT 1
        WHERE (SELECT count(*) FROM to_device) <> (SELECT coalesce(sum(waiting), 0) FROM to_device_counts)
"""
"""Finds a membership that is marked otherwise than its room, a gap in a member log, the log of a room that has none,
and messages in inboxes that are missing, left over or wrongly counted.
"""
_IMPOSSIBLE = f"""
    SELECT 1 FROM rooms WHERE head - floor + 1 <> (SELECT count(*) FROM messages WHERE room_id = rooms.id)
        OR head <> (SELECT coalesce(max(offset), floor - 1) FROM messages WHERE room_id = rooms.id)
        OR floor <> (SELECT coalesce(min(offset), floor) FROM messages WHERE room_id = rooms.id)
        OR rev < (SELECT coalesce(max(rev), 0) FROM messages WHERE room_id = rooms.id AND rev > 0)
        OR last_ms <> coalesce((SELECT timestamp FROM messages WHERE room_id = rooms.id AND offset = head), last_ms)
    UNION ALL SELECT 1 WHERE (SELECT sum(head - floor + 1) FROM rooms) <> (SELECT count(*) FROM messages)
    UNION ALL SELECT 1 FROM messages INDEXED BY messages_changed
        WHERE rev > 0 AND deleted_ms IS NOT NULL AND content <> ''
    UNION ALL SELECT 1 WHERE (SELECT max(id) FROM messages)
        > (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'messages')
    UNION ALL SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM meta WHERE name = 'membership_revision')
    {_MENTIONS_BEYOND}
    UNION ALL SELECT 1 FROM read_states JOIN rooms ON rooms.id = room_id WHERE read > head
    UNION ALL SELECT 1 WHERE (SELECT count(*) FROM read_states) <> (SELECT count(*) FROM memberships)
    UNION ALL SELECT 1 FROM mentions WHERE room_id NOT IN (SELECT id FROM rooms)
    UNION ALL SELECT 1 FROM calls WHERE room_id NOT IN (SELECT id FROM rooms)
    UNION ALL SELECT 1 FROM files LEFT JOIN messages ON messages.id = message_id
        WHERE message_id IS NOT NULL AND (messages.id IS NULL OR deleted_ms IS NOT NULL)
    {_ENCRYPTION_IMPOSSIBLE}
    {_ENCRYPTION_COUNTS}
"""  # noqa: S608 - constants
"""Finds offsets that are not consecutive up to the head, a wrong time of a room's last message, reused ids, a message
with a rev beyond its room's, a deleted message that has a text, read positions beyond the head or of users who are no
members, mentions in messages that do not exist, files of messages that do not exist or are deleted, and what
`_ENCRYPTION_IMPOSSIBLE` and `_ENCRYPTION_COUNTS` find.

Scans the index of offsets, 0.05 s for a million messages, and looks up the changed messages.
"""

_IMPOSSIBLE_ENDS = f"""
    SELECT 1 FROM rooms WHERE head <> (SELECT coalesce(max(offset), floor - 1) FROM messages WHERE room_id = rooms.id)
        OR floor <> (SELECT coalesce(min(offset), floor) FROM messages WHERE room_id = rooms.id)
        OR rev < (SELECT coalesce(max(rev), 0) FROM messages WHERE room_id = rooms.id AND rev > 0)
        OR last_ms <> coalesce((SELECT timestamp FROM messages WHERE room_id = rooms.id AND offset = head), last_ms)
    UNION ALL SELECT 1 WHERE (SELECT max(id) FROM messages)
        > (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'messages')
    UNION ALL SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM meta WHERE name = 'membership_revision')
    UNION ALL SELECT 1 FROM
        (SELECT id, room_id, offset, key, user_id, rev, deleted_ms, content FROM messages ORDER BY id DESC LIMIT 1000)
            AS newest
        WHERE NOT EXISTS (SELECT 1 FROM messages
            WHERE room_id = newest.room_id AND offset = newest.offset AND +id = newest.id)
        OR (key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM messages
            WHERE room_id = newest.room_id AND key = newest.key AND user_id = newest.user_id AND +id = newest.id))
        OR (rev > 0 AND NOT EXISTS (SELECT 1 FROM messages
            WHERE room_id = newest.room_id AND rev = newest.rev AND rev > 0 AND +id = newest.id))
        OR (deleted_ms IS NOT NULL AND content <> '')
    {_MENTIONS_BEYOND}
    {_ENCRYPTION_IMPOSSIBLE}
"""  # noqa: S608 - constants
"""As `_IMPOSSIBLE`, with the ends of each room only, and the index entries of the newest 1000 messages.

Those are read and sent again first, and a crash damages what was written last. `+id` compares with the index's entry.
"""

SCHEMA = Schema(
    MIGRATIONS,
    _IMPOSSIBLE,
    large=frozenset(
        {
            "messages",
            "reactions",
            "read_states",
            "mentions",
            "calls",
            "files",
            "file_erasures",
            "to_device",
            "session_shares",
            "key_backup_items",
        }
    ),
    end_violations=_IMPOSSIBLE_ENDS,
)
