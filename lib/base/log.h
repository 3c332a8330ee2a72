/* log - one logfmt line a fact on stderr: time, level, stage, what happened, then its fields.
 *
 * ts=2026-01-02T03:04:05.678Z level=info stage=router msg=routed seq=12 id=evt_1
 *
 * Lines are buffered and written by log_flush, which the stage loop calls within 100 ms; warnings
 * and errors are written at once. Never give a secret or a body to a log field. */
#ifndef TROTLINE_LOG_H
#define TROTLINE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };

struct log_field {
	const char *key;
	enum { LOG_FIELD_TEXT, LOG_FIELD_UINT, LOG_FIELD_INT } kind;
	struct slice text; /* quoted and escaped when needed; cut at 256 bytes */
	uint64_t number;
};

#define LF_SLICE(key_, s_) ((struct log_field){.key = (key_), .kind = LOG_FIELD_TEXT, .text = (s_)})
#define LF_TEXT(key_, s_) LF_SLICE(key_, slice_of(s_))
#define LF_UINT(key_, n_)                                                                          \
	((struct log_field){.key = (key_), .kind = LOG_FIELD_UINT, .number = (uint64_t)(n_)})
#define LF_INT(key_, n_)                                                                           \
	((struct log_field){                                                                       \
		.key = (key_), .kind = LOG_FIELD_INT, .number = (uint64_t)(int64_t)(n_)})

/* log_info("routed", LF_UINT("seq", seq)): a level, a short fixed text, at least one field. */
#define LOG_AT(level_, msg_, ...)                                                                  \
	do {                                                                                       \
		if (log_enabled(level_)) {                                                         \
			const struct log_field log_fields_[] = {__VA_ARGS__};                      \
			log_line(level_, msg_, log_fields_,                                        \
				sizeof log_fields_ / sizeof *log_fields_);                         \
		}                                                                                  \
	} while (0)
#define log_debug(...) LOG_AT(LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) LOG_AT(LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) LOG_AT(LEVEL_WARN, __VA_ARGS__)
#define log_error(...) LOG_AT(LEVEL_ERROR, __VA_ARGS__)

/* Names the stage in every line from here on; the text must outlive the process. */
void log_open(const char *stage, enum log_level least);
void log_set_level(enum log_level least);
bool log_enabled(enum log_level level);
void log_line(enum log_level level, const char *msg, const struct log_field *fields, size_t n);
void log_flush(void);

/* Whether there are lines that are not written yet. */
bool log_pending(void);

/* "debug", "info", "warn", "error" to a level; false for anything else. */
bool log_level_parse(const char *name, enum log_level *level);

#endif
