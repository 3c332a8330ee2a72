/* address - see address.h. */
#include "address.h"

#include <strings.h>

static const struct slice NONE = {NULL, 0};

const char *
address_fault_text(enum address_fault fault)
{
#define ADDRESS_TEXT(fault, text) [ADDRESS_##fault] = (text),
	static const char *const texts[] = {ADDRESS_FAULTS(ADDRESS_TEXT)};

	return texts[fault];
}

/* Bytes of the white space at i: ASCII's, and what pages and word processors leave around a copied
 * address: no-break, zero-width and wide spaces, marks of direction. 0: none stands there. */
static size_t
blank_at(struct slice text, size_t i)
{
	static const char *const wide[] = {"\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
		"\xe2\x81\x9f", "\xe2\x81\xa0", "\xe3\x80\x80", "\xef\xbb\xbf"};
	const unsigned char *at = (const unsigned char *)text.p + i;
	const size_t left = text.n - i;

	if (*at < 0x80)
		return *at == ' ' || (*at >= '\t' && *at <= '\r');
	if (left >= 2 && at[0] == 0xc2 && (at[1] == 0xa0 || at[1] == 0x85))
		return 2;
	if (left < 3)
		return 0;
	if (at[0] == 0xe2 && at[1] == 0x80 && at[2] <= 0x8f)
		return 3;
	for (size_t k = 0; k < sizeof wide / sizeof *wide; k++)
		if (memcmp(at, wide[k], 3) == 0)
			return 3;
	return 0;
}

/* Bytes of the white space that ends the text. */
static size_t
blank_before_end(struct slice text)
{
	for (size_t n = 1; n <= 3 && n <= text.n; n++)
		if (blank_at(text, text.n - n) == n)
			return n;
	return 0;
}

static struct slice
trim(struct slice text)
{
	size_t n;

	while (text.n && (n = blank_at(text, 0))) {
		text.p += n;
		text.n -= n;
	}
	while ((n = blank_before_end(text)))
		text.n -= n;
	return text;
}

struct slice
address_unbracket(struct slice text)
{
	text = trim(text);
	if (text.n >= 2 && text.p[0] == '<' && text.p[text.n - 1] == '>')
		text = trim((struct slice){text.p + 1, text.n - 2});
	return text.n ? text : NONE;
}

static bool
is_one_of(char c, const char *signs)
{
	return c && strchr(signs, c);
}

/* A name may hold a comma; behind an '@', or beside brackets of its own, it is no name. */
static bool
is_display_name(struct slice text)
{
	bool quoted = false, at = false;

	for (size_t i = 0; i < text.n; i++) {
		const char c = text.p[i];

		if (c == '"')
			quoted = !quoted;
		else if (c == '\\')
			i += quoted;
		else if (!quoted && (is_one_of(c, "<>") || (at && is_one_of(c, ",;"))))
			return false;
		else
			at |= c == '@' && !quoted;
	}
	return true;
}

/* The last '<' opens the address, for a name may hold one in its quotes. */
static enum address_fault
undress(struct slice *text)
{
	static const char scheme[] = "mailto:";
	const size_t n = sizeof scheme - 1;
	const char *open;

	*text = trim(*text);
	open = text->n && text->p[text->n - 1] == '>' ? memrchr(text->p, '<', text->n) : NULL;
	if (open) {
		if (!is_display_name((struct slice){text->p, (size_t)(open - text->p)}))
			return ADDRESS_LIST;
		*text = trim((struct slice){open + 1, (size_t)(text->p + text->n - open) - 2});
	}
	if (text->n >= n && strncasecmp(text->p, scheme, n) == 0)
		*text = trim((struct slice){text->p + n, text->n - n});
	return text->n ? ADDRESS_GOOD : ADDRESS_EMPTY;
}

/* What may not stand there outside of quotes. */
static enum address_fault
judge_sign(struct slice text, size_t i)
{
	const char c = text.p[i];

	if (blank_at(text, i))
		return ADDRESS_BLANK;
	if ((unsigned char)c < ' ' || c == 0x7f)
		return ADDRESS_CONTROL;
	if (is_one_of(c, ",;"))
		return ADDRESS_LIST;
	if (is_one_of(c, "()<>[]"))
		return ADDRESS_BRACKET;
	return is_one_of(c, ":\\") ? ADDRESS_SIGN : ADDRESS_GOOD;
}

/* *at: the one '@' outside of quotes. */
static enum address_fault
judge_signs(struct slice text, size_t *at)
{
	enum address_fault fault = ADDRESS_GOOD;
	bool quoted = false, found = false;

	for (size_t i = 0; i < text.n && !fault; i++) {
		const char c = text.p[i];

		if (c == '"') {
			quoted = !quoted;
		} else if (quoted) {
			i += c == '\\';
			fault = (unsigned char)c < ' ' || c == 0x7f ? ADDRESS_CONTROL : fault;
		} else if (c != '@') {
			fault = judge_sign(text, i);
		} else if (found) {
			fault = ADDRESS_MANY_AT;
		} else {
			found = true;
			*at = i;
		}
	}
	if (fault)
		return fault;
	if (quoted)
		return ADDRESS_QUOTE;
	return found ? ADDRESS_GOOD : ADDRESS_NO_AT;
}

static bool
is_domain_sign(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || (unsigned char)c >= 0x80;
}

static enum address_fault
judge_domain(struct slice domain)
{
	size_t label = 0;

	for (size_t i = 0; i < domain.n; i++) {
		if (domain.p[i] != '.' && !is_domain_sign(domain.p[i]))
			return ADDRESS_DOMAIN;
		if (domain.p[i] == '.' && !label)
			return ADDRESS_LABEL;
		label = domain.p[i] == '.' ? 0 : label + 1;
	}
	return label ? ADDRESS_GOOD : ADDRESS_LABEL;
}

static enum address_fault
judge(struct slice text)
{
	size_t at = 0;
	const enum address_fault fault = judge_signs(text, &at);

	if (fault)
		return fault;
	if (!at)
		return ADDRESS_LOCAL;
	if (text.n > ADDRESS_MAX)
		return ADDRESS_LONG;
	return judge_domain((struct slice){text.p + at + 1, text.n - at - 1});
}

enum address_fault
address_find(struct slice text, struct slice *bare)
{
	enum address_fault fault = text.p ? undress(&text) : ADDRESS_ABSENT;

	if (!fault)
		fault = judge(text);
	*bare = fault ? NONE : text;
	return fault;
}

bool
address_read(struct slice text, char out[ADDRESS_MAX], struct slice *bare, struct error *why)
{
	const enum address_fault fault = address_find(text, bare);

	if (fault)
		return error_set(why, "%s", address_fault_text(fault));
	for (size_t i = 0; i < bare->n; i++) {
		const char c = bare->p[i];

		out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	return true;
}
