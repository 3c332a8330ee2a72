/* file - files and folders of this user alone: made, written whole, read whole, flushed.
 *
 * What fails says why (which may be NULL where it is the last parameter) and leaves errno. */
#ifndef TROTLINE_BASE_FILE_H
#define TROTLINE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "error.h"
#include "slice.h"

/* Makes a folder of mode 0700; one that is there already is good. */
bool file_make_folder(const char *path, struct error *why);

/* The same with every folder on the way to a path; what follows the last slash is not made. */
bool file_make_way(const char *path, struct error *why);

/* Opens a file for reading and writing, made with mode 0600 when there is none. -1 with the cause. */
int file_open(const char *path, struct error *why);

/* Takes a file's lock (flock) for this process alone, within FILE_LOCK_MS: who only looks whether it
 * is held holds it for an instant. False, errno EWOULDBLOCK: another process has it. */
enum { FILE_LOCK_MS = 100 };
bool file_lock(int fd);

/* Makes a file of mode 0600 that was not there before (else EEXIST), open for writing; as a
 * descriptor, -1 when it fails, or as a stream, NULL then. */
int file_make(const char *path, struct error *why);
FILE *file_make_stream(const char *path, struct error *why);

/* Gives a finished file the name that it is to have, which must be free (else EEXIST), and flushes the
 * folder. False with the cause, and the file as it was. */
bool file_publish(const char *path, const char *name, struct error *why);

/* All bytes, however many writes that takes. */
bool file_write_all(int fd, struct slice bytes);

/* Puts what the n parts hold together in place of the file at path: whole, or not at all. Mode
 * 0600. If durable it is there after a power cut, too. */
bool file_replace(
	const char *path, const struct slice *parts, size_t n, bool durable, struct error *why);

/* Makes names that were given, taken or moved in a folder outlast a power cut. */
bool file_flush_folder(const char *path);

/* The same for the folder that a path's last part stands in. */
bool file_flush_around(const char *path);

/* A whole file ("-": standard input) of at most so many bytes and a NUL behind them, which the
 * caller frees. NULL with the cause. */
char *file_read(const char *path, size_t most, size_t *n, struct error *why);

/* The beginning of a file that is small by nature as a text, "" when it cannot be read; returns how
 * many bytes, at most size - 1. */
size_t file_peek(const char *path, char *out, size_t size);

/* A file that holds secrets, as a text to be given to wipe_free together with *size: regular, of
 * this user or root, closed to everybody else, at most FILE_PRIVATE_MAX bytes. What root hands to
 * another user (systemd's LoadCredential does) is read through the group's bits. NULL with the
 * cause. */
enum { FILE_PRIVATE_MAX = 64 * 1024 };
char *file_read_private(const char *path, size_t *size, struct error *why);

/* The same of a file that we have made: a symbolic link does not stand for it. */
char *file_read_own(const char *path, size_t *size, struct error *why);

/* Frees, with nothing of it left in memory. text may be NULL. */
void wipe_free(char *text, size_t size);

#endif
