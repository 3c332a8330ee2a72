/* scheme_table - which schemes there are, with what a source needs for each. */
#ifndef TROTLINE_PROVIDERS_SCHEME_TABLE_H
#define TROTLINE_PROVIDERS_SCHEME_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "key.h"

/* X(name, name in trotline.yaml, what its keys are) The last four belong to one provider each and
 * are not offered to others. */
#define SCHEMES(X)                                                                                 \
	X(HMAC, "hmac", KEY_HMAC_SHA256)                                                           \
	X(STRIPE, "stripe", KEY_HMAC_SHA256)                                                       \
	X(STANDARD, "standard-webhooks", KEY_STANDARD)                                             \
	X(BASIC, "basic", KEY_PASSWORD)                                                            \
	X(BEARER, "bearer", KEY_TEXT)                                                              \
	X(HEADER, "header", KEY_TEXT)                                                              \
	X(HMAC_SHA1, "hmac-sha1", KEY_HMAC_SHA1)                                                   \
	X(ECDSA, "ecdsa", KEY_EC_P256)                                                             \
	X(RSA, "rsa", KEY_RSA)                                                                     \
	X(SNS, "sns", KEY_NONE)

#define SCHEME_NAME(id, ...) SCHEME_##id,
enum scheme { SCHEMES(SCHEME_NAME) SCHEMES_COUNT };
#undef SCHEME_NAME

struct scheme_row {
	const char *name;
	enum key_form form;
};

extern const struct scheme_row scheme_rows[SCHEMES_COUNT];

/* False for a name that is no scheme. */
bool scheme_find(const char *name, enum scheme *scheme);

#endif
