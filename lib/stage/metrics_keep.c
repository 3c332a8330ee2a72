/* metrics_keep - counters and histograms in a file that outlives its process, whatever ends it; see
 * metrics.h.
 *
 * The file is mapped, and the counters are counted where they stand in it: a kill loses none of them, and
 * nobody has to write them out. A reader finds each number whole, for they are aligned; those of a
 * histogram may be of two moments, which is put right where they are read. Numbers in the order of bytes of
 * this machine:
 *
 *   magic (8 bytes), how many bytes are in use (8), is its process under way? (8), then for each series:
 *   bytes of it (4), of its text (2), how many numbers (2), the numbers, "family\0labels", filled up to 8 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "metrics_private.h"

static const char MAGIC[8] = "TLFIG01";

enum { STEP = 16384 };

struct head {
	char magic[8];
	uint64_t used, under_way;
};

struct record {
	uint32_t size;
	uint16_t text, count;
	double values[]; /* then the text */
};

struct metrics_file {
	int fd;
	size_t room; /* bytes of the file: no page past them may be touched */
	struct head *head;
};

static size_t
aligned(size_t n)
{
	return (n + 7) / 8 * 8;
}

/* Space is taken before it is written to: a mapped page of a full disk would end the process. */
static bool
make_room(struct metrics_file *f, size_t need)
{
	const size_t room = (need + STEP - 1) / STEP * STEP;

	if (need <= f->room)
		return true;
	if (need > METRICS_FILE_MAX || posix_fallocate(f->fd, 0, (off_t)room) != 0)
		return false;
	f->room = room;
	return true;
}

double *
metrics_file_add(
	struct metrics_file *f, enum metric_family family, struct slice labels, size_t count)
{
	const char *name = metric_table[family].family;
	const size_t text = strlen(name) + 1 + labels.n;
	const size_t size = aligned(sizeof(struct record) + count * sizeof(double) + text);
	struct record *r;
	char *to;

	if (!make_room(f, f->head->used + size))
		return NULL;
	r = (struct record *)((char *)f->head + f->head->used);
	memset(r, 0, size);
	*r = (struct record){(uint32_t)size, (uint16_t)text, (uint16_t)count};
	to = (char *)&r->values[count];
	memcpy(to, name, strlen(name));
	memcpy(to + strlen(name) + 1, labels.p, labels.n);
	__atomic_store_n(&f->head->used, f->head->used + size, __ATOMIC_RELEASE);
	return r->values;
}

/* ---- reading ---- */

struct kept {
	struct slice family, labels;
	double values[METRIC_BOUNDS_MAX + 2];
	size_t count;
};

/* Takes the first series off the bytes; false: none, or not one. */
static bool
next_kept(struct slice *rest, struct kept *k)
{
	struct record r;
	const char *text;
	size_t name;

	if (rest->n < sizeof r)
		return false;
	memcpy(&r, rest->p, sizeof r);
	if (r.size > rest->n || r.size % 8 != 0 || r.count > METRIC_BOUNDS_MAX + 2 ||
		sizeof r + r.count * sizeof(double) + r.text > r.size)
		return false;
	memcpy(k->values, rest->p + sizeof r, r.count * sizeof(double));
	k->count = r.count;
	text = rest->p + sizeof r + r.count * sizeof(double);
	name = strnlen(text, r.text);
	if (name == r.text)
		return false;
	k->family = (struct slice){text, name};
	k->labels = (struct slice){text + name + 1, r.text - name - 1U};
	*rest = (struct slice){rest->p + r.size, rest->n - r.size};
	return true;
}

/* A file's bytes, to be freed; *series: those of its series. NULL: there is none, or it is none of ours. */
static char *
read_file(const char *path, struct head *head, struct slice *series)
{
	size_t n = 0;
	char *bytes = file_read(path, METRICS_FILE_MAX, &n, NULL);

	if (!bytes)
		return NULL;
	if (n >= sizeof *head)
		memcpy(head, bytes, sizeof *head);
	if (n < sizeof *head || memcmp(head->magic, MAGIC, sizeof MAGIC) != 0 || head->used > n ||
		head->used < sizeof *head) {
		free(bytes);
		return NULL;
	}
	*series = (struct slice){bytes + sizeof *head, head->used - sizeof *head};
	return bytes;
}

bool
metrics_join_file(struct metrics *m, const char *path)
{
	struct slice rest;
	struct head head;
	struct kept k;
	char *bytes = read_file(path, &head, &rest);

	if (!bytes)
		return false;
	while (next_kept(&rest, &k))
		metrics_add(m, k.family, k.labels, k.values, k.count);
	free(bytes);
	return true;
}

/* ---- the own file ---- */

static struct metrics_file *
open_file(const char *path, struct error *why)
{
	struct metrics_file *f = calloc(1, sizeof *f);
	void *at = MAP_FAILED;

	if (!f) {
		error_set(why, "out of memory");
		return NULL;
	}
	unlink(path);
	f->fd = file_open(path, why);
	if (f->fd >= 0 && make_room(f, sizeof *f->head))
		at = mmap(NULL, METRICS_FILE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (at == MAP_FAILED) {
		if (f->fd >= 0)
			error_set(why, "no room for %s", path);
		if (f->fd >= 0)
			close(f->fd);
		unlink(path);
		free(f);
		return NULL;
	}
	f->head = at;
	*f->head = (struct head){.used = sizeof *f->head};
	memcpy(f->head->magic, MAGIC, sizeof MAGIC);
	return f;
}

void
metrics_file_close(struct metrics_file **f)
{
	if (!*f)
		return;
	(*f)->head->under_way = 0;
	munmap((*f)->head, METRICS_FILE_MAX);
	close((*f)->fd);
	free(*f);
	*f = NULL;
}

/* What the process before has counted. A series that is 0 says nothing, and goes. */
static void
take_over(struct metrics *m, struct slice rest)
{
	struct kept k;

	while (next_kept(&rest, &k))
		if (k.count > 0 && k.values[k.count - 1] > 0)
			metrics_add(m, k.family, k.labels, k.values, k.count);
}

enum metrics_before
metrics_keep(struct metrics *m, const char *path, struct error *why)
{
	enum metrics_before before = METRICS_NOBODY;
	char made[4096];
	struct slice rest;
	struct head head;
	char *old = read_file(path, &head, &rest);

	if (old)
		before = head.under_way ? METRICS_CUT_OFF : METRICS_ENDED;
	snprintf(made, sizeof made, "%s.new", path);
	m->file = open_file(made, why);
	if (old)
		take_over(m, rest);
	free(old);
	if (!m->file)
		return METRICS_UNKEPT;
	m->file->head->under_way = 1;
	if (rename(made, path) == 0)
		return before;
	error_set(why, "cannot rename %s", made);
	return METRICS_UNKEPT;
}
