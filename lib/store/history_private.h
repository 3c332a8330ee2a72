/* history_private - what the files of history.h's SQLite engine share.
 *
 * A segment is a SQLite file of events in the order of their numbers. Files of a folder:
 *
 * | name                    | what it is                                                         |
 * |-------------------------|--------------------------------------------------------------------|
 * | open.<first>            | appended to (WAL, one flush a group); no index                     |
 * | <day>.<first>-<last>    | sealed: compressed, with its index, never changed again            |
 * | *.tmp                   | one of these under way: worth nothing                              |
 * | damaged.open.<first>    | is damaged: set aside, with its -wal                               |
 * | catalogue.db            | roll-ups; made again from the segments where it is lost            |
 * | key                     | under which addresses and ids are hashed                           |
 * | lock                    | held by the one process that writes                                |
 * | pins/<reader>           | how far a reader has come                                          |
 *
 * The names are the truth about which segments there are: a file whose numbers all lie in another
 * sealed one is what a kill has left of it, and goes. */
#ifndef TROTLINE_STORE_HISTORY_PRIVATE_H
#define TROTLINE_STORE_HISTORY_PRIVATE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "history.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "sql.h"
#include "store.h"

enum {
	BLOCK_EVENTS = 64,
	BLOCK_BYTES = 256 * 1024, /* of frames; one frame alone may be longer */
	SEGMENT_BYTES = 512 << 20,
	PRESSING_MOST = 64, /* segments that become one */
	WORDS_MOST = 10000, /* of a kind in a segment; what comes later is "(other)" */
};

#define WORD_OTHER "(other)"

/* What is written once a segment and named by number in its keys. */
enum word_kind { WORD_TYPE, WORD_SOURCE, WORD_JOURNAL, WORD_CAMPAIGN, WORD_KINDS };

/* What a sealed segment has an index of. The first three are hashes of texts. */
enum index_kind {
	INDEX_EMAIL,
	INDEX_MESSAGE,
	INDEX_EVENT,
	INDEX_TEXTS,
	INDEX_PLACE = INDEX_TEXTS,
	INDEXES
};

enum { KEY_MACHINE = 1 };

/* What is kept of an event beside its frame, on disk as in memory. Of a sealed segment x is 0: it
 * stands in the index. */
struct key {
	uint64_t at, received; /* ms since 1970 */
	uint64_t seq;
	uint64_t x[INDEX_TEXTS];   /* 0: it has none */
	uint32_t offset, length;   /* of the frame in its block */
	uint32_t word[WORD_KINDS]; /* 0: none */
	uint8_t domain, flags;
	uint8_t spare[6];
};
_Static_assert(sizeof(struct key) == 80, "a key is as long on disk as in memory");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little endian");

struct entry_of_index {
	uint64_t x, pos;
};

/* ---- history_names.c ---- */

struct segment_name {
	uint64_t first, last; /* last 0: open */
	uint32_t day;         /* days since 1970; of a sealed one */
};

struct segment_names {
	struct segment_name *list; /* by first */
	size_t n, room;
};

#define DAY_MS 86400000ULL

/* Into path, of PATH_ROOM bytes; returns it. */
char *name_path(const char *folder, const struct segment_name *name, char *path);
/* The segments that count; those that are superseded, and what is no segment, go to `stray` (may be
 * NULL) by their file names. */
typedef void name_stray(void *arg, const char *file);
bool names_list(const char *folder, struct segment_names *out, name_stray *stray, void *arg,
	struct error *why);
void names_free(struct segment_names *names);
/* Bytes of a segment's files. */
uint64_t name_bytes(const char *folder, const struct segment_name *name);
/* Removes them. */
bool name_unlink(const char *folder, const struct segment_name *name);

/* ---- history_notice.c ---- */

/* Tells those that wait. */
void notice_give(int lock);

/* ---- history_key.c ---- */

