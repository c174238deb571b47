// SPDX-License-Identifier: GPL-2.0
/*
 * The test device as functions, the files that an area has, bounded waits and
 * samples. No KTAP result is reported here: see cma_util.h.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "cma_util.h"

int cma_dev = -1;
jmp_buf cma_case_end;
const char * const cma_areas[CMA_AREAS] = { AREA_TEST, AREA_WHOLE, AREA_BITS };

/* Back to the loop over the cases. */
void cma_fail(const char *file, int line, const char *what,
	      const char *fmt, ...)
{
	va_list args;

	printf("# %s:%d: %s: ", file, line, what);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	longjmp(cma_case_end, 1);
}

/* The device. */

int cma_dev_open(void)
{
	int dev;

	/* Mounted already on most systems: then this changes nothing. */
	if (access("/sys/kernel/debug/cma", F_OK))
		mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	dev = open(CMA_TEST_PATH, O_RDWR | O_CLOEXEC);
	return dev < 0 ? -errno : dev;
}

static void set_name(char *to, const char *area)
{
	snprintf(to, CMA_TEST_NAME_LEN, "%s", area);
}

/* Returns 0, or a negative error of the device or of the request. */
int cma_request(int dev, const char *area, uint64_t count, uint32_t align,
		uint32_t flags, struct cma_test_alloc *req)
{
	memset(req, 0, sizeof(*req));
	set_name(req->area, area);
	req->count = count;
	req->align = align;
	req->flags = flags;
	if (ioctl(dev, CMA_TEST_ALLOC, req))
		return -errno;
	return req->error;
}

int cma_take(const char *area, uint64_t count, uint32_t align,
	     struct cma_test_alloc *req)
{
	return cma_request(cma_dev, area, count, align, CMA_TEST_NO_WARN, req);
}

int cma_give_dev(int dev, uint32_t handle)
{
	struct cma_test_release req = { .handle = handle };

	if (ioctl(dev, CMA_TEST_RELEASE, &req))
		return -errno;
	return req.result ? 0 : -EFAULT;
}

int cma_give(uint32_t handle)
{
	return cma_give_dev(cma_dev, handle);
}

static int range_call(unsigned long cmd, const char *area,
		      struct cma_test_range *req)
{
	set_name(req->area, area);
	return ioctl(cma_dev, cmd, req) ? -errno : (int)req->result;
}

/* Returns what the kernel function answered, 0 or 1, or a negative error. */
int cma_pages_valid(const char *area, uint64_t pfn, uint64_t count)
{
	struct cma_test_range req = { .pfn = pfn, .count = count };

	return range_call(CMA_TEST_PAGES_VALID, area, &req);
}

/* The same. @mine: an end of a block of ours, so the record loses it, too. */
int cma_release_raw(const char *area, uint64_t pfn, uint64_t count, bool mine)
{
	struct cma_test_range req = {
		.pfn = pfn, .count = count, .mine = mine,
	};

	return range_call(CMA_TEST_RELEASE_RAW, area, &req);
}

int cma_fill(int dev, uint32_t handle, uint64_t seed)
{
	struct cma_test_fill req = { .handle = handle, .seed = seed };

	return ioctl(dev, CMA_TEST_FILL, &req) ? -errno : 0;
}

bool cma_intact(int dev, uint32_t handle, uint64_t seed)
{
	struct cma_test_fill req = { .handle = handle, .seed = seed };

	if (ioctl(dev, CMA_TEST_CHECK, &req))
		return false;
	if (req.bad != CMA_TEST_NO_BAD)
		ksft_print_msg("block %u: wrong content at offset %llu\n",
			       handle, req.bad);
	return req.bad == CMA_TEST_NO_BAD;
}

int cma_share(const char *area, struct cma_test_share *share)
{
	memset(share, 0, sizeof(*share));
	set_name(share->area, area);
	return ioctl(cma_dev, CMA_TEST_SHARE, share) ? -errno : 0;
}

/*
 * Share of the area that borrowers hold, in percent; negative if unknown.
 * Pages on their way to a device are neither free nor lent.
 */
double cma_lent_percent(const char *area)
{
	struct cma_test_share s;

	if (cma_share(area, &s) || !s.count)
		return -1;
	return 100.0 * (s.anon + s.shmem + s.file) / s.count;
}

long cma_largest(const char *area)
{
	struct cma_test_largest req = { .align = 0 };

	set_name(req.area, area);
	return ioctl(cma_dev, CMA_TEST_LARGEST, &req) ? -errno : req.pages;
}

