/* notice - see notice.h. */
#include "notice.h"

#include <ctype.h>

bool
notice_no_address(const struct normal *ev)
{
	return slice_starts(ev->type, "email_") && !ev->fault && !ev->anonymous && !ev->skipped &&
	       !ev->email.n;
}

/* What one person did that is only counted, then what suppresses or lifts. */
static const char *const acts[] = {"email_opened", "email_clicked", "email_replied",
	"email_bounced", "email_blocked", "email_complained", "email_unsubscribed",
	"email_subscribed", NULL};
enum { COUNTED = 2 };

static bool
is_one_of(struct slice type, const char *const list[], size_t n)
{
	for (size_t i = 0; i < n && list[i]; i++)
		if (slice_is(type, list[i]))
			return true;
	return false;
}

bool
notice_is_act(struct slice type)
{
	return is_one_of(type, acts, sizeof acts / sizeof *acts);
}

void
notice_settle(struct normal *ev)
{
	ev->anonymous = ev->anonymous && notice_is_act(ev->type);
	if (!ev->anonymous)
		return;
	ev->email = (struct slice){NULL, 0};
	if (is_one_of(ev->type, acts, COUNTED))
		return;
	ev->type = slice_of("unknown");
	ev->bounce_class = (struct slice){NULL, 0};
	ev->cause = BOUNCE_NONE;
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
