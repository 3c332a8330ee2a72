/* intake - what of the bytes that come on a connection may go to the HTTP library: heads when they
 * are whole and good, of a body what is its own, and nothing that stands behind it before its
 * request has been answered. Pure.
 *
 * In place of a head that is none the library gets another, which it will ask its owner about, so
 * that the answer is ours; nothing of that connection is read again. */
#ifndef TROTLINE_STAGE_INTAKE_H
#define TROTLINE_STAGE_INTAKE_H

#include "chunks.h"
#include "head.h"

enum intake_part { INTAKE_HEAD, INTAKE_BODY, INTAKE_CHUNKS, INTAKE_WHOLE, INTAKE_CLOSED };

struct intake {
	enum intake_part part;
	enum head_fault fault; /* of the request; INTAKE_CLOSED then */
	size_t empty;          /* bytes of empty lines before its head */
	struct http_head head;
	struct chunks chunks;
	uint64_t left;        /* bytes of a body that is not chunked */
	struct slice instead; /* goes to the library behind what is ready */
};

/* For the first, and after a request has been answered for the next one, whose fields may have so
 * many bytes. */
void intake_begin(struct intake *in, size_t limit);

/* Returns how many bytes at the front may go to the library. What stands behind them is to be shown
 * again, with what has come then at its end. *n may become less: some bytes are no use to it. */
size_t intake_sort(struct intake *in, char *bytes, size_t *n);

#endif