int cma_area_get(const char *name, struct cma_area *area)
{
	struct cma_test_info req = { .count = 0 };

	set_name(req.area, name);
	if (ioctl(cma_dev, CMA_TEST_INFO, &req))
		return -errno;
	area->name = name;
	area->base = req.base_pfn;
	area->count = req.count;
	area->order_per_bit = cma_debugfs(name, "order_per_bit");
	return 0;
}

/* Nothing of the area is held by a device, and all of it can be. */
bool cma_is_whole(const char *area)
{
	struct cma_test_alloc req;
	struct cma_area a;
	int err;

	if (cma_debugfs(area, "used"))
		return false;
	if (cma_area_get(area, &a))
		return false;
	err = cma_take(area, a.count, 0, &req);
	if (err) {
		ksft_print_msg("%s: whole area: %s\n", area, strerror(-err));
		return false;
	}
	return !cma_give(req.handle) && !cma_debugfs(area, "used");
}

/* Makes an area empty of loans, but for those of programs at work. */
bool cma_empty_area(const char *area)
{
	struct cma_test_share s;
	int tries;

	for (tries = 0; tries < 10; tries++) {
		if (cma_share(area, &s))
			return false;
		if (s.free + CMA_FEW_PAGES >= s.count)
			return true;
		/* The base kernel's allocator may get it next time. */
		if (!cma_is_whole(area) && cma_is_lend())
			return false;
	}
	return false;
}

/* Files. */

/* Returns the length read, or a negative error; @buf ends in a zero. */
int cma_read_text(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t done = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (done < size - 1) {
		n = read(fd, buf + done, size - 1 - done);
		if (n <= 0)
			break;
		done += n;
	}
	if (n < 0)
		n = -errno;
	close(fd);
	buf[done] = '\0';
	return n < 0 ? n : (int)done;
}

int cma_write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int cma_read_number(const char *path, unsigned long long *value)
{
	char buf[64], *end;
	int n = cma_read_text(path, buf, sizeof(buf));

	if (n < 0)
		return n;
	*value = strtoull(buf, &end, 0);
	return end == buf || (*end && *end != '\n') ? -EINVAL : 0;
}

static void area_path(char *path, size_t size, const char *root,
		      const char *area, const char *file)
{
	snprintf(path, size, "%s/%s/%s", root, area, file);
}

#define SYSFS_ROOT	"/sys/kernel/mm/cma"
#define DEBUGFS_ROOT	"/sys/kernel/debug/cma"

/* A missing file reads as ~0, which no counter and no geometry is. */
static unsigned long long area_number(const char *root, const char *area,
				      const char *file)
{
	unsigned long long value;
	char path[256];

	area_path(path, sizeof(path), root, area, file);
	return cma_read_number(path, &value) ? ~0ULL : value;
}

unsigned long long cma_sysfs(const char *area, const char *file)
{
	return area_number(SYSFS_ROOT, area, file);
}

unsigned long long cma_debugfs(const char *area, const char *file)
{
	return area_number(DEBUGFS_ROOT, area, file);
}

int cma_debugfs_write(const char *area, const char *file, const char *text)
{
	char path[256];

	area_path(path, sizeof(path), DEBUGFS_ROOT, area, file);
	return cma_write_text(path, text);
}

/* The allocator that lends has counters that the base kernel's has not. */
bool cma_is_lend(void)
{
	return cma_sysfs(AREA_TEST, "alloc_requests_success") != ~0ULL;
}

/* Limits are for kernels without checkers: with them everything takes longer. */
unsigned int cma_slow(unsigned int limit)
{
	return access("/proc/lockdep_stats", F_OK) ? limit : 10 * limit;
}

static int find_key(char *text, const char *key, unsigned long long *value)
{
	size_t len = strlen(key);
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, key, len))
			continue;
		if (line[len] != ' ' && line[len] != ':' && line[len] != '\t')
			continue;
		return sscanf(line + len + 1, "%llu", value) == 1 ? 0 : -EINVAL;
	}
	return -ENOENT;
}

/* To whom the area lends: all, file or none. */
int cma_set_lend(const char *area, const char *policy)
{
	char path[256];

	area_path(path, sizeof(path), SYSFS_ROOT, area, "lend");
	return cma_write_text(path, policy);
}

/* The same for all others: with none, what borrows goes to @area. */
int cma_lend_others(const char *area, const char *policy)
{
	int err = cma_set_lend(AREA_DEFAULT, policy);
	unsigned int i;

	if (err == -ENOENT)
		err = 0;
	for (i = 0; i < CMA_AREAS; i++)
		if (strcmp(cma_areas[i], area))
			err = cma_set_lend(cma_areas[i], policy) ?: err;
	return err;
}

