/* address - the one reader of e-mail addresses, as senders and people write them. Pure.
 *
 * White space around is cut, a display name goes and so do the <> behind it, and `mailto:`. What is
 * left is one address, or none with a reason: two addresses in one field are never a third. Case is
 * kept by address_find and folded by address_read: A-Z only, so an address of other letters and its
 * xn-- form stay two. */
#ifndef TROTLINE_BASE_ADDRESS_H
#define TROTLINE_BASE_ADDRESS_H

#include <stdbool.h>

#include "error.h"
#include "slice.h"

enum { ADDRESS_MAX = 320 }; /* bytes */

/* X(fault, what is said of the field) */
#define ADDRESS_FAULTS(X)                                                                          \
	X(GOOD, "")                                                                                \
	X(ABSENT, "is missing or is no text")                                                      \
	X(EMPTY, "is empty")                                                                       \
	X(LONG, "is longer than 320 bytes")                                                        \
	X(LIST, "is no e-mail address: it holds more than one")                                    \
	X(NO_AT, "is no e-mail address: it has no @")                                              \
	X(MANY_AT, "is no e-mail address: it has more than one @")                                 \
	X(BLANK, "is no e-mail address: it has white space in it")                                 \
	X(BRACKET, "is no e-mail address: it has a bracket in it")                                 \
	X(CONTROL, "is no e-mail address: it has a control character in it")                       \
	X(SIGN, "is no e-mail address: it has a character that needs quotes")                      \
	X(QUOTE, "is no e-mail address: it has a quote that does not end")                         \
	X(LOCAL, "is no e-mail address: it has nothing before the @")                              \
	X(LABEL, "is no e-mail address: a label of its domain is empty")                           \
	X(DOMAIN, "is no e-mail address: it has a character in its domain that no domain has")

#define ADDRESS_ENUM(fault, text) ADDRESS_##fault,
enum address_fault { ADDRESS_FAULTS(ADDRESS_ENUM) ADDRESS_FAULTS_COUNT };

const char *address_fault_text(enum address_fault fault);

/* *bare: the one address in the text, pointing into it; absent with any fault. */
enum address_fault address_find(struct slice text, struct slice *bare);

/* The same; writes its ASCII lower case, of as many bytes as *bare, to out. False with the fault's
 * text. */
bool address_read(struct slice text, char out[ADDRESS_MAX], struct slice *bare, struct error *why);

/* A Message-ID without the brackets and spaces around it: "<a@b>" to "a@b". Nothing is checked;
 * absent when nothing is left. */
struct slice address_unbracket(struct slice text);

#endif
