/* history_zstd - blocks of a sealed segment, compressed and back. The one file that knows zstd. */
#include <stdlib.h>
#include <zstd.h>

#include "history_private.h"

enum { LEVEL = 1, UNPACKED_MOST = 64 << 20 };

struct packer {
	ZSTD_CCtx *ctx;
	char *room;
	size_t size;
};

struct packer *
packer_new(void)
{
	struct packer *p = calloc(1, sizeof *p);

	if (p && !(p->ctx = ZSTD_createCCtx()))
		packer_free(&p);
	return p;
}

void
packer_free(struct packer **p)
{
	if (!*p)
		return;
	ZSTD_freeCCtx((*p)->ctx);
	free((*p)->room);
	free(*p);
	*p = NULL;
}

static bool
grow(char **room, size_t *size, size_t need)
{
	char *grown;

	if (*room && need <= *size)
		return true;
	grown = realloc(*room, need ? need : 1);
	if (!grown)
		return false;
	*room = grown;
	*size = need;
	return true;
}

struct slice
packer_pack(struct packer *p, struct slice bytes)
{
	size_t n;

	if (!grow(&p->room, &p->size, ZSTD_compressBound(bytes.n)))
		return (struct slice){NULL, 0};
	n = ZSTD_compressCCtx(p->ctx, p->room, p->size, bytes.p, bytes.n, LEVEL);
	return ZSTD_isError(n) ? (struct slice){NULL, 0} : (struct slice){p->room, n};
}

bool
unpack(struct slice bytes, char **out, size_t *room, size_t *n)
{
	const unsigned long long size = ZSTD_getFrameContentSize(bytes.p, bytes.n);

	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR ||
		size > UNPACKED_MOST || !grow(out, room, size))
		return false;
	*n = ZSTD_decompress(*out, *room, bytes.p, bytes.n);
	return !ZSTD_isError(*n) && *n == size;
}
