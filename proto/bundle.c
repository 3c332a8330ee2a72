/* bundle - see bundle.h. */
#include "bundle.h"

#include <stdint.h>

#include "limits.h"

enum { BIN32 = 0xc6, HEAD = 5 };

void
bundle_address(msgpack_sbuffer *out, unsigned to)
{
	const char byte = (char)to;

	msgpack_sbuffer_write(out, &byte, 1);
}

unsigned
bundle_addressed(struct slice *rest)
{
	const unsigned char first = rest->n ? (unsigned char)*rest->p : 0x80;

	if (first >= 0x80)
		return 0;
	*rest = (struct slice){rest->p + 1, rest->n - 1};
	return first;
}

size_t
bundle_open(msgpack_sbuffer *out)
{
	static const char head[HEAD] = {(char)BIN32, 0, 0, 0, 0};
	const size_t mark = out->size;

	msgpack_sbuffer_write(out, head, sizeof head);
	return mark;
}

void
bundle_close(msgpack_sbuffer *out, size_t mark)
{
	const uint32_t n = (uint32_t)(out->size - mark - HEAD);
	unsigned char *head = (unsigned char *)out->data + mark;

	if (out->size < mark + HEAD)
		return; /* memory was short */
	head[1] = (unsigned char)(n >> 24);
	head[2] = (unsigned char)(n >> 16);
	head[3] = (unsigned char)(n >> 8);
	head[4] = (unsigned char)n;
}

void
bundle_drop(msgpack_sbuffer *out, size_t mark)
{
	out->size = mark;
}

void
bundle_add(msgpack_sbuffer *out, struct slice frame)
{
	const size_t mark = bundle_open(out);

	msgpack_sbuffer_write(out, frame.p, frame.n);
	bundle_close(out, mark);
}

bool
bundle_next(struct slice *rest, struct slice *frame)
{
	const unsigned char *head = (const unsigned char *)rest->p;
	uint32_t n;

	if (rest->n < HEAD || head[0] != BIN32)
		return false;
	n = (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
	if (n > rest->n - HEAD)
		return false;
	*frame = (struct slice){rest->p + HEAD, n};
	*rest = (struct slice){rest->p + HEAD + n, rest->n - HEAD - n};
	return true;
}

struct slice
bundle_of(const void *bytes, size_t n)
{
	const struct slice all = {bytes, n};
	struct slice rest = all, frame;
	size_t frames = 0;

	while (frames <= FRAMES_PER_BUNDLE && bundle_next(&rest, &frame))
		frames++;
	return frames <= FRAMES_PER_BUNDLE ? all : (struct slice){bytes, 1};
}
