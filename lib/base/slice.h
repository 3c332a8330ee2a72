/* slice - a view of bytes that somebody else owns; may hold NUL, is not terminated. */
#ifndef TROTLINE_SLICE_H
#define TROTLINE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *p; /* NULL: absent (nil on the wire) */
	size_t n;
};

/* printf("%.*s", SLICE_ARG(s)) */
#define SLICE_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct slice
slice_of(const char *text)
{
	return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
slice_is(struct slice s, const char *text)
{
	return slice_eq(s, slice_of(text));
}

/* The longest prefix of at most so many bytes that does not end inside a UTF-8 character. */
static inline struct slice
slice_cut(struct slice s, size_t most)
{
	if (s.n <= most)
		return s;
	while (most > 0 && ((unsigned char)s.p[most] & 0xc0) == 0x80)
		most--;
	return (struct slice){s.p, most};
}

/* Without the blanks, which are those of this text, at its ends. */
static inline struct slice
slice_trim(struct slice s, const char *blanks)
{
	const size_t kinds = strlen(blanks);

	while (s.n && memchr(blanks, *s.p, kinds))
		s.p++, s.n--;
	while (s.n && memchr(blanks, s.p[s.n - 1], kinds))
		s.n--;
	return s;
}

static inline bool
slice_starts(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && memcmp(s.p, prefix, n) == 0;
}

#endif