struct hasher;
/* Reads the folder's key; with `make` it is made where there is none. */
struct hasher *hasher_open(const char *folder, bool make, struct error *why);
void hasher_close(struct hasher **h);
/* Never 0. */
uint64_t hasher_text(struct hasher *h, struct slice text);
/* Of the key itself: hashes of another key say nothing. */
uint32_t hasher_mark(const struct hasher *h);

/* What an event is found by; `key` is complete but for its words and its place in the block. */
struct key_texts {
	struct slice word[WORD_KINDS];
	struct slice index[INDEX_TEXTS];
	char lower[320], numbers[2][24];
};
void key_of(struct hasher *h, const struct event *ev, struct key *key, struct key_texts *texts);
/* Only the texts. */
void key_texts_of(const struct event *ev, struct key_texts *texts);
/* Sorts a journal's numbers together, and says little of whose they are. */
uint64_t place_x(struct slice journal, uint64_t seq);

/* The class of an address's domain, 0 for none; and its name. */
uint8_t domain_class(struct slice email);
const char *domain_class_name(uint8_t number);

/* ---- history_words.c ---- */

struct words {
	struct word {
		enum word_kind kind;
		uint32_t n;
		char *text;
	} * list; /* number - 1 */
	uint32_t n, room;
	uint32_t *slots;
	uint32_t slots_n;
	uint32_t of_kind[WORD_KINDS];
};

/* 0: it is not there. */
uint32_t words_find(const struct words *w, enum word_kind kind, struct slice text);
/* Its number; 0: memory is short. */
uint32_t words_add(struct words *w, enum word_kind kind, struct slice text);
/* The same, with "(other)" past WORDS_MOST of a kind. */
uint32_t words_add_most(struct words *w, enum word_kind kind, struct slice text);
struct slice words_text(const struct words *w, uint32_t number);
/* Forgets what came after the first n. */
void words_cut(struct words *w, uint32_t n);
void words_free(struct words *w);

/* ---- history_segment.c: one file ---- */

/* What is known of a segment as a whole. The index of a kind lies in rows index<k> up to the next. */
#define SEGMENT_FACTS(F)                                                                           \
	F(first)                                                                                   \
	F(last)                                                                                    \
	F(day)                                                                                     \
	F(events)                                                                                  \
	F(bytes)                                                                                   \
	F(at_min)                                                                                  \
	F(at_max)                                                                                  \
	F(received_min)                                                                            \
	F(received_max)                                                                            \
	F(seq_min)                                                                                 \
	F(seq_max)                                                                                 \
	F(index0)                                                                                  \
	F(index1)                                                                                  \
	F(index2)                                                                                  \
	F(index3)                                                                                  \
	F(index4)
#define FACT_MEMBER(name) uint64_t name;
struct facts {
	SEGMENT_FACTS(FACT_MEMBER)
};

struct block {
	uint64_t first;
	uint32_t n;  /* 0: none is loaded */
	bool packed; /* its body, and its keys, are compressed */
	struct key keys[BLOCK_EVENTS];
	char *body; /* frames; NULL: not loaded yet */
	size_t body_n, body_room;
	bool has_body;
};

enum segment_sql {
	SEGMENT_AT,   /* the block of a number or, where it has none, the one before */
	SEGMENT_NEXT, /* the first block behind a number */
	SEGMENT_BODY,
	SEGMENT_INDEX,
	SEGMENT_PUT_WORD,
	SEGMENT_PUT_KEY,
	SEGMENT_PUT_BODY,
	SEGMENT_PUT_INDEX,
	SEGMENT_SQL
};

struct segment {
	struct segment_name name;
	bool damaged;  /* something in it could not be read */
	uint32_t mark; /* of the key that its hashes are made with */
	sqlite3 *db;
	sqlite3_stmt *stmt[SEGMENT_SQL];
	struct facts facts; /* of an open one for who asked with segment_measure */
	struct words words;
	struct block block;
	int wal_pages; /* of one that is written to, since its log was written back */
};

