/* journal_batch - batches by their id: written with their events, asked for until the window is
 * over. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "journal_private.h"

enum { ID_LEN = 36 };

#define BATCH_ROW(kind_, name_, max_, doc_)                                                        \
	{.name = #name_,                                                                           \
		.name_len = sizeof #name_ - 1,                                                     \
		.kind = FIELD_##kind_,                                                             \
		.offset = offsetof(struct journal_batch, name_),                                   \
		.max = (max_),                                                                     \
		.doc = (doc_)},
static const struct frame_field batch_fields[] = {BATCH_FIELDS(BATCH_ROW)};
const struct frame_schema batch_schema = {
	"batch", batch_fields, sizeof batch_fields / sizeof *batch_fields, FRAME_VERSION};

/* A UUID of version 8 (RFC 9562, 5.8): 48 bits of number, 14 of the node's, 60 of chance. */
void
journal_batch_id(struct journal *j, const unsigned char random[8], char id[37])
{
	const uint64_t n = j->next_batch;

	snprintf(id, ID_LEN + 1, "%08llx-%04llx-8%03x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		(unsigned long long)(n >> 16 & 0xffffffff), (unsigned long long)(n & 0xffff),
		j->node & 0xfffU, 0x80U | (j->node >> 12 & 3U) << 4 | (random[0] & 0xfU), random[1],
		random[2], random[3], random[4], random[5], random[6], random[7]);
}

enum store_rc
journal_append_batch(struct journal *j, const struct journal_batch *batch, struct error *why)
{
	MDB_val key = lmdb_val(&j->next_batch, sizeof j->next_batch), value;
	int rc;

	msgpack_sbuffer_clear(&j->out);
	if (!frame_pack(&batch_schema, batch, &j->out))
		return journal_trouble(j, ENOMEM, "cannot append a batch", why);
	value = lmdb_val(j->out.data, j->out.size);
	rc = mdb_put(j->write, j->batches, &key, &value, MDB_APPEND);
	if (rc != 0)
		return journal_trouble(j, rc, "cannot append a batch", why);
	j->next_batch++;
	j->group_batches++;
	j->used_bytes = journal_used(j, j->write);
	return STORE_OK;
}

bool
journal_batch_of(struct journal *j, uint64_t seq, char id[37])
{
	struct journal_batch batch = {.first = UINT64_MAX};
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc;

	if (mdb_cursor_open(j->write, j->batches, &cursor) != 0)
		return false;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	while (rc == 0 && batch.first > seq) {
		msgpack_zone_clear(&j->zone);
		if (!frame_unpack(
			    &batch_schema, value.mv_data, value.mv_size, &j->zone, &batch, NULL))
			break;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
	}
	mdb_cursor_close(cursor);
	if (batch.first > seq || seq - batch.first >= batch.queued)
		return false;
	snprintf(id, ID_LEN + 1, "%.*s", SLICE_ARG(batch.id));
	return true;
}

/* Its number among those of the node. */
static bool
number_of(struct slice id, uint64_t *number, unsigned *node)
{
	unsigned long long high, low;
	unsigned least, most;
	char text[ID_LEN + 1];

	if (id.n != ID_LEN)
		return false;
	memcpy(text, id.p, ID_LEN);
	text[ID_LEN] = 0;
	if (sscanf(text, "%8llx-%4llx-8%3x-%2x", &high, &low, &least, &most) != 4)
		return false;
	*number = (uint64_t)high << 16 | low;
	*node = (most >> 4 & 3U) << 12 | least;
	return true;
}

unsigned
journal_batch_node(struct slice id)
{
	uint64_t number;
	unsigned node;

	return number_of(id, &number, &node) && node <= CONFIG_NODE_MAX ? node : 0;
}

bool
journal_find_batch(struct journal *j, struct slice id, struct journal_batch *batch)
{
	MDB_val key, value;
	uint64_t number;
	unsigned node;

	if (!number_of(id, &number, &node))
		return false;
	key = lmdb_val(&number, sizeof number);
	if (mdb_get(j->read, j->batches, &key, &value) != 0)
		return false;
	msgpack_zone_clear(&j->zone);
	return frame_unpack(&batch_schema, value.mv_data, value.mv_size, &j->zone, batch, NULL) &&
	       slice_eq(batch->id, id);
}
