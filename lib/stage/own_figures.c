/* own_figures - see own_figures.h. */
#include "own_figures.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bad_frame.h"
#include "lib/base/file.h"

static double
cpu_seconds(void)
{
	struct rusage use;

	if (getrusage(RUSAGE_SELF, &use) != 0)
		return 0;
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* Bytes; 0 when that cannot be told. */
static double
memory_bytes(void)
{
	unsigned long long size, resident = 0;
	char text[128];

	file_peek("/proc/self/statm", text, sizeof text);
	if (sscanf(text, "%llu %llu", &size, &resident) != 2)
		return 0;
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* But for ".", ".." and the one that looks. */
static double
descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	double n = -3;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static double
descriptors_most(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : 0;
}

void
own_figures_open(struct own_figures *f, struct metrics *m, const char *stage, bool restarted,
	uint64_t now_ms)
{
	char labels[2 * METRIC_LABELS_MAX] = "";

	metric_label(f->label, sizeof f->label, "stage", slice_of(stage));
	f->metrics = m;
	f->cpu_before = *metric(m, METRIC_FAMILY_CPU, f->label);
	snprintf(labels, sizeof labels, "%s", f->label);
	metric_label(labels, sizeof labels, "version", slice_of(TROTLINE_VERSION));
	*metric(m, METRIC_FAMILY_BUILD, labels) = 1;
	*metric(m, METRIC_FAMILY_RESTARTS, f->label) += restarted;
	*metric(m, METRIC_FAMILY_STARTED, f->label) = (double)now_ms / 1e3;
	bad_frame_open(m, stage);
	own_figures_configured(f, true, now_ms);
	own_figures_look(f);
}

void
own_figures_configured(struct own_figures *f, bool taken, uint64_t now_ms)
{
	*metric(f->metrics, METRIC_FAMILY_RELOADED, f->label) = taken;
	if (taken)
		*metric(f->metrics, METRIC_FAMILY_RELOADED_AT, f->label) = (double)now_ms / 1e3;
}

void
own_figures_look(struct own_figures *f)
{
	struct metrics *m = f->metrics;

	*metric(m, METRIC_FAMILY_CPU, f->label) = f->cpu_before + cpu_seconds();
	*metric(m, METRIC_FAMILY_MEMORY, f->label) = memory_bytes();
	*metric(m, METRIC_FAMILY_DESCRIPTORS, f->label) = descriptors();
	*metric(m, METRIC_FAMILY_DESCRIPTORS_MAX, f->label) = descriptors_most();
}
