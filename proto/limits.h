/* limits - the widths of texts that travel, what who cannot be served is told, and the ways in
 * which an event can die. */
#ifndef TROTLINE_LIMITS_H
#define TROTLINE_LIMITS_H

/* Bytes at most, of UTF-8 and without an end mark. */
enum {
	WIDTH_JOURNAL = 16, /* always so many: hex digits */
	WIDTH_SOURCE = 64,
	WIDTH_TYPE = 128,
	WIDTH_ID = 512,
	WIDTH_EMAIL = 320,
	WIDTH_BATCH = 36,
	WIDTH_ORIGIN = WIDTH_JOURNAL + 1 + 20,
	WIDTH_KEY = 32, /* 128 bits in hex digits */
	WIDTH_TARGET = 8000,
	WIDTH_WORD = 16, /* a verdict, an advice */
	WIDTH_REASON = 512,
	WIDTH_WHO = 64, /* a stage or a handler */
	WIDTH_ANSWER_HEADERS = 1024,
	WIDTH_KEPT = 511, /* names of options */
};

/* Entries of a list that travels at most. */
enum {
	EVENTS_PER_VERDICT = 4096, /* of one journal; an advice likewise */
	HEADERS_PER_REQUEST = 256,
	FIGURES_PER_FRAME = 4096,
	FRAMES_PER_BUNDLE = 4096,
};

/* An event that Trotlines hand on from one to the next says so: by this header of a request, and by this
 * field of its data, which no sender writes. More of them than this lead in a circle. */
#define HOPS_HEADER "trotline-hops"
#define HOPS_FIELD "trotline_hops"
enum { HOPS_MAX = 3 };

/* Of an event that was accepted elsewhere: the names of the destinations that it is for, which had not had it there;
 * without this field all that want it. Heeded in none that has no origin, so no sender can write it. */
#define FOR_FIELD "trotline_for"

/* When who gets 503 is told to come again, where nothing is known of how long it lasts. */
enum { RETRY_AFTER_S = 5 };

/* Texts of an event's data that only describe: what is put into tables is cut at so many bytes, and the
 * event is kept whole beside it. F(name in data, most bytes): texts or numbers, then texts. */
#define CUT_IDS(F) F(campaign_id, 256) F(user_id, 256) F(list, 256)
#define CUT_TEXTS(F)                                                                               \
	F(reason, 1024)                                                                            \
	F(diagnostic, 2048)                                                                        \
	F(url, 4096)                                                                               \
	F(user_agent, 1024)                                                                        \
	F(ip, 64)

/* X(name, number on the wire and on disk, word for operators, what happened). The journal knows all
 * but the last one, which the retrier finds when it hands the event over. */
#define DEATHS(X)                                                                                  \
	X(VERDICT, 1, "verdict_dead", "verdict dead")                                              \
	X(TRIES, 2, "out_of_tries", "out of tries")                                                \
	X(LOST, 3, "handlers_lost", "its handlers went away")                                      \
	X(UNREADABLE, 4, "unreadable", "unreadable")

#define DEATH_ENUM(name, number, word, what) DEATH_##name = number,
enum death { DEATH_NOT, DEATHS(DEATH_ENUM) };

/* "0 no", for the table of frames. */
#define DEATH_DOC(name, number, word, what) #number " " what "; "

#endif
