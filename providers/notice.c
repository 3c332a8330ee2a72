/* notice - see notice.h. */
#include "notice.h"

#include <ctype.h>

bool
notice_no_address(const struct normal *ev)
{
	return slice_starts(ev->type, "email_") && !ev->fault && !ev->anonymous && !ev->skipped &&
	       !(ev->email.n && memchr(ev->email.p, '@', ev->email.n));
}

void
notice_kind(struct slice kind, char out[NOTICE_KIND_MAX + 1])
{
	const size_t n = kind.n < NOTICE_KIND_MAX ? kind.n : NOTICE_KIND_MAX;

	for (size_t i = 0; i < n; i++) {
		const char c = kind.p[i];

		out[i] = (char)(isalnum((unsigned char)c) || (c && strchr("._-/:+ ", c)) ? c : '?');
	}
	out[n] = '\0';
}
