/* smtp - see smtp.h. Texts are what other mail servers said, in any form. */
#include "smtp.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool
digit_at(struct slice text, size_t i)
{
	return i < text.n && text.p[i] >= '0' && text.p[i] <= '9';
}

static bool
word_at(struct slice text, size_t i)
{
	return i < text.n && (isalnum((unsigned char)text.p[i]) || text.p[i] == '_');
}

/* 1 to 3 digits from *i on. */
static bool
take_part(struct slice text, size_t *i)
{
	const size_t start = *i;

	while (*i - start < 3 && digit_at(text, *i))
		(*i)++;
	return *i > start;
}

/* Length of the enhanced code that starts at i; 0 for none. */
static size_t
enhanced_at(struct slice text, size_t i)
{
	size_t at = i + 1;

	if (i >= text.n || !strchr("245", text.p[i]) || !text.p[i])
		return 0;
	if (at >= text.n || text.p[at++] != '.' || !take_part(text, &at))
		return 0;
	if (at >= text.n || text.p[at++] != '.' || !take_part(text, &at))
		return 0;
	if (word_at(text, at) || (at + 1 < text.n && text.p[at] == '.' && digit_at(text, at + 1)))
		return 0;
	return at - i;
}

static bool
starts_word(struct slice text, size_t i)
{
	return i == 0 || !(word_at(text, i - 1) || text.p[i - 1] == '.' || text.p[i - 1] == '/');
}

struct slice
smtp_enhanced(struct slice reason)
{
	for (size_t i = 0; i < reason.n; i++) {
		const size_t n = starts_word(reason, i) ? enhanced_at(reason, i) : 0;

		if (n)
			return (struct slice){reason.p + i, n};
	}
	return (struct slice){NULL, 0};
}

/* The reply code that starts at i; 0 for none. */
static uint64_t
code_at(struct slice text, size_t i)
{
	if (!digit_at(text, i) || !digit_at(text, i + 1) || !digit_at(text, i + 2))
		return 0;
	if (text.p[i] < '2' || text.p[i] > '5' || word_at(text, i + 3))
		return 0;
	if (i + 3 < text.n && (text.p[i + 3] == '.' || text.p[i + 3] == ','))
		return 0;
	return (uint64_t)((text.p[i] - '0') * 100 + (text.p[i + 1] - '0') * 10 +
			  (text.p[i + 2] - '0'));
}

/* Behind "smtp;", spaces and an opening bracket. */
static size_t
skip_lead(struct slice text)
{
	static const char LEAD[] = "smtp;";
	size_t i = 0;

	if (text.n >= sizeof LEAD - 1 && strncasecmp(text.p, LEAD, sizeof LEAD - 1) == 0)
		i = sizeof LEAD - 1;
	while (i < text.n && (text.p[i] == ' ' || text.p[i] == '(' || text.p[i] == '['))
		i++;
	return i;
}

uint64_t
smtp_code(struct slice reason)
{
	uint64_t code = code_at(reason, skip_lead(reason));

	for (size_t i = 0; !code && i + 4 < reason.n; i++) {
		if (starts_word(reason, i) && (reason.p[i + 3] == ' ' || reason.p[i + 3] == '-') &&
			enhanced_at(reason, i + 4))
			code = code_at(reason, i);
	}
	return code;
}
