/* board_shared - the page of figures, which all processes that show it have in common: of two that are
 * asked for one after the other the second, whoever made it, is never the older one.
 *
 * It stands in run/metrics.page: a head, then two places for its text, written in turn, so that nobody reads
 * what is just being written. A kill leaves the one before. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "board_private.h"
#include "lib/base/file.h"

enum { PLACE_BYTES = 2 << 20, FIRST_AT = 4096, TRIES = 3 };

static const char MAGIC[8] = "TLPAGE1";

struct shared_head {
	char magic[8];
	uint64_t made_ms; /* CLOCK_MONOTONIC, which all processes of this machine share */
	uint64_t place, n;
};

static off_t
offset_of(const struct shared_head *head)
{
	return FIRST_AT + (off_t)head->place * PLACE_BYTES;
}

static bool
read_head(const struct board *b, struct shared_head *head)
{
	return pread(b->page_fd, head, sizeof *head, 0) == (ssize_t)sizeof *head &&
	       memcmp(head->magic, MAGIC, sizeof MAGIC) == 0 && head->place < 2 &&
	       head->n < PLACE_BYTES;
}

/* The text that the head tells of, if it still does afterwards; NULL: it does not, or memory is short. */
static char *
read_text(const struct board *b, const struct shared_head *head)
{
	char *text = malloc(head->n + 1);
	struct shared_head after;

	if (text && pread(b->page_fd, text, head->n, offset_of(head)) == (ssize_t)head->n &&
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

void
board_share(struct board *b)
{
	const struct board_text *page = &b->pages[BOARD_METRICS];
	const size_t n = page->text ? strlen(page->text) : PLACE_BYTES;
	struct shared_head head;

	if (n >= PLACE_BYTES)
		return;
	head.place = read_head(b, &head) ? !head.place : 0;
	memcpy(head.magic, MAGIC, sizeof MAGIC);
	head.made_ms = page->made_ms;
	head.n = n;
	if (pwrite(b->page_fd, page->text, n, offset_of(&head)) != (ssize_t)n ||
		pwrite(b->page_fd, &head, sizeof head, 0) != (ssize_t)sizeof head)
		return; /* the one before stays, or none: then each makes its own */
}

bool
board_shares(struct board *b)
{
	char path[4096];

	if (b->page_fd < 0) {
		snprintf(path, sizeof path, "%s/run/metrics.page", b->cfg->data_dir);
		b->page_fd = file_open(path, NULL);
	}
	return b->page_fd >= 0;
}

bool
board_makes(struct board *b)
{
	return flock(b->page_fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

void
board_made(struct board *b)
{
	flock(b->page_fd, LOCK_UN);
}
