/* error - the cause of a failure, carried to the one place that logs or prints it. */
#ifndef TROTLINE_ERROR_H
#define TROTLINE_ERROR_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { ERROR_TEXT_MAX = 512 };

struct error {
	char text[ERROR_TEXT_MAX]; /* one line, no newline, never a secret */
};

/* Writes the cause; what does not fit is cut. err may be NULL. Always returns false, so that a
 * function can end with `return error_set(err, ...)`. */
__attribute__((format(printf, 2, 3))) bool error_set(struct error *err, const char *fmt, ...);

/* Puts "<context>: " before the cause that is there already. Always returns false. */
__attribute__((format(printf, 2, 3))) bool error_wrap(struct error *err, const char *fmt, ...);

/* Puts "(path)" in place of each path of this machine: for what strangers are told. */
void error_hide_paths(struct error *err);

#ifdef __cplusplus
}
#endif

#endif
