/* certificates - those that SNS signs with, by URL: asked without waiting, fetched in the
 * background.
 *
 * Who invents URLs uses up what his source may have fetched and no other's: each has a few places for
 * URLs that have proved nothing yet, and a few fetches under way; what waits for its first fetch is
 * not pushed out.
 *
 * In: URLs from requests of unknown senders. Out: PEM text, or nothing for now, which makes the
 * answer 503, and SNS asks again. State: at most CERTIFICATES_MAX in memory, those that were once
 * good in <data_dir>/certs as well, so that a restart fetches nothing (and a host without a way out
 * can be given them by hand: the URL in the first line, then the PEM). A kill costs the fetches
 * under way.
 *
 * What is used passes three tests: its URL's host is SNS (sns.h); it was fetched over https from
 * there, without redirects; and it is valid now and bears one of the names that SNS signs with. */
#ifndef TROTLINE_VALIDATOR_CERTIFICATES_H
#define TROTLINE_VALIDATOR_CERTIFICATES_H

#include <stdint.h>

#include "fetcher.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "lib/config/config.h"

enum {
	CERTIFICATES_MAX = 6 * CONFIG_SOURCES_MAX,
	CERTIFICATES_UNPROVED = 4,   /* of a source */
	CERTIFICATE_FETCHES = 2,     /* under way, of a source */
	CERTIFICATE_RETRY_MS = 1000, /* after a failed fetch, doubling up to: */
	CERTIFICATE_RETRY_MAX_MS = 300000,
	CERTIFICATE_ASKED_MS = 600000, /* not asked for so long: no more tries */
};

/* No source: nothing is fetched for it. */
#define CERTIFICATES_NOBODY SIZE_MAX

struct certificates;

/* Keeps its files in folder, made where it is missing. The fetcher stays the caller's and must
 * outlive it; now_ms is the wall clock. NULL with why. */
struct certificates *certificates_new(
	const char *folder, struct fetcher *fetcher, uint64_t (*now_ms)(void), struct error *why);
void certificates_destroy(struct certificates **certificates);

/* The PEM, good until the next call, or p == NULL for none now; source: any number of its own, at whose
 * cost it is fetched. */
struct slice certificates_get(struct certificates *certificates, struct slice url, size_t source);

/* The same of those that have been fetched already; nothing will be. */
struct slice certificates_known(struct certificates *certificates, struct slice url);

/* Takes in what was fetched and tries again what is due; about once a second. */
void certificates_tick(struct certificates *certificates);

#endif
