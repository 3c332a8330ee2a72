/* address - see address.h. */
#include "address.h"

static const char BLANKS[] = " \t\r\n";

struct slice
address_unbracket(struct slice text)
{
	text = slice_trim(text, BLANKS);
	if (text.n >= 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
		text = slice_trim((struct slice){text.p + 1, text.n - 2}, BLANKS);
	return text.n ? text : (struct slice){NULL, 0};
}

/* Up to the comma that ends the first address: outside quotes, and behind an '@', for a name may
 * hold a comma without quotes too. */
static size_t
first_of_list(struct slice text)
{
	bool quoted = false, at = false;

	for (size_t i = 0; i < text.n; i++) {
		const char c = text.p[i];

		if (c == '"')
			quoted = !quoted;
		else if (c == '\\')
			i += quoted;
		else if (c == '@')
			at |= !quoted;
		else if (c == ',' && at && !quoted)
			return i;
	}
	return text.n;
}

/* The last '<' opens the address: a display name may hold one in its quotes. */
struct slice
address_bare(struct slice text)
{
	const char *open;

	text = slice_trim((struct slice){text.p, first_of_list(text)}, BLANKS);
	open = text.n && text.p[text.n - 1] == '>' ? memrchr(text.p, '<', text.n) : NULL;
	if (open)
		text = (struct slice){open, (size_t)(text.p + text.n - open)};
	return address_unbracket(text);
}

static bool
plain(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
			return false;
	return true;
}

bool
address_read(struct slice address, char out[ADDRESS_MAX], struct error *why)
{
	const char *at;

	if (!address.p)
		return error_set(why, "is missing or is no text");
	if (address.n > ADDRESS_MAX)
		return error_set(why, "is longer than %d bytes", ADDRESS_MAX);
	at = memrchr(address.p, '@', address.n);
	if (!at || at == address.p || at == address.p + address.n - 1 || !plain(address))
		return error_set(why, "is no e-mail address");
	for (size_t i = 0; i < address.n; i++) {
		const char c = address.p[i];

		out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	return true;
}
