/* scheme_check - see scheme_check.h. */
#include "scheme_check.h"

#include "source.h"

enum check_step
scheme_check(struct provider_source *source, struct inbound *in, struct error *why)
{
	switch (source->scheme) {
	case SCHEME_HMAC:
		return scheme_hmac_hex(source, in, "X-Signature", "sha256=", why);
	case SCHEME_STRIPE:
		return scheme_stripe(source, in, why);
	case SCHEME_STANDARD:
		return scheme_standard(source, in, why);
	case SCHEME_BASIC:
	case SCHEME_BEARER:
	case SCHEME_HEADER:
		return scheme_credentials(source, in, NULL, why);
	default:
		error_set(
			why, "scheme %s belongs to one provider", scheme_rows[source->scheme].name);
		return CHECK_UNAVAILABLE;
	}
}
