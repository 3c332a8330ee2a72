/* chunks - where a chunked body ends (RFC 9112, 7.1), so that what stands behind it is known for the
 * next request. What is in the chunks is the library's. Pure. */
#ifndef TROTLINE_STAGE_CHUNKS_H
#define TROTLINE_STAGE_CHUNKS_H

#include "head.h"

enum chunk_part { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER, CHUNK_OVER };

struct chunks { /* all 0 at first */
	enum chunk_part part;
	uint64_t left;   /* bytes of data in the chunk */
	size_t trailers; /* bytes of them */
};

/* Reads *n bytes as far as they are whole: *ready of them may go to the library. What it has no use
 * for, extensions and trailers, is taken out: *n becomes less. */
enum head_fault chunks_read(struct chunks *c, char *bytes, size_t *n, size_t *ready);

/* What ends the body rightly behind what is ready: a library in the middle of it must get out. */
const char *chunks_rest(const struct chunks *c);

#endif
