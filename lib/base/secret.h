/* secret - a random secret in a file of its own. */
#ifndef TROTLINE_BASE_SECRET_H
#define TROTLINE_BASE_SECRET_H

#include <stdbool.h>

#include "error.h"

/* Makes the file, mode 0600, with `before`, 256 random bits as hex digits and a line end: whole or not at all,
 * flushed, and through no symbolic link. One that is there stays as it is, whatever it is; *made tells
 * which. False with the cause. */
bool secret_make(const char *path, const char *before, bool *made, struct error *why);

#endif
