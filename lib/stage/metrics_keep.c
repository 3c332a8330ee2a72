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
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
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
	size_t room;  /* bytes of the file: no page past them may be touched */
	size_t found; /* bytes that it had when it was opened */
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

/* The first series of the bytes, which are left behind it; NULL: none, or not one. */
static struct record *
next_record(struct slice *rest)
{
	struct record *r = (struct record *)rest->p;

	if (rest->n < sizeof *r || r->size > rest->n || r->size % 8 != 0 ||
		r->count > METRIC_BOUNDS_MAX + 2 ||
		sizeof *r + r->count * sizeof(double) + r->text > r->size)
		return NULL;
	*rest = (struct slice){rest->p + r->size, rest->n - r->size};
	return r;
}

/* What the series is; false when it is none that this program knows. */
static bool
parse_record(const struct record *r, enum metric_family *family, struct slice *labels)
{
	const char *text = (const char *)&r->values[r->count];
	const size_t n = strnlen(text, r->text);

	if (n == r->text)
		return false;
	*labels = (struct slice){text + n + 1, r->text - n - 1U};
	return metric_is_known((struct slice){text, n}, *labels, r->values, r->count, family) &&
	       metric_table[*family].type != METRIC_GAUGE;
}

/* The series of a file of n bytes; false when it is none of ours, or damaged. */
static bool
series_of(const struct head *head, size_t n, struct slice *series)
{
	struct slice rest;

	if (n < sizeof *head || memcmp(head->magic, MAGIC, sizeof MAGIC) != 0 ||
		head->used < sizeof *head || head->used > n)
		return false;
	*series = rest = (struct slice){(const char *)(head + 1), head->used - sizeof *head};
	while (next_record(&rest))
		;
	return rest.n == 0;
}

bool
metrics_join_file(struct metrics *m, const char *path)
{
	size_t n = 0;
	char *bytes = file_read(path, METRICS_FILE_MAX, &n, NULL);
	enum metric_family family;
	struct slice rest, labels;
	const struct record *r;
	bool good;

	if (!bytes)
		return false;
	good = series_of((const struct head *)bytes, n, &rest);
	while (good && (r = next_record(&rest)))
		if (parse_record(r, &family, &labels))
			metric_join(m, family, labels, r->values);
	free(bytes);
	return good;
}

/* ---- the own file ---- */

static void
unmap(struct metrics_file *f)
{
	if (f->head)
		munmap(f->head, METRICS_FILE_MAX);
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}

/* The file at path, made where there is none; NULL with the cause. */
static struct metrics_file *
map_file(const char *path, struct error *why)
{
	struct metrics_file *f = calloc(1, sizeof *f);
	struct stat st;
	void *at = MAP_FAILED;

	if (!f) {
		error_set(why, "out of memory");
		return NULL;
	}
	f->fd = file_open(path, why);
	if (f->fd >= 0 && fstat(f->fd, &st) == 0 &&
		(f->found = (size_t)st.st_size) <= METRICS_FILE_MAX &&
		make_room(f, st.st_size > STEP ? (size_t)st.st_size : STEP))
		at = mmap(NULL, METRICS_FILE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (at != MAP_FAILED) {
		f->head = at;
		return f;
	}
	if (f->fd >= 0)
		error_set(why, "no room for %s", path);
	unmap(f);
	return NULL;
}

void
metrics_file_close(struct metrics_file **f)
{
	if (!*f)
		return;
	(*f)->head->under_way = 0;
	unmap(*f);
	*f = NULL;
}

static void
begin_file(struct metrics_file *f)
{
	*f->head = (struct head){.used = sizeof *f->head};
	memcpy(f->head->magic, MAGIC, sizeof MAGIC);
}

/* Goes on from what the process before has counted. */
static void
take_over(struct metrics *m, struct slice rest)
{
	enum metric_family family;
	struct slice labels;
	struct record *r;

	while ((r = next_record(&rest)))
		if (parse_record(r, &family, &labels))
			metric_attach(m, family, labels, r->values);
}

enum metrics_before
metrics_keep(struct metrics *m, const char *path, struct error *why)
{
	enum metrics_before before = METRICS_NOBODY;
	struct slice series = {NULL, 0};

	m->file = map_file(path, why);
	if (!m->file)
		return METRICS_UNKEPT;
	if (series_of(m->file->head, m->file->found, &series)) {
		before = m->file->head->under_way ? METRICS_CUT_OFF : METRICS_ENDED;
		take_over(m, series);
	} else {
		begin_file(m->file);
	}
	m->file->head->under_way = 1;
	return before;
}
