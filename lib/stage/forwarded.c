/* forwarded - see forwarded.h. */
#include "forwarded.h"

#include <string.h>
#include <strings.h>

static const char BLANKS[] = " \t\""; /* and the quotes of RFC 7239 */

/* Cuts off what stands before the mark. */
static struct slice
cut(struct slice *rest, char mark)
{
	const char *end = memchr(rest->p, mark, rest->n);
	const struct slice part = {rest->p, end ? (size_t)(end - rest->p) : rest->n};

	*rest = end ? (struct slice){end + 1, rest->n - part.n - 1}
		    : (struct slice){rest->p + rest->n, 0};
	return slice_trim(part, BLANKS);
}

/* `for=192.0.2.1;proto=https` */
static struct slice
address_of(struct slice element)
{
	while (element.n > 0) {
		struct slice value = cut(&element, ';');

		if (value.n > 4 && strncasecmp(value.p, "for=", 4) == 0)
			return slice_trim((struct slice){value.p + 4, value.n - 4}, BLANKS);
	}
	return element;
}

bool
forwarded_trusts(const struct network *trusted, size_t count, const struct peer *whole)
{
	for (size_t i = 0; i < count; i++)
		if (network_holds(&trusted[i], whole))
			return true;
	return false;
}

void
forwarded_read(struct forwarded *f, struct slice value)
{
	while (value.n > 0) {
		struct slice text = cut(&value, ',');
		struct peer peer = {{0}};

		if (f->by_rfc)
			text = address_of(text);
		if (peer_read(text, &peer) && f->found &&
			forwarded_trusts(f->trusted, f->trusted_count, &peer))
			continue;
		f->client = peer;
		f->found = true;
	}
}
