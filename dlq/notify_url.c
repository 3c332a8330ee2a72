/* notify_url - a notice as an HTTP POST; see notify_way.h. */
#include "lib/base/fetch.h"
#include "notify_way.h"

bool
notify_url(const char *url, const char *text, const struct notify_limits *limits, struct error *why)
{
	const struct fetch_header headers[] = {
		{slice_of("Accept"), slice_of("*/*")},
		{slice_of("Content-Type"), slice_of("application/json")},
	};
	const struct fetch_limits to = {
		.timeout_ms = limits->timeout_ms, .stop = limits->stop, .plain = true};
	struct fetch *f = fetch_new(&to); /* which starts libcurl at the first notice: 2 MB */
	struct fetch_answer answer;
	bool sent = false;

	if (!f)
		error_set(why, "notify.url: cannot start libcurl");
	else if (!fetch_post(f, url, slice_of(text), headers, 2, &answer, why))
		error_wrap(why, "notify.url");
	else if (answer.status / 100 != 2)
		error_set(why, "notify.url answered %ld", answer.status);
	else
		sent = true;
	fetch_destroy(&f);
	return sent;
}
