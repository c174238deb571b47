// SPDX-License-Identifier: GPL-2.0
/*
 * The dma-buf CMA heap, as user space sees it: a buffer comes from the default
 * area, is zeroed, holds what is written to it, and goes back when the last
 * descriptor and mapping are gone.
 */
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cma_util.h"

#define HEAP		"/dev/dma_heap/reserved"
#define PAGE		4096UL

static int heap_alloc(size_t len)
{
	struct dma_heap_allocation_data data = {
		.len = len,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap = open(HEAP, O_RDONLY | O_CLOEXEC);
	int ret;

	if (heap < 0)
		return -errno;
	ret = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -errno : (int)data.fd;
	close(heap);
	return ret;
}

static int buffer_comes_and_goes(void)
{
	unsigned long long used = cma_debugfs(AREA_DEFAULT, "used");
	int fd = heap_alloc(150 * PAGE);

	cma_expect(fd >= 0, "%s", strerror(-fd));
	cma_expect(cma_debugfs(AREA_DEFAULT, "used") == used + 150, "held");
	close(fd);
	cma_expect(cma_debugfs(AREA_DEFAULT, "used") == used, "given back");
	return KSFT_PASS;
}

static int buffer_is_zero_and_keeps_data(void)
{
	size_t len = 64 * PAGE, i;
	int fd = heap_alloc(len);
	unsigned char *p;

	cma_expect(fd >= 0, "%s", strerror(-fd));
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cma_expect(p != MAP_FAILED, "%s", strerror(errno));
	for (i = 0; i < len; i++)
		cma_expect(!p[i], "byte %zu is %u", i, p[i]);
	for (i = 0; i < len; i++)
		p[i] = i * 31;
	for (i = 0; i < len; i++)
		cma_expect(p[i] == (unsigned char)(i * 31), "byte %zu", i);
	munmap(p, len);
	close(fd);
	return KSFT_PASS;
}

static int too_large_is_refused(void)
{
	unsigned long long used = cma_debugfs(AREA_DEFAULT, "used");
	struct cma_area area;
	int fd;

	cma_expect(!cma_area_get(AREA_DEFAULT, &area), "no default area");
	fd = heap_alloc((area.count + 1) * PAGE);
	cma_expect(fd == -ENOMEM, "%d", fd);
	cma_expect(cma_debugfs(AREA_DEFAULT, "used") == used, "unchanged");
	return KSFT_PASS;
}

static const struct cma_case cases[] = {
	{ "a heap's buffer comes from the area and goes back",
	  buffer_comes_and_goes },
	{ "it is zeroed and keeps its data", buffer_is_zero_and_keeps_data },
	{ "a buffer larger than the area is refused", too_large_is_refused },
};

int main(void)
{
	cma_run(cases, ARRAY_SIZE(cases));
}
