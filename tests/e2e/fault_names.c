/* fault_names - names that resolve as a test says, and a network that ends at this machine: put before libc with
 * LD_PRELOAD.
 *
 * The file named by NAMES_FILE has lines `NAME ANSWER [| ANSWER]...`: the first look-up of the name gets the first
 * answer, and so on; the last one stays. An answer is numeric addresses, or NXDOMAIN; `slow=MS` before it makes it
 * late. Names that are not in it resolve to nothing. The file is read anew each time.
 *
 * Nothing but loopback is ever dialled: another address is EHOSTUNREACH, and what was tried is a line in the file
 * named by DIALLED_FILE, `ADDRESS PORT`. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 512, NAMES = 32 };

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* How often a name was looked up before. */
static int
looked_up(const char *name)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct {
		char name[LINE];
		int count;
	} all[NAMES];
	int before = 0;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < NAMES; i++) {
		if (!all[i].name[0])
			snprintf(all[i].name, LINE, "%s", name);
		if (strcmp(all[i].name, name) == 0) {
			before = all[i].count++;
			break;
		}
	}
	pthread_mutex_unlock(&lock);
	return before;
}

/* The part of the line that answers this look-up. */
static char *
answer_of(char *line, int nth)
{
	char *save, *part = strtok_r(line, "|", &save), *next;

	while (nth-- > 0 && (next = strtok_r(NULL, "|", &save)))
		part = next;
	return part;
}

/* What follows the name in its line. */
static bool
find_line(const char *name, char line[LINE])
{
	const char *path = getenv("NAMES_FILE");
	FILE *f = path ? fopen(path, "re") : NULL;
	const size_t n = strlen(name);
	bool found = false;

	while (f && !found && fgets(line, LINE, f)) {
		line[strcspn(line, "\n")] = 0;
		found = strncmp(line, name, n) == 0 && line[n] == ' ';
	}
	if (f)
		fclose(f);
	if (found)
		memmove(line, line + n, strlen(line + n) + 1);
	return found;
}

static void
be_late(const char *word)
{
	const long ms = atol(word);

	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static int
answer(char *words, const char *service, const struct addrinfo *hints, struct addrinfo **all)
{
	struct addrinfo numeric = hints ? *hints : (struct addrinfo){0}, **end = all;
	char *save;

	numeric.ai_flags = AI_NUMERICHOST;
	numeric.ai_family = AF_UNSPEC;
	*all = NULL;
	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (strncmp(word, "slow=", 5) == 0)
			be_late(word + 5);
		else if (REAL(getaddrinfo)(word, service, &numeric, end) != 0)
			return EAI_NONAME;
		while (*end)
			end = &(*end)->ai_next;
	}
	return *all ? 0 : EAI_NONAME;
}

int
getaddrinfo(
	const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **all)
{
	char line[LINE], number[sizeof(struct in6_addr)];

	if (!name || inet_pton(AF_INET, name, number) == 1 ||
		inet_pton(AF_INET6, name, number) == 1)
		return REAL(getaddrinfo)(name, service, hints, all);
	if (!find_line(name, line))
		return EAI_NONAME;
	return answer(answer_of(line, looked_up(name)), service, hints, all);
}

static bool
is_near(const struct sockaddr *to)
{
	const struct sockaddr_in *four = (const void *)to;
	const struct sockaddr_in6 *six = (const void *)to;

	return to->sa_family == AF_INET    ? ntohl(four->sin_addr.s_addr) >> 24 == 127
	       : to->sa_family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&six->sin6_addr)
					   : true;
}

static void
note(const struct sockaddr *to, socklen_t n)
{
	const char *path = getenv("DIALLED_FILE");
	const int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (fd < 0)
		return;
	if (getnameinfo(to, n, host, sizeof host, port, sizeof port,
		    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		dprintf(fd, "%s %s\n", host, port);
	close(fd);
}

int
connect(int fd, const struct sockaddr *to, socklen_t n)
{
	if (is_near(to))
		return REAL(connect)(fd, to, n);
	note(to, n);
	errno = EHOSTUNREACH;
	return -1;
}