/* NULL with the cause, and errno as sql_open. */
struct segment *segment_open(
	const char *folder, const struct segment_name *name, enum sql_use use, struct error *why);
void segment_close(struct segment **s);
/* Adds a key to the facts. */
void facts_add(struct facts *f, const struct key *key);
/* Reads all keys of an open segment for its facts. */
bool segment_measure(struct segment *s, struct error *why);
/* Words that another process has added since. */
bool segment_more_words(struct segment *s, struct error *why);
sqlite3_stmt *segment_sql(struct segment *s, enum segment_sql which, struct error *why);
bool segment_make_tables(sqlite3 *db, uint32_t mark, struct error *why);
/* False with the cause: what was read from pos on makes no sense. */
bool segment_damaged(struct segment *s, const char *what, uint64_t pos, struct error *why);
bool segment_put_facts(struct segment *s, struct error *why);

enum block_found { BLOCK_FOUND, BLOCK_NONE, BLOCK_FAILED };
/* The block that holds pos, or the nearest before it (s->block). */
enum block_found segment_block_at(struct segment *s, uint64_t pos, struct error *why);
/* The first block with anything at pos or behind it. */
enum block_found segment_block_from(struct segment *s, uint64_t pos, struct error *why);
/* The frame of an event of the loaded block, until another is loaded; absent with the cause. */
struct slice segment_frame(struct segment *s, uint64_t pos, struct error *why);
/* The row of the loaded block's body, as it is stored; to be reset. NULL with the cause. */
sqlite3_stmt *segment_body_row(struct segment *s, struct error *why);

/* ---- history_index.c ---- */

enum { INDEX_ROW_ENTRIES = 320, INDEX_ENTRY = 12 };

/* A walk over the entries of a kind. */
struct index_walk {
	enum index_kind kind;
	uint64_t low;     /* x at least */
	uint64_t row;     /* that is loaded; 0: none yet */
	uint32_t n, next; /* entries in it; those before `next` are still to come */
	unsigned char entries[INDEX_ROW_ENTRIES * INDEX_ENTRY];
};
/* Begins at the highest entry of at most (x, pos); ends below `low`. */
bool index_begin(struct segment *s, struct index_walk *w, enum index_kind kind, uint64_t low,
	uint64_t x, uint64_t pos, struct error *why);
/* The next one, the highest first: 1, 0 at the end, -1 with the cause. */
int index_next(
	struct segment *s, struct index_walk *w, struct entry_of_index *out, struct error *why);
/* The same upwards from the first of the kind on; begin with {.kind = ...}. */
int index_ahead(
	struct segment *s, struct index_walk *w, struct entry_of_index *out, struct error *why);
void index_write(
	unsigned char *entries, uint32_t i, uint64_t first, const struct entry_of_index *e);

/* ---- history_zstd.c ---- */

struct packer;
struct packer *packer_new(void);
void packer_free(struct packer **p);
/* Into room of the packer's own, good until the next call; absent when memory is short. */
struct slice packer_pack(struct packer *p, struct slice bytes);
/* Into *out, which grows; false where it is damaged. */
bool unpack(struct slice bytes, char **out, size_t *room, size_t *n);

/* ---- history_press.c: a sealed segment under way ---- */

struct press {
	char path[PATH_ROOM];
	struct segment *out;
	struct packer *packer; /* NULL: nothing is compressed */
	int fd;
	uint64_t unflushed;
	unsigned char entries[INDEX_ROW_ENTRIES * INDEX_ENTRY]; /* the row of the index under way */
	uint32_t entries_n;
	uint64_t row;
};

struct press *press_begin(
	const char *folder, uint64_t first, uint32_t mark, bool compress, struct error *why);
/* Removes what is there of it. */
void press_drop(struct press **p);
/* One slice: what is put in between lies in one transaction; the end of it writes, and flushes now
 * and then. */
