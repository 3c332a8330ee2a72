/* salvage - see salvage.h. The form of a page is LMDB's (mdb.c: MDB_page, MDB_node). */
#include "salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, PAGE_HEAD = 16, NODE_HEAD = 8, LEAF = 0x02, OVERFLOW = 0x04, BIG = 0x01 };

struct salvage {
	const unsigned char *bytes;
	uint64_t size, pages;
	msgpack_zone zone;
	salvage_visit *fn;
	void *arg;
};

static uint64_t
number(const unsigned char *at, size_t n)
{
	uint64_t value = 0;

	memcpy(&value, at, n);
	return value;
}

/* A value that has pages of its own. */
static struct slice
big_value(const struct salvage *s, uint64_t page, uint64_t n)
{
	const unsigned char *at = s->bytes + page * PAGE;

	if (page >= s->pages || number(at, 8) != page || number(at + 10, 2) != OVERFLOW ||
		n > s->size - page * PAGE - PAGE_HEAD)
		return (struct slice){NULL, 0};
	return (struct slice){(const char *)at + PAGE_HEAD, n};
}

static struct slice
value_of(const struct salvage *s, const unsigned char *node, size_t room)
{
	const uint64_t n = number(node, 2) | number(node + 2, 2) << 16;
	const unsigned char *at = node + NODE_HEAD + sizeof(uint64_t);

	if (number(node + 4, 2) == BIG && room >= NODE_HEAD + 2 * sizeof(uint64_t))
		return big_value(s, number(at, 8), n);
	if (number(node + 4, 2) != 0 || n > room - NODE_HEAD - sizeof(uint64_t))
		return (struct slice){NULL, 0};
	return (struct slice){(const char *)at, n};
}

/* One node of a leaf: an event stands behind the time when it was received. */
static bool
take_node(struct salvage *s, const unsigned char *node, size_t room)
{
	struct event event;
	struct slice value;

	if (room < NODE_HEAD + sizeof(uint64_t) || number(node + 6, 2) != sizeof(uint64_t))
		return true;
	value = value_of(s, node, room);
	msgpack_zone_clear(&s->zone);
	if (!value.p || value.n <= sizeof(uint64_t) ||
		!frame_unpack(&event_schema, value.p + sizeof(uint64_t), value.n - sizeof(uint64_t),
			&s->zone, &event, NULL) ||
		event.seq != number(node + NODE_HEAD, 8))
		return true;
	return s->fn(s->arg, &event);
}

static bool
take_page(struct salvage *s, uint64_t i)
{
	const unsigned char *page = s->bytes + i * PAGE;
	const uint64_t end = number(page + 12, 2);

	if (number(page, 8) != i || number(page + 10, 2) != LEAF || end > PAGE)
		return true;
	for (uint64_t at = PAGE_HEAD; at + 2 <= end; at += 2) {
		const uint64_t node = number(page + at, 2);

		if (node >= end && node < PAGE && !take_node(s, page + node, PAGE - node))
			return false;
	}
	return true;
}

bool
salvage_walk(const char *path, salvage_visit *fn, void *arg, struct error *why)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct salvage s = {.fn = fn, .arg = arg};
	struct stat st = {.st_size = 0};
	void *map = MAP_FAILED;

	if (fd >= 0 && fstat(fd, &st) == 0)
		map = mmap(
			NULL, st.st_size ? (size_t)st.st_size : 1, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED) {
		error_set(why, "cannot read %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	s.bytes = map;
	s.size = (uint64_t)st.st_size;
	s.pages = s.size / PAGE;
	msgpack_zone_init(&s.zone, 8192);
	for (uint64_t i = 0; i < s.pages && take_page(&s, i); i++)
		;
	msgpack_zone_destroy(&s.zone);
	munmap(map, st.st_size ? (size_t)st.st_size : 1);
	close(fd);
	return true;
}
