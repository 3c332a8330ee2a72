/* advice - the commands that alerts, banners, errors and notices tell to type, all of them, so that each
 * can be tried: every text that names one takes it from here. Pure. */
#ifndef TROTLINE_CONFIG_ADVICE_H
#define TROTLINE_CONFIG_ADVICE_H

/* X(name, the verb and what follows it, with %s for what is known only when it is said) */
#define ADVICES(X)                                                                                 \
	X(UP, "up")                                                                                \
	X(CHECK, "check")                                                                          \
	X(STATUS, "status")                                                                        \
	X(RELOAD, "reload")                                                                        \
	X(REFUSED, "tap --kind refused")                                                           \
	X(EVENT, "event %s")                                                                       \
	X(FSCK_REPAIR, "fsck --repair")                                                            \
	X(RETRY, "retry")                                                                          \
	X(LETTERS, "dlq list")                                                                     \
	X(LETTERS_SINCE, "dlq list --since %s")                                                    \
	X(LETTERS_OF, "dlq list --source %s")                                                      \
	X(LETTERS_REPLAY, "dlq replay --since %s")                                                 \
	X(LETTERS_EXPORT, "dlq export --output letters.jsonl")                                     \
	X(LETTERS_EXPORT_EVENTS, "dlq export --events --output letters.json")                      \
	X(LETTERS_SEND, "send --batch letters.json")                                               \
	X(SEND_BATCH, "send --batch %s")                                                           \
	X(FORWARD_LIST, "forward list")                                                            \
	X(REPLAY, "replay --to %s")                                                                \
	X(REPLAY_SHOW, "replay show %s")                                                           \
	X(FORWARD_SHOW, "forward show %s")                                                         \
	X(FORWARD_ATTEMPTS, "forward attempts %s")                                                 \
	X(FORWARD_ENABLE, "forward enable %s")                                                     \
	X(FORWARD_LETTERS, "forward dlq list %s")                                                  \
	X(UNREAD_OF, "unread list --source %s")                                                    \
	X(UNREAD_EXPORT, "unread export")                                                          \
	X(UNREAD_DROP, "unread drop --yes")

#define ADVICE_NAME(name, words) ADVICE_##name,
enum advised { ADVICES(ADVICE_NAME) ADVICE_COUNT };

enum { ADVICE_BYTES = 512 };

/* "`trotline dlq list --since 2m -c /etc/trotline.yaml`" into out, which it returns. path: of the
 * configuration, or NULL where it is the one that is taken without -c. what: for %s, or NULL. Both are
 * quoted where a shell would not take them as they are. */
const char *advice(enum advised which, const char *what, const char *path, char out[ADVICE_BYTES]);

#endif
