/* standard_keys - the keys of Standard Webhooks 1.0 (standardwebhooks.com) that we sign with: a file of lines, the
 * newest first, `whsec_<base64>` (HMAC-SHA256, 24 to 64 bytes) or `whsk_<base64>` (ed25519, the private key's 32 or
 * 64 bytes), each with ` until <RFC 3339 time>` where it is on its way out; # begins a remark. */
#ifndef TROTLINE_BASE_STANDARD_KEYS_H
#define TROTLINE_BASE_STANDARD_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "slice.h"

enum { STANDARD_KEYS_MAX = 4, STANDARD_SIGNATURES = 512 };

struct standard_keys;

/* Reads and checks the file. NULL with the cause, which quotes no key: a form that is wrong is named by its line. */
struct standard_keys *standard_keys_read(const char *path, struct error *why);
void standard_keys_destroy(struct standard_keys **keys); /* wiped */

/* Makes the file, mode 0600, with one new key; one that is there stays. *made tells which. */
bool standard_keys_make(const char *path, bool *made, struct error *why);

/* Puts a new key first; those before get `until`, now_ms + grace_ms (0: they go at once). force: also while one is on
 * its way out. Whole or not at all. */
bool standard_keys_rotate(
	const char *path, uint64_t now_ms, uint64_t grace_ms, bool force, struct error *why);

struct standard_keys_facts {
	size_t live;       /* at now_ms */
	uint64_t until_ms; /* when the next one goes; 0: none does */
};
struct standard_keys_facts standard_keys_facts(const struct standard_keys *keys, uint64_t now_ms);

/* The value of webhook-signature: "v1,<base64> v1,<base64> v1a,<base64>", one a live key, at most 4, over
 * id.timestamp.body. Returns its length; 0 with the cause. */
size_t standard_keys_sign(const struct standard_keys *keys, struct slice id, uint64_t timestamp_s,
	struct slice body, uint64_t now_ms, char out[STANDARD_SIGNATURES], struct error *why);

#endif
