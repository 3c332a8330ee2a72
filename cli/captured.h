/* captured - a webhook request that somebody kept in a file, as the validator would be given it. */
#ifndef TROTLINE_CLI_CAPTURED_H
#define TROTLINE_CLI_CAPTURED_H

#include <stdbool.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "providers/provider.h"

/* Reads {"headers": {name: value}, "body": text or "body_b64": base64, "url": text}; body_b64 goes
 * before body. headers may also be an array of [name, value], and a value an array of texts:
 * several headers of one name. Fills headers, body and url of the request, whose zone and json the
 * caller has set; all of it lives in the zone. False with why when the file is no such thing. */
bool captured_read(const char *path, struct inbound *in, struct error *why);

/* A file's bytes ("-": standard input) in the zone; absent with why. At most CAPTURED_MAX bytes. */
enum { CAPTURED_MAX = 64 << 20 };
struct slice captured_file(const char *path, msgpack_zone *zone, struct error *why);

#endif
