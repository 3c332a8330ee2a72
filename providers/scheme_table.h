/* scheme_table - which schemes there are, with what a source needs for each. */
#ifndef TROTLINE_PROVIDERS_SCHEME_TABLE_H
#define TROTLINE_PROVIDERS_SCHEME_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "key.h"

/* X(name, name in trotline.yaml, what its keys are, default max age, default max future, in s; 0:
 * none) The last four belong to one provider each and are not offered to others. Ages: Standard
 * Webhooks demands 300 s either way, Stripe's libraries check the age only. */
#define SCHEMES(X)                                                                                 \
	X(HMAC, "hmac", KEY_HMAC_SHA256, 0, 0)                                                     \
	X(STRIPE, "stripe", KEY_HMAC_SHA256, 300, 0)                                               \
	X(STANDARD, "standard-webhooks", KEY_STANDARD, 300, 300)                                   \
	X(BASIC, "basic", KEY_PASSWORD, 0, 0)                                                      \
	X(BEARER, "bearer", KEY_TEXT, 0, 0)                                                        \
	X(HEADER, "header", KEY_TEXT, 0, 0)                                                        \
	X(HMAC_SHA1, "hmac-sha1", KEY_HMAC_SHA1, 0, 0)                                             \
	X(ECDSA, "ecdsa", KEY_EC_P256, 0, 0)                                                       \
	X(RSA, "rsa", KEY_RSA, 0, 0)                                                               \
	X(SNS, "sns", KEY_NONE, 0, 0)

#define SCHEME_NAME(id, ...) SCHEME_##id,
enum scheme { SCHEMES(SCHEME_NAME) SCHEMES_COUNT };
#undef SCHEME_NAME

struct scheme_row {
	const char *name;
	enum key_form form;
	uint64_t max_age_ms, max_future_ms;
};

extern const struct scheme_row scheme_rows[SCHEMES_COUNT];

/* False for a name that is no scheme. */
bool scheme_find(const char *name, enum scheme *scheme);

#endif
