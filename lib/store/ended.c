/* ended - see ended.h.
 *
 * A file is rows one after the other: a mark with the lengths, the numbers, the handler's name, the
 * frame's head. A kill in the middle of a write, or a disk that fills, leaves a part of a row; a reader
 * goes on at the next mark. */
#include "ended.h"

#include <fcntl.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "proto/frame.h"
#include "proto/limits.h"

enum {
	/* Behind the last text: four numbers and the batch's id with their names. */
	BEHIND_TEXTS = 128,
	ROOM_LEAST = 64 << 20,
	LOOK_MS = 1000,
	ROWS_KEPT = 64 << 10,
};

static const uint32_t MARK = 0x646e4554; /* "TEnd" */

struct row_head {
	uint32_t mark;
	uint16_t handler_n, head_n;
	uint64_t received_ms, ended_ms;
	uint32_t attempts, lost;
};

struct ended {
	char path[4200], old[4200];
	uint64_t most, size, looked_ms;
	int fd;    /* -1: not open */
	bool room; /* on the disk, when it was looked at last */
	msgpack_sbuffer rows;
};

static void
name_files(const char *dir, char path[4200], char old[4200])
{
	snprintf(path, 4200, "%s/ended", dir);
	snprintf(old, 4200, "%s/ended.old", dir);
}

struct ended *
ended_new(const char *dir, uint64_t most)
{
	struct ended *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	name_files(dir, e->path, e->old);
	e->most = most < ENDED_MOST ? most : ENDED_MOST;
	e->fd = -1;
	msgpack_sbuffer_init(&e->rows);
	return e;
}

static void
shut(struct ended *e)
{
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}

void
ended_destroy(struct ended **ended)
{
	if (!*ended)
		return;
	shut(*ended);
	msgpack_sbuffer_destroy(&(*ended)->rows);
	free(*ended);
	*ended = NULL;
}

/* Bytes of the frame up to its data, or a little more. */
static size_t
head_bytes(struct slice frame)
{
	struct slice last = {frame.p, 0};
	size_t n;

	if (!frame_text(frame.p, frame.n, "email", &last))
		frame_text(frame.p, frame.n, "id", &last);
	n = (size_t)(last.p - frame.p) + last.n + BEHIND_TEXTS;
	return n < frame.n ? n : frame.n;
}

void
ended_note(struct ended *e, const struct ended_row *row)
{
	const struct row_head head = {
		.mark = MARK,
		.handler_n = (uint16_t)(row->handler.n < WIDTH_WHO ? row->handler.n : WIDTH_WHO),
		.head_n = (uint16_t)head_bytes(row->head),
		.received_ms = row->received_ms,
		.ended_ms = row->ended_ms,
		.attempts = (uint32_t)row->attempts,
		.lost = (uint32_t)row->lost,
	};

	if (!e)
		return;
	msgpack_sbuffer_write(&e->rows, (const char *)&head, sizeof head);
	msgpack_sbuffer_write(&e->rows, row->handler.p, head.handler_n);
	msgpack_sbuffer_write(&e->rows, row->head.p, head.head_n);
}

/* A great group's memory is not kept for small ones. */
void
ended_forget(struct ended *e)
{
	if (!e)
		return;
	if (e->rows.alloc > ROWS_KEPT) {
		msgpack_sbuffer_destroy(&e->rows);
		msgpack_sbuffer_init(&e->rows);
	}
	msgpack_sbuffer_clear(&e->rows);
}

static bool
open_file(struct ended *e)
{
	struct stat file;

	e->fd = file_open(e->path, NULL);
	if (e->fd < 0)
		return false;
	e->size = fstat(e->fd, &file) == 0 ? (uint64_t)file.st_size : 0;
	return true;
}

/* Where there is little room, others need it more. */
static bool
has_room(struct ended *e)
{
	const uint64_t now_ms = clock_mono_ms();
	struct statvfs disk;

	if (e->fd >= 0 && now_ms - e->looked_ms < LOOK_MS)
		return e->room;
	if (e->fd < 0 && !open_file(e))
		return false;
	e->looked_ms = now_ms;
	e->room = fstatvfs(e->fd, &disk) == 0 &&
		  (uint64_t)disk.f_bavail * disk.f_frsize >= ROOM_LEAST;
	if (!e->room) {
		unlink(e->old);
		e->size = ftruncate(e->fd, 0) == 0 ? 0 : e->size;
	}
	return e->room;
}

/* The file is full: it becomes the old one. */
static bool
turn_over(struct ended *e)
{
	shut(e);
	return rename(e->path, e->old) == 0 && open_file(e);
}

void
ended_write(struct ended *e)
{
	ssize_t n;

	if (!e || e->rows.size == 0)
		return;
	if (has_room(e) && (e->size + e->rows.size <= e->most || turn_over(e))) {
		n = pwrite(e->fd, e->rows.data, e->rows.size, (off_t)e->size);
		e->size += n > 0 ? (uint64_t)n : 0;
	}
	ended_forget(e);
}

/* ---- reading ---- */

/* The row at p, if a whole one is there. */
static bool
row_at(struct slice at, struct ended_row *row, size_t *n)
{
	struct row_head head;

	if (at.n < sizeof head)
		return false;
	memcpy(&head, at.p, sizeof head);
	*n = sizeof head + head.handler_n + head.head_n;
	*row = (struct ended_row){
		.received_ms = head.received_ms,
		.ended_ms = head.ended_ms,
		.attempts = head.attempts,
		.lost = head.lost,
		.handler = {at.p + sizeof head, head.handler_n},
		.head = {at.p + sizeof head + head.handler_n, head.head_n},
	};
	return head.mark == MARK && *n <= at.n;
}

static bool
is_mark(struct slice at)
{
	return at.n == 0 || (at.n >= sizeof MARK && memcmp(at.p, &MARK, sizeof MARK) == 0);
}

static bool
walk(struct slice at, ended_visit *fn, void *arg)
{
	struct ended_row row;
	const char *next;
	size_t n;

	while (at.n > 0) {
		if (row_at(at, &row, &n) && is_mark((struct slice){at.p + n, at.n - n})) {
			if (!fn(arg, &row))
				return false;
		} else {
			next = memmem(at.p + 1, at.n - 1, &MARK, sizeof MARK);
			n = next ? (size_t)(next - at.p) : at.n;
		}
		at = (struct slice){at.p + n, at.n - n};
	}
	return true;
}

void
ended_each(const char *dir, ended_visit *fn, void *arg)
{
	char paths[2][4200];
	bool more = true;

	name_files(dir, paths[1], paths[0]);
	for (int i = 0; more && i < 2; i++) {
		size_t n = 0;
		char *bytes = file_read(paths[i], 2 * ENDED_MOST, &n, NULL);

		more = !bytes || walk((struct slice){bytes, n}, fn, arg);
		free(bytes);
	}
}
