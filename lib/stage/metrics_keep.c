/* metrics_keep - counters and histograms in a file that outlives its process, whatever ends it; see
 * metrics.h.
 *
 * They are counted in an image of the file, in memory, which another thread puts into it (metrics_write.c):
 * the file itself is not mapped, for a page of it that is on its way to a disk that hangs would hold up
 * whoever counts. A reader finds each number whole, for they are aligned; those of a histogram may be of two
 * moments, which is put right where they are read. Numbers in the order of bytes of this machine:
 *
 *   magic (8 bytes), how many bytes are in use (8), is its process under way? (8), 0 (8), then for each
 *   series: bytes of it (4), of its text (2), how many numbers (2), the numbers, "family\0labels", filled up
 *   to 8 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "metrics_private.h"

static const char MAGIC[8] = "TLFIG01";

/* Room for what most processes ever count is taken at the start: a disk that is full later stops none of it. */
enum { ROOM = 64 << 10, END_MS = 2000 };

struct head {
	char magic[8];
	uint64_t used, under_way, spare;
};
_Static_assert(sizeof(struct head) == METRICS_HEAD_BYTES, "the head is what is written last");

struct record {
	uint32_t size;
	uint16_t text, count;
	double values[]; /* then the text */
};

struct metrics_file {
	struct head *head; /* the image */
	struct metrics_writer *writer;
};

static size_t
aligned(size_t n)
{
	return (n + 7) / 8 * 8;
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

	if (f->head->used + size > METRICS_FILE_MAX)
		return NULL;
	r = (struct record *)((char *)f->head + f->head->used);
	memset(r, 0, size);
	*r = (struct record){(uint32_t)size, (uint16_t)text, (uint16_t)count};
	to = (char *)&r->values[count];
	memcpy(to, name, strlen(name));
	memcpy(to + strlen(name) + 1, labels.p, labels.n);
	f->head->used += size;
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

/* Its times are left alone, for they would have to be written. */
int
metrics_open_quietly(int folder, const char *name, int flags)
{
	const int fd = openat(folder, name, flags | O_RDONLY | O_CLOEXEC | O_NOATIME);

	return fd < 0 && errno == EPERM ? openat(folder, name, flags | O_RDONLY | O_CLOEXEC) : fd;
}

/* All bytes, which the caller frees; NULL: there are none, or too many. */
static char *
read_all(int fd, size_t *n)
{
	struct stat st;
	char *bytes = NULL;

	if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size <= METRICS_FILE_MAX)
		bytes = malloc((size_t)st.st_size);
	*n = bytes ? (size_t)st.st_size : 0;
	if (bytes && pread(fd, bytes, *n, 0) == (ssize_t)*n)
		return bytes;
	free(bytes);
	return NULL;
}

bool
metrics_join_file(struct metrics *m, int folder, const char *name)
{
	const int fd = metrics_open_quietly(folder, name, O_NOFOLLOW);
	size_t n = 0;
	char *bytes = fd >= 0 ? read_all(fd, &n) : NULL;
	enum metric_family family;
	struct slice rest, labels;
	const struct record *r;
	bool good;

	if (fd >= 0)
		close(fd);
	good = bytes && series_of((const struct head *)bytes, n, &rest);
	while (good && (r = next_record(&rest)))
		if (parse_record(r, &family, &labels))
			metric_join(m, family, labels, r->values);
	free(bytes);
	return good;
}

/* ---- the own file ---- */

/* Memory is taken as it is used. */
static struct metrics_file *
file_new(void)
{
	struct metrics_file *f = calloc(1, sizeof *f);
	void *at = mmap(NULL, METRICS_FILE_MAX, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (f && at != MAP_FAILED) {
		f->head = at;
		return f;
	}
	if (at != MAP_FAILED)
		munmap(at, METRICS_FILE_MAX);
	free(f);
	return NULL;
}

static void
file_destroy(struct metrics_file **f)
{
	metrics_writer_end(&(*f)->writer);
	munmap((*f)->head, METRICS_FILE_MAX);
	free(*f);
	*f = NULL;
}

bool
metrics_stored(struct metrics *m, uint64_t ms)
{
	const struct head *head = m->file ? m->file->head : NULL;

	m->counted =
		head && !metrics_writer_put(m->file->writer, head, head->used, sizeof *head, ms);
	return !m->counted;
}

void
metrics_file_close(struct metrics *m)
{
	if (!m->file)
		return;
	m->file->head->under_way = 0;
	metrics_stored(m, END_MS);
	file_destroy(&m->file);
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

/* What the file holds, if that is figures; else it begins anew. */
static enum metrics_before
read_before(struct metrics *m, int fd)
{
	struct head *head = m->file->head;
	const ssize_t n = pread(fd, head, METRICS_FILE_MAX, 0);
	struct slice series = {NULL, 0};
	enum metrics_before before = METRICS_NOBODY;

	if (n > 0 && series_of(head, (size_t)n, &series)) {
		before = head->under_way ? METRICS_CUT_OFF : METRICS_ENDED;
		take_over(m, series);
	} else {
		*head = (struct head){.used = sizeof *head};
		memcpy(head->magic, MAGIC, sizeof MAGIC);
	}
	head->under_way = 1;
	return before;
}

enum metrics_before
metrics_keep(struct metrics *m, const char *path, struct error *why)
{
	const int fd = file_open(path, why);
	enum metrics_before before;

	if (fd < 0)
		return METRICS_UNKEPT;
	m->file = file_new();
	if (!m->file || !(m->file->writer = metrics_writer_new(fd))) {
		error_set(why, "out of memory");
		close(fd);
		if (m->file)
			file_destroy(&m->file);
		return METRICS_UNKEPT;
	}
	fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, ROOM);
	before = read_before(m, fd);
	metrics_stored(m, END_MS);
	return before;
}