bool press_slice(struct press *p, struct error *why);
bool press_slice_end(struct press *p, struct error *why);
/* The number of a word here; 0 with the cause. */
uint32_t press_word(struct press *p, enum word_kind kind, struct slice text, struct error *why);
/* Keys with this one's words; frames one after the other, or packed by an earlier press. */
bool press_block(struct press *p, uint64_t pos, const struct key *keys, uint32_t n,
	struct slice body, bool packed, struct error *why);
void press_index_begin(struct press *p, enum index_kind kind);
/* In order. */
bool press_entry(struct press *p, const struct entry_of_index *entry, struct error *why);
bool press_index_end(struct press *p, enum index_kind kind, struct error *why);
/* Flushes and names it; then it counts. *p is gone, also after a false. */
bool press_end(struct press **p, const char *folder, uint32_t day, struct segment_name *name,
	struct facts *facts, struct error *why);

/* ---- history_known.c: which (journal, seq) are in ---- */

struct known;
struct known *known_new(void);
void known_free(struct known **k);
/* NULL with the cause: the 65,536 numbers around seq, as bits; asked of the segments where it is not
 * at hand. */
unsigned char *known_bits(struct history *h, struct slice journal, uint64_t seq, struct error *why);
void known_forget(struct known *k);

/* ---- history_pressing.c: sealing and merging ---- */

struct pressing;
/* What is to become one sealed segment; NULL with the cause. */
struct pressing *pressing_begin(
	struct history *h, const struct segment_name *from, size_t n, struct error *why);
/* BUSY: somebody reads; try again a little later. */
enum pressing_rc { PRESSING_MORE, PRESSING_BUSY, PRESSING_DONE, PRESSING_FAILED };
enum pressing_rc pressing_step(
	struct history *h, struct pressing *p, uint64_t until_us, struct error *why);
void pressing_drop(struct pressing **p);
/* Is it one of its sources? */
bool pressing_uses(const struct pressing *p, const struct segment_name *name);
/* Is it one of its sources, and could not be read? */
bool pressing_damaged(const struct pressing *p, const struct segment_name *name);

/* ---- history_roll.c; the rest stands in its own header ---- */

struct roller;
void roller_close(struct roller **r);

/* ---- history.c ---- */

struct known_segment {
	struct segment_name name;
	struct facts facts; /* of the one that is appended to: those of h->open count */
	uint64_t file_bytes;
	uint32_t mark;
	bool damaged;
};

struct history {
	char folder[PATH_ROOM - 300]; /* room for names in it */
	struct history_limits limits;
	struct hasher *hasher;
	struct known *known;
	int lock;
	struct segment *open;       /* appended to; NULL: a new one could not be made */
	bool doubtful;              /* whether its last group is in, nobody knows */
	uint32_t open_day;          /* when it got its first event */
	struct known_segment *list; /* all of them, by first */
	size_t n, room;
	uint64_t least;     /* numbers below it may have been given away by a damaged one */
	enum store_rc made; /* how making one has failed */
	struct pressing *pressing;
	struct roller *roller; /* NULL: not opened yet */
	uint64_t rolled;
	uint64_t again_ms, retain_ms, trim_ms; /* not before */
	struct history_figures figures;
};

/* ---- history_retain.c ---- */

/* Drops the oldest segment if it may go. */
bool history_retain(struct history *h, uint64_t now_ms, struct error *why);

/* ---- history.c ---- */

/* Is it waiting to be sealed? */
bool history_waits(const struct history *h, size_t i);
/* An open segment with place for n events more. */
enum store_rc history_make_place(struct history *h, size_t n, uint64_t now_ms, struct error *why);
/* Removes n segments that follow one another, and puts another (NULL: none) in their place. */
bool history_replace(struct history *h, const struct segment_name *from, size_t n,
	const struct segment_name *name, const struct facts *facts);

#endif
