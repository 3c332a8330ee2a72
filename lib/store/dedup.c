/* dedup - see dedup.h.
 *
 * A slot's home is the top of hash.hi scaled to the table's size, so any size will do; collisions
 * go to the next slot. Removal closes the gap by moving later entries back, copying before it
 * clears, so that a kill in between leaves an entry twice but never loses one.
 *
 * Behind the slots stands a checksum for each 512 of them, which follows each change: the sum (XOR) of
 * what each slot and its place are mixed to. All are looked at when the file is opened, some with each
 * group. A kill between a slot and its checksum looks like damage: the table is built anew. */
#include "dedup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/doing.h"
#include "lib/base/file.h"

enum { BOOT_ID_LEN = 36, SEQ_BITS = 40, HEADER_BYTES = 4096, AHEAD = 32 };

static const uint64_t SEQ_MASK = ((uint64_t)1 << SEQ_BITS) - 1;
static const uint64_t FIRST_SLOTS = 65536;
static const char MAGIC[8] = "trotidx2";

/* Slots of one checksum; and how many of these are looked at by each dedup_sound. */
enum { BLOCK_SLOTS = 512, BLOCKS_A_LOOK = 4 };

struct header {
	char magic[8];
	char boot[BOOT_ID_LEN + 4];
	uint64_t journal;
	uint64_t slots;
	uint64_t used;
	uint64_t complete; /* the building was finished */
};

/* An entry that will be put in. */
struct coming {
	uint64_t home, slot;
};

struct dedup {
	struct header *header; /* start of the mapping */
	uint64_t *slots;
	uint64_t *sums;
	uint64_t next_block; /* to be looked at */
	bool damaged;        /* what was there before was */
	size_t bytes;
	dev_t device; /* which file is mapped */
	ino_t inode;
	char path[4096];
	struct coming ahead[AHEAD]; /* ring, while it is built */
	size_t ahead_count;         /* ever put there */
};

static uint64_t
blocks_of(uint64_t slots)
{
	return (slots + BLOCK_SLOTS - 1) / BLOCK_SLOTS;
}

static size_t
bytes_of(uint64_t slots)
{
	return HEADER_BYTES + (slots + blocks_of(slots)) * sizeof(uint64_t);
}

/* An empty slot adds nothing, so that an empty file is good. */
static uint64_t
mix(uint64_t slot, uint64_t i)
{
	uint64_t x = slot ^ (i + 1) * 0x9e3779b97f4a7c15U;

	x = (x ^ x >> 32) * 0xd6e8feb86659fd93U;
	return slot ? x ^ x >> 29 : 0;
}

static void
set_slot(struct dedup *d, uint64_t i, uint64_t slot)
{
	const uint64_t was = d->slots[i];

	d->slots[i] = slot;
	d->sums[i / BLOCK_SLOTS] ^= mix(was, i) ^ mix(slot, i);
}

static uint64_t
sum_of(const struct dedup *d, uint64_t block)
{
	const uint64_t from = block * BLOCK_SLOTS;
	const uint64_t left = d->header->slots - from;
	const uint64_t end = from + (left < BLOCK_SLOTS ? left : BLOCK_SLOTS);
	uint64_t sum = 0;

	for (uint64_t i = from; i < end; i++)
		sum ^= mix(d->slots[i], i);
	return sum;
}

static bool
is_whole(const struct dedup *d)
{
	const uint64_t blocks = blocks_of(d->header->slots);
	uint64_t block = 0;

	while (block < blocks && sum_of(d, block) == d->sums[block])
		block++;
	return block == blocks;
}

static uint64_t
slot_of(struct hash128 hash, uint64_t seq)
{
	return hash.lo << SEQ_BITS | (seq & SEQ_MASK);
}

static bool
same_print(uint64_t slot, struct hash128 hash)
{
	return slot >> SEQ_BITS == (hash.lo & (UINT64_MAX >> SEQ_BITS));
}

static uint64_t
home_of(const struct dedup *d, struct hash128 hash)
{
	return (uint64_t)((unsigned __int128)hash.hi * d->header->slots >> 64);
}

static uint64_t
next_of(const struct dedup *d, uint64_t i)
{
	return i + 1 == d->header->slots ? 0 : i + 1;
}

static void
read_boot_id(char out[BOOT_ID_LEN + 1])
{
	memset(out, 0, BOOT_ID_LEN + 1);
	file_peek("/proc/sys/kernel/random/boot_id", out, BOOT_ID_LEN + 1);
}

static bool
map_file(struct dedup *d, int fd, size_t bytes, int protection)
{
	struct stat st;
	void *at = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return false;
	if (fstat(fd, &st) == 0) {
		d->device = st.st_dev;
		d->inode = st.st_ino;
	}
	d->header = at;
	d->slots = (uint64_t *)((char *)at + HEADER_BYTES);
	d->bytes = bytes;
	return true;
}

static void
unmap(struct dedup *d)
{
	if (d->header)
		munmap(d->header, d->bytes);
	d->header = NULL;
}

