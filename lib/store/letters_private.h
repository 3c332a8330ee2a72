/* letters_private - what the files of the dead letters share; nobody else includes it. */
#ifndef TROTLINE_STORE_LETTERS_PRIVATE_H
#define TROTLINE_STORE_LETTERS_PRIVATE_H

#include <string.h>

#include "letters.h"
#include "lmdb_env.h"

enum {
	LETTERS_JOURNAL_BYTES = 16,
	LETTERS_KEY_BYTES = LETTERS_JOURNAL_BYTES + 8,
	LETTERS_PATH_BYTES = 4096
};

struct letters {
	enum letters_use use;
	int lock;     /* dlq/lock, -1 before there is one; flock'd shared while `env` is open */
	MDB_env *env; /* while users > 0 */
	unsigned users;
	MDB_dbi letters, dropped;
	MDB_txn *write, *read;
	msgpack_zone zone;
	uint64_t max_bytes, limit_bytes;
	enum store_rc last; /* what the last group came to */
	char dir[LETTERS_PATH_BYTES - 64];
};

/* A key as it is stored: sorts by journal, then by place in it. */
struct letters_key {
	unsigned char bytes[LETTERS_KEY_BYTES];
};

static inline struct letters_key
letters_key(struct slice journal, uint64_t seq)
{
	const size_t n =
		journal.n < LETTERS_JOURNAL_BYTES ? journal.n : (size_t)LETTERS_JOURNAL_BYTES;
	struct letters_key key = {{0}};

	memcpy(key.bytes, journal.p, n);
	for (int i = 0; i < 8; i++)
		key.bytes[LETTERS_JOURNAL_BYTES + i] = (unsigned char)(seq >> (56 - 8 * i));
	return key;
}

/* Every snapshot and every group is one user; the store is open while there is one. LMDB's status.
 */
int letters_enter(struct letters *l);
void letters_leave(struct letters *l);

/* Ends the group, notes and names the cause. False. */
bool letters_fail(struct letters *l, int rc, const char *what, struct error *why);

/* Reads a row; what it points to lives until the next one. False when it is damaged. */
bool letters_unpack(struct letters *l, const MDB_val *value, struct dead *letter);

/* Inside a group: removes the row of a table; 0 also when there is none. */
int letters_delete(struct letters *l, MDB_dbi table, struct slice journal, uint64_t seq);

/* Writes the path of a file of the store. */
const char *letters_path(const struct letters *l, const char *file, char path[LETTERS_PATH_BYTES]);

/* Bytes that the letters take on the disk. */
uint64_t letters_file_bytes(const struct letters *l);

#endif
