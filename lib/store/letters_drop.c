/* letters_drop - a letter is taken away for good: what it was about stays in `dropped`, so that its
 * event does not look like one that was applied. Both in one group. */
#include <errno.h>
#include <stdio.h>

#include "letters_private.h"

/* The event without its own fields; nothing when it cannot be read. */
static bool
pack_envelope(struct slice frame, msgpack_sbuffer *out)
{
	msgpack_zone zone;
	struct event ev;
	bool good = true;

	msgpack_zone_init(&zone, 4096);
	if (frame_unpack(&event_schema, frame.p, frame.n, &zone, &ev, NULL)) {
		ev.data = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
		good = frame_pack(&event_schema, &ev, out);
	}
	msgpack_zone_destroy(&zone);
	return good;
}

/* What is left of a dropped letter, packed: its texts may point into the page that is about to
 * change. */
static bool
pack_note(const struct dead *letter, uint64_t now_ms, msgpack_sbuffer *out)
{
	struct dead note = *letter;
	msgpack_sbuffer envelope;
	char reason[512];
	int n = snprintf(reason, sizeof reason, "dropped by an operator; before that: %.*s",
		SLICE_ARG(letter->reason));
	bool good;

	note.reason =
		(struct slice){reason, n < (int)sizeof reason ? (size_t)n : sizeof reason - 1};
	note.failed_at = now_ms;
	msgpack_sbuffer_init(&envelope);
	good = pack_envelope(letter->event, &envelope);
	note.event = (struct slice){envelope.data ? envelope.data : "", envelope.size};
	good = good && frame_pack(&dead_schema, &note, out);
	msgpack_sbuffer_destroy(&envelope);
	return good;
}

static int
put_note(struct letters *l, const struct dead *letter, const msgpack_sbuffer *note)
{
	const struct letters_key k = letters_key(letter->journal, letter->seq);
	MDB_val key = lmdb_val(&k, sizeof k), value = lmdb_val(note->data, note->size);

	return mdb_put(l->write, l->dropped, &key, &value, 0);
}

bool
letters_drop(
	struct letters *l, struct slice journal, uint64_t seq, uint64_t now_ms, struct error *why)
{
	msgpack_sbuffer note;
	struct dead letter;
	int rc = 0;

	if (!letters_find(l, journal, seq, &letter))
		return letters_remove(l, journal, seq, why);
	msgpack_sbuffer_init(&note);
	if (!pack_note(&letter, now_ms, &note))
		rc = ENOMEM;
	letter.journal = journal;
	if (rc == 0)
		rc = letters_delete(l, l->letters, journal, seq);
	if (rc == 0)
		rc = put_note(l, &letter, &note);
	msgpack_sbuffer_destroy(&note);
	return rc == 0 || letters_fail(l, rc, "cannot drop a dead letter", why);
}

bool
letters_forget(struct letters *l, uint64_t before_ms, struct error *why)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	struct dead note;
	int rc = mdb_cursor_open(l->write, l->dropped, &cursor);

	if (rc != 0)
		return letters_fail(l, rc, "cannot forget dropped letters", why);
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
		if ((!letters_unpack(l, &value, &note) || note.failed_at < before_ms) &&
			(rc = mdb_cursor_del(cursor, 0)) != 0)
			break;
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND || letters_fail(l, rc, "cannot forget dropped letters", why);
}
