/* scheme_credentials - basic auth, bearer tokens and secret headers: nothing is signed, the sender
 * only shows what it was given. See scheme.h. */
#include <strings.h>

#include "scheme.h"
#include "source.h"

static const char AUTHORIZATION[] = "Authorization", SECRET_HEADER[] = "X-Webhook-Token";

/* "Basic <rest>": the scheme's name in any case (RFC 9110 section 11.1), then spaces. */
static bool
after_scheme(struct slice value, const char *scheme, struct slice *rest)
{
	const size_t n = strlen(scheme);

	if (value.n <= n || strncasecmp(value.p, scheme, n) != 0 || value.p[n] != ' ')
		return false;
	*rest = (struct slice){value.p + n, value.n - n};
	while (rest->n && *rest->p == ' ')
		rest->p++, rest->n--;
	return rest->n > 0;
}

static bool
any_text_is(struct provider_source *source, struct slice given)
{
	bool is = false;

	for (size_t i = 0; i < source->keys_count; i++)
		is |= key_text_is(source->keys[i], given);
	return is;
}

static bool
basic(struct provider_source *source, struct inbound *in, const char *name, struct slice value,
	struct error *why)
{
	struct slice rest, given;

	if (!after_scheme(value, "Basic", &rest))
		return error_set(why, "header %s is not Basic and base64", name);
	given = decode_base64(rest, BASE64_STRICT, in->zone);
	if (!given.p)
		return error_set(why, "what follows Basic in header %s is not base64", name);
	return any_text_is(source, given) ||
	       error_set(why, "user and password in header %s are none of the live ones", name);
}

static bool
bearer(struct provider_source *source, const char *name, struct slice value, struct error *why)
{
	struct slice given;

	if (!after_scheme(value, "Bearer", &given))
		return error_set(why, "header %s is not Bearer and a token", name);
	return any_text_is(source, given) ||
	       error_set(why, "the token in header %s is none of the live ones", name);
}

enum check_step
scheme_credentials(struct provider_source *source, struct inbound *in, const char *secret_header,
	struct error *why)
{
	const bool plain = source->scheme == SCHEME_HEADER;
	const char *usual = secret_header ? secret_header : SECRET_HEADER;
	const char *name = source->options.header ? source->options.header
			   : plain                ? usual
						  : AUTHORIZATION;
	const struct slice value = header_only(in->headers, name, why);
	bool good;

	if (!value.p)
		return CHECK_SIGNATURE;
	if (source->scheme == SCHEME_BASIC)
		good = basic(source, in, name, value, why);
	else if (source->scheme == SCHEME_BEARER)
		good = bearer(source, name, value, why);
	else
		good = any_text_is(source, value) ||
		       error_set(why, "the value of header %s is no live secret", name);
	return good ? CHECK_ACCEPTED : CHECK_SIGNATURE;
}