/* Who was to be killed before cma_spare_all(), and how gladly. */
static struct {
	char path[64];
	char score[16];
} spared[256];

static unsigned int nr_spared;

static void spare(const char *pid)
{
	char *path = spared[nr_spared].path, *score = spared[nr_spared].score;

	snprintf(path, sizeof(spared->path), "/proc/%.20s/oom_score_adj", pid);
	if (cma_read_text(path, score, sizeof(spared->score)) >= 0 &&
	    atoi(score) > -1000 && !cma_write_text(path, "-1000"))
		nr_spared++;
}

/* Nobody is to be killed, until cma_unspare_all(). */
void cma_spare_all(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && nr_spared < ARRAY_SIZE(spared) && (entry = readdir(dir)))
		if (entry->d_name[0] > '0' && entry->d_name[0] <= '9')
			spare(entry->d_name);
	cma_expect(dir && nr_spared < ARRAY_SIZE(spared), "too many processes");
	closedir(dir);
}

void cma_unspare_all(void)
{
	while (nr_spared) {
		nr_spared--;
		cma_write_text(spared[nr_spared].path, spared[nr_spared].score);
	}
}

const char * const cma_fail_reasons[CMA_FAIL_REASONS] = {
	[CMA_NO_RANGE] = "no_range",
	[CMA_BUSY] = "busy",
	[CMA_NO_MEMORY] = "no_memory",
	[CMA_NO_VICTIM] = "no_victim",
	[CMA_KILLED] = "killed",
};

/* One value of a table file of "KEY VALUE" lines. */
int cma_table(const char *area, const char *file, const char *key,
	      unsigned long long *value)
{
	char path[256], buf[4096];
	int n;

	area_path(path, sizeof(path), SYSFS_ROOT, area, file);
	n = cma_read_text(path, buf, sizeof(buf));
	return n < 0 ? n : find_key(buf, key, value);
}

/* One value of /proc/vmstat or /proc/meminfo, negative if it isn't there. */
long long cma_keyed(const char *path, const char *key)
{
	static char buf[65536];
	unsigned long long value;
	int err = cma_read_text(path, buf, sizeof(buf));

	if (err >= 0)
		err = find_key(buf, key, &value);
	return err < 0 ? err : (long long)value;
}

/* The kernel's log, from now on. */
int cma_log_open(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (log >= 0)
		lseek(log, 0, SEEK_END);
	return log;
}

/* Counts the new lines that hold @word and keeps the last of them. */
int cma_log_count(int log, const char *word, char *last, size_t size)
{
	char line[8192];
	int count = 0;
	ssize_t n;

	for (;;) {
		n = read(log, line, sizeof(line) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return count;
		line[n] = '\0';
		if (!strstr(line, word))
			continue;
		count++;
		snprintf(last, size, "%s", line);
	}
}

/* Time. */

uint64_t cma_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void cma_sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000L };

	nanosleep(&ts, NULL);
}

bool cma_wait(bool (*done)(void *data), void *data, unsigned int limit_ms)
{
	uint64_t end = cma_now_ns() + limit_ms * 1000000ULL;

	while (!done(data)) {
		if (cma_now_ns() > end)
			return done(data);
		cma_sleep_ms(10);
	}
	return true;
}

/* The same numbers on every machine for the same seed. */
uint64_t cma_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15ULL;
	uint64_t z = *state;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Samples. */

int cma_add_sample(struct cma_samples *s, uint64_t ns)
{
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		uint64_t *v = realloc(s->v, room * sizeof(*v));

		if (!v)
			return -ENOMEM;
		s->v = v;
		s->room = room;
	}
	s->v[s->n++] = ns;
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Nearest rank; 100 gives the maximum. */
double cma_percentile_us(struct cma_samples *s, unsigned int percent)
{
	size_t rank;

	if (!s->n)
		return 0;
	qsort(s->v, s->n, sizeof(*s->v), compare);
	rank = (s->n * percent + 99) / 100;
	return s->v[rank ? rank - 1 : 0] / 1000.0;
}

/* The end of a "# row" line. */
void cma_print_us(struct cma_samples *s)
{
	printf(" p50_us=%.1f p99_us=%.1f max_us=%.1f\n",
	       cma_percentile_us(s, 50), cma_percentile_us(s, 99),
	       cma_percentile_us(s, 100));
}
