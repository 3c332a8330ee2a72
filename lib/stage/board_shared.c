/* board_shared - the page of figures, which all processes that show it have in common: of two that are
 * asked for one after the other the second, whoever made it, is never the older one.
 *
 * It stands in run/metrics.page: a head, then two places for its text, written in turn, so that nobody reads
 * what is just being written. A kill leaves the one before. A thread writes it (metrics_write.c): while the
 * disk hangs each process shows its own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "board_private.h"
#include "lib/base/file.h"
#include "metrics_private.h"

enum { PLACE_BYTES = 2 << 20, FIRST_AT = 4096, TRIES = 3 };

static const char MAGIC[8] = "TLPAGE1";

struct shared_head {
	char magic[8];
	uint64_t made_ms; /* CLOCK_MONOTONIC, which all processes of this machine share */
	uint64_t place, n;
};
_Static_assert(sizeof(struct shared_head) == METRICS_HEAD_BYTES, "it is written last");

struct shared_page {
	int fd;
	struct metrics_writer *writer;
};

static off_t
offset_of(const struct shared_head *head)
{
	return FIRST_AT + (off_t)head->place * PLACE_BYTES;
}

static bool
read_head(const struct board *b, struct shared_head *head)
{
	return pread(b->shared->fd, head, sizeof *head, 0) == (ssize_t)sizeof *head &&
	       memcmp(head->magic, MAGIC, sizeof MAGIC) == 0 && head->place < 2 &&
	       head->n < PLACE_BYTES;
}

/* The text that the head tells of, if it still does afterwards; NULL: it does not, or memory is short. */
static char *
read_text(const struct board *b, const struct shared_head *head)
{
	char *text = malloc(head->n + 1);
	struct shared_head after;

	if (text && pread(b->shared->fd, text, head->n, offset_of(head)) == (ssize_t)head->n &&
		read_head(b, &after) && memcmp(head, &after, sizeof after) == 0) {
		text[head->n] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

void
board_take_shared(struct board *b)
{
	struct board_text *page = &b->pages[BOARD_METRICS];
	struct shared_head head;

	for (int i = 0; i < TRIES && read_head(b, &head); i++) {
		char *text;

		if (page->text && page->made_ms == head.made_ms)
			return;
		text = read_text(b, &head);
		if (!text)
			continue;
		free(page->text);
		*page = (struct board_text){text, 200, head.made_ms};
		return;
	}
}

/* What cannot be written leaves the one before, or none: then each makes its own. */
void
board_share(struct board *b)
{
	const struct board_text *page = &b->pages[BOARD_METRICS];
	const size_t n = page->text ? strlen(page->text) : PLACE_BYTES;
	char *bytes = n < PLACE_BYTES ? malloc(sizeof(struct shared_head) + n) : NULL;
	struct shared_head head;

	if (!bytes)
		return;
	head.place = read_head(b, &head) ? !head.place : 0;
	memcpy(head.magic, MAGIC, sizeof MAGIC);
	head.made_ms = page->made_ms;
	head.n = n;
	memcpy(bytes, &head, sizeof head);
	memcpy(bytes + sizeof head, page->text, n);
	metrics_writer_put(
		b->shared->writer, bytes, sizeof head + n, offset_of(&head), BOARD_DISK_MS);
	free(bytes);
}

static struct shared_page *
open_shared(const struct config *cfg)
{
	struct shared_page *p = calloc(1, sizeof *p);
	char path[4096];
	int to;

	if (!p)
		return NULL;
	snprintf(path, sizeof path, "%s/run/metrics.page", cfg->data_dir);
	to = file_open(path, NULL);
	p->fd = metrics_open_quietly(AT_FDCWD, path, O_NOFOLLOW);
	p->writer = to >= 0 && p->fd >= 0 ? metrics_writer_new(to) : NULL;
	if (p->writer)
		return p;
	if (to >= 0)
		close(to);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
	return NULL;
}

bool
board_shares(struct board *b)
{
	if (!b->shared)
		b->shared = open_shared(b->cfg);
	return b->shared;
}

void
board_unshare(struct board *b)
{
	if (!b->shared)
		return;
	metrics_writer_end(&b->shared->writer);
	close(b->shared->fd);
	free(b->shared);
	b->shared = NULL;
}

bool
board_makes(struct board *b)
{
	return flock(b->shared->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

void
board_made(struct board *b)
{
	flock(b->shared->fd, LOCK_UN);
}