/* A file is of use when it is whole, of this journal, and written since the last boot. */
static bool
usable(const struct dedup *d, uint64_t journal)
{
	const struct header *h = d->header;
	char boot[BOOT_ID_LEN + 1];

	read_boot_id(boot);
	return memcmp(h->magic, MAGIC, sizeof MAGIC) == 0 && h->complete && h->journal == journal &&
	       h->slots >= FIRST_SLOTS && h->used <= h->slots &&
	       h->slots <= d->bytes / sizeof(uint64_t) && d->bytes == bytes_of(h->slots) &&
	       strncmp(h->boot, boot, sizeof boot) == 0;
}

static bool
map_existing(struct dedup *d, uint64_t journal, int flags, int protection)
{
	int fd = open(d->path, flags | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	bool good;

	if (fd < 0)
		return false;
	good = fstat(fd, &st) == 0 && (size_t)st.st_size > HEADER_BYTES &&
	       map_file(d, fd, (size_t)st.st_size, protection);
	close(fd);
	if (good && usable(d, journal)) {
		d->sums = d->slots + d->header->slots;
		if (!(protection & PROT_WRITE) || is_whole(d))
			return true;
		d->damaged = true;
	}
	unmap(d);
	return false;
}

/* Makes an empty table in a new file. The blocks are allocated now, because a write to a mapping on
 * a full disk would be a SIGBUS. */
static bool
map_fresh(struct dedup *d, uint64_t journal, uint64_t slots, struct error *why)
{
	const size_t bytes = bytes_of(slots);
	int fd = open(d->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0)
		return error_set(why, "cannot make %s: %s", d->path, strerror(errno));
	rc = posix_fallocate(fd, 0, (off_t)bytes);
	if (rc == 0 && !map_file(d, fd, bytes, PROT_READ | PROT_WRITE))
		rc = errno;
	close(fd);
	if (rc != 0)
		return error_set(why, "cannot make %s: %s", d->path, strerror(rc));
	memcpy(d->header->magic, MAGIC, sizeof MAGIC);
	read_boot_id(d->header->boot);
	d->header->journal = journal;
	d->header->slots = slots;
	d->sums = d->slots + slots;
	return true;
}

static void
put_in(struct dedup *d, const struct coming *entry)
{
	uint64_t i = entry->home;

	if (d->header->used + 1 >= d->header->slots)
		return;
	while (d->slots[i])
		i = next_of(d, i);
	d->slots[i] = entry->slot;
	d->header->used++;
}

/* The last entries of a build. */
static void
put_in_ahead(struct dedup *d)
{
	const size_t n = d->ahead_count < AHEAD ? d->ahead_count : AHEAD;

	for (size_t i = 0; i < n; i++)
		put_in(d, &d->ahead[i]);
	d->ahead_count = 0;
}

/* Fills a table beside the old one from the seen log, 8/15 full, and puts it in its place. */
static bool
build(struct dedup *fresh, const char *path, uint64_t journal, const struct dedup_truth *truth,
	struct error *why)
{
	const uint64_t wanted = truth->count / 8 * 15;
	const uint64_t slots = wanted > FIRST_SLOTS ? wanted : FIRST_SLOTS;

	if (!map_fresh(fresh, journal, slots, why))
		return false;
	if (!truth->walk(truth->arg, fresh))
		return error_set(why, "cannot read the seen log");
	put_in_ahead(fresh);
	for (uint64_t block = 0; block < blocks_of(slots); block++)
		fresh->sums[block] = sum_of(fresh, block);
	fresh->header->complete = 1;
	return rename(fresh->path, path) == 0 ||
	       error_set(why, "cannot rename %s: %s", fresh->path, strerror(errno));
}

/* What could not be finished goes at once: on a full disk it holds the room that others need. */
static bool
rebuild(struct dedup *d, uint64_t journal, const struct dedup_truth *truth, struct error *why)
{
	struct dedup fresh = {.path = ""};
	enum doing before;
	bool good;

	if ((size_t)snprintf(fresh.path, sizeof fresh.path, "%s.new", d->path) >= sizeof fresh.path)
		return error_set(why, "cannot make %s.new: the path is too long", d->path);
	before = doing(DOING_INDEX);
	good = build(&fresh, d->path, journal, truth, why);
	doing(before);
	if (!good) {
		unmap(&fresh);
		unlink(fresh.path);
		return false;
	}
	unmap(d);
	d->header = fresh.header;
	d->slots = fresh.slots;
	d->sums = fresh.sums;
	d->next_block = 0;
	d->bytes = fresh.bytes;
	d->device = fresh.device;
	d->inode = fresh.inode;
	return true;
}

struct dedup *
dedup_open(const char *path, uint64_t journal, const struct dedup_truth *truth, struct error *why)
{
	struct dedup *d = calloc(1, sizeof *d);

	if (!d || (size_t)snprintf(d->path, sizeof d->path, "%s", path) >= sizeof d->path) {
		free(d);
		error_set(why, "cannot open %s: out of memory or the path is too long", path);
		return NULL;
	}
	if (!map_existing(d, journal, O_RDWR, PROT_READ | PROT_WRITE) &&
		!rebuild(d, journal, truth, why))
		dedup_close(&d);
	return d;
}

void
dedup_close(struct dedup **d)
{
	if (!*d)
		return;
	unmap(*d);
	free(*d);
	*d = NULL;
}

bool
dedup_replaced(const struct dedup *d)
{
	struct stat st;

	return stat(d->path, &st) != 0 || st.st_dev != d->device || st.st_ino != d->inode ||
	       (size_t)st.st_size != d->bytes;
}

bool
dedup_sound(struct dedup *d)
{
	if (d->bytes != bytes_of(d->header->slots))
		return false;
	for (int n = 0; n < BLOCKS_A_LOOK; n++) {
		const uint64_t block = d->next_block;

		if (sum_of(d, block) != d->sums[block])
			return false;
		d->next_block = (block + 1) % blocks_of(d->header->slots);
	}
	return true;
}

bool
dedup_was_damaged(const struct dedup *d)
{
	return d->damaged;
}

/* Compares the whole hash in the seen log: a fingerprint alone proves nothing. */
static bool
holds(uint64_t slot, struct hash128 hash, const struct dedup_truth *truth)
{
	struct hash128 there;

	return same_print(slot, hash) && truth->hash_at(truth->arg, slot & SEQ_MASK, &there) &&
	       there.hi == hash.hi && there.lo == hash.lo;
}

uint64_t
dedup_find(const struct dedup *d, struct hash128 hash, const struct dedup_truth *truth)
{
	uint64_t i = home_of(d, hash), newest = 0;

	for (uint64_t probes = d->header->slots; probes > 0 && d->slots[i]; probes--) {
		if ((d->slots[i] & SEQ_MASK) > newest && holds(d->slots[i], hash, truth))
			newest = d->slots[i] & SEQ_MASK;
		i = next_of(d, i);
	}
	return newest;
}

bool
dedup_insert(struct dedup *d, struct hash128 hash, uint64_t seq, const struct dedup_truth *truth,
	struct error *why)
{
	uint64_t i = home_of(d, hash);

	if ((d->header->used + 1) * 4 > d->header->slots * 3)
		return rebuild(d, d->header->journal, truth, why);
	while (d->slots[i] && (d->slots[i] & SEQ_MASK) >= truth->oldest)
		i = next_of(d, i);
	if (!d->slots[i])
		d->header->used++;
	set_slot(d, i, slot_of(hash, seq));
	return true;
}

/* Homes lie anywhere in the table, so nearly each is a cache miss: it is asked for some entries
 * ahead, which makes a build four times as fast. */
void
dedup_add(struct dedup *d, struct hash128 hash, uint64_t seq)
{
	struct coming *place = &d->ahead[d->ahead_count % AHEAD];

	if (d->ahead_count++ >= AHEAD)
		put_in(d, place);
	*place = (struct coming){home_of(d, hash), slot_of(hash, seq)};
	__builtin_prefetch(&d->slots[place->home], 1);
}

/* The entry at j may fill the gap when its home does not lie behind the gap. A slot whose entry the
 * seen log does not know stays where it is. */
static bool
may_move(const struct dedup *d, uint64_t gap, uint64_t j, const struct dedup_truth *truth)
{
	struct hash128 hash;
	uint64_t home;

	if (!truth->hash_at(truth->arg, d->slots[j] & SEQ_MASK, &hash) ||
		!same_print(d->slots[j], hash))
		return false;
	home = home_of(d, hash);
	return gap <= j ? home <= gap || home > j : home <= gap && home > j;
}

static void
close_gap(struct dedup *d, uint64_t gap, const struct dedup_truth *truth)
{
	for (uint64_t j = next_of(d, gap); d->slots[j] && j != gap; j = next_of(d, j)) {
		if (!may_move(d, gap, j, truth))
			continue;
		set_slot(d, gap, d->slots[j]);
		gap = j;
	}
	set_slot(d, gap, 0);
	d->header->used--;
}

void
dedup_remove(struct dedup *d, struct hash128 hash, uint64_t seq, const struct dedup_truth *truth)
{
	const uint64_t wanted = slot_of(hash, seq);
	uint64_t i = home_of(d, hash);

	for (uint64_t probes = d->header->slots; probes > 0 && d->slots[i]; probes--) {
		if (d->slots[i] == wanted) {
			close_gap(d, i, truth);
			return;
		}
		i = next_of(d, i);
	}
}

struct dedup *
dedup_view(const char *path, uint64_t journal)
{
	struct dedup *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	snprintf(d->path, sizeof d->path, "%s", path);
	if (!map_existing(d, journal, O_RDONLY, PROT_READ))
		dedup_close(&d);
	return d;
}

uint64_t
dedup_peek(const char *path, uint64_t journal, struct hash128 hash, const struct dedup_truth *truth)
{
	struct dedup *d = dedup_view(path, journal);
	const uint64_t seq = d ? dedup_find(d, hash, truth) : 0;

	dedup_close(&d);
	return seq;
}

uint64_t
dedup_bytes(const struct dedup *d)
{
	return d->bytes;
}

uint64_t
dedup_used(const struct dedup *d)
{
	return d->header->used;
}
