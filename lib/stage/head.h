/* head - a request's head, byte for byte, before the HTTP library gets it: where it ends, whether it
 * is one by RFC 9112 and 9110, and where its body ends. What another server might read otherwise is
 * refused, for what stands behind it could then be taken for a request. Pure.
 *
 * The library cannot be asked: some of these heads it garbles (NUL), some it takes (a blank before a
 * colon, two Hosts), and some it refuses by answers of its own. */
#ifndef TROTLINE_STAGE_HEAD_H
#define TROTLINE_STAGE_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/slice.h"
#include "proto/limits.h"

/* X(name, status, text, when): why a request is refused for its form alone. */
#define HEAD_FAULTS(X)                                                                             \
	X(LINE, 400, "Bad request line", "its first line is no method, target and version")        \
	X(FIELD, 400, "Bad header", "its name is no token, or it is folded, or holds a control")   \
	X(HOST, 400, "Bad Host", "it has none, or two, or one that is no host")                    \
	X(FRAMING, 400, "Bad request", "the body's end is said twice, or in an unknown way")       \
	X(CHUNK, 400, "Bad chunk", "a chunked body whose chunks are none")                         \
	X(LENGTH, 413, "Body too large", "its length has more than 63 bits")                       \
	X(TARGET, 414, "Target too long", "over 8000 bytes")                                       \
	X(CODING, 415, "Unsupported Content-Encoding", "its body is packed")                       \
	X(EXPECT, 417, "Expectation failed", "it expects more than 100-continue")                  \
	X(HEADERS, 431, "Headers too large", "over limits.header_size, or too many")               \
	X(VERSION, 505, "HTTP version not supported", "it is not HTTP/1.x")

enum head_fault {
	HEAD_GOOD,
#define HEAD_FAULT(name, status, text, when) HEAD_##name,
	HEAD_FAULTS(HEAD_FAULT)
#undef HEAD_FAULT
};

unsigned head_status(enum head_fault fault);
const char *head_text(enum head_fault fault);

enum {
	HEAD_FIELDS_MAX = HEADERS_PER_REQUEST,
	HEAD_FIELD_COST = 64, /* bytes that the library takes for a field beside its text */
	HEAD_MORE = 4096, /* bytes for the first line and such costs, beside the fields' limit */
};

struct http_head {
	size_t limit; /* bytes of all its fields; set by its owner */
	size_t at;    /* bytes that have been read: whole lines */
	bool whole;   /* to its last line */
	bool old;     /* HTTP/1.0 */
	bool chunked;
	uint64_t length; /* of the body, unless chunked */
	size_t first;    /* bytes of its first line; 0: not read yet */
	size_t fields, hosts, lengths, codings;
	size_t costs; /* bytes that the library takes for it beside its text */
};

/* Reads what is new of a head that begins at bytes, of which n are there; blanks behind a value are
 * moved before it. h is all 0 but for its limit at first. Ends at h->at once h->whole. */
enum head_fault head_read(struct http_head *h, char *bytes, size_t n);

/* One line, without its end, as `name: value`; the value without the blanks around it. */
bool head_field(struct slice line, struct slice *name, struct slice *value);

/* Where the line that begins at `at` ends: behind its CR LF. 0: not there yet. *bare: at an LF
 * without CR. */
size_t head_line_end(const char *bytes, size_t at, size_t n, bool *bare);

#endif
