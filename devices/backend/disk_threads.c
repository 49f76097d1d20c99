// SPDX-License-Identifier: GPL-2.0-only
/* The engine where there is no io_uring: a few threads, each of which carries one request out at a time. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "devices/backend/disk_engine.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/thread.h"

#define THREADS \
	4u /* enough that a flush holds nothing else up; more gain little, most of it comes from the page cache */

struct pool {
	struct disk *disk;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock */
	struct disk_list queue, finished;
	bool is_ending;

	pthread_t threads[THREADS];
	unsigned n_threads;
};

static const struct call_rule calls[] = {
	ALLOW(preadv, BY_DISK),
	ALLOW(pwritev, BY_DISK),
	ALLOW(fdatasync, BY_DISK),
	ALLOW(fallocate, BY_DISK),
	ALLOW_END,
};

static int64_t call(const struct disk *disk, const struct disk_step *step)
{
	off_t offset = (off_t)step->offset;
	int64_t result = -1;

	switch (step->call) {
	case CALL_READV: result = preadv(disk->fd, step->iov, (int)step->n_iov, offset); break;
	case CALL_WRITEV: result = pwritev(disk->fd, step->iov, (int)step->n_iov, offset); break;
	case CALL_FDATASYNC: result = fdatasync(disk->fd); break;
	case CALL_FALLOCATE: result = fallocate(disk->fd, step->mode, offset, (off_t)step->len); break;
	}
	return result < 0 ? -errno : result;
}

static void carry_out(const struct disk *disk, struct disk_request *request)
{
	struct disk_step step;

	do {
		if (disk_is_dropped(disk, request))
			return;
		disk_step(disk, request, &step);
	} while (!disk_stepped(disk, request, call(disk, &step)));
}

static void *pool_thread(void *ctx)
{
	struct pool *pool = ctx;
	struct disk_request *request;

	pthread_mutex_lock(&pool->lock);
	while (true) {
		while (!(request = disk_list_take(&pool->queue)) && !pool->is_ending)
			pthread_cond_wait(&pool->changed, &pool->lock);
		if (!request)
			break;
		pthread_mutex_unlock(&pool->lock);
		carry_out(pool->disk, request);
		pthread_mutex_lock(&pool->lock);
		/* one signal for all that collect() will find */
		if (!pool->finished.first)
			disk_signal(pool->disk);
		disk_list_put(&pool->finished, request);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static void threads_close(struct disk *disk)
{
	struct pool *pool = disk->own;

	pthread_mutex_lock(&pool->lock);
	pool->is_ending = true;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->n_threads; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
	disk->own = NULL;
}

static int threads_open(struct disk *disk, const struct disk_settings *settings)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	unsigned wanted = settings->depth < 1 ? 1 : settings->depth < THREADS ? settings->depth : THREADS;
	int err = 0;

	if (!pool)
		return -ENOMEM;
	pool->disk = disk;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->changed, NULL);
	disk->own = pool;
	sandbox_allow(settings->sandbox, calls);
	/* SIGXFSZ at a limit on file sizes is for nobody: the request gets EFBIG */
	while (!err && pool->n_threads < wanted) {
		err = thread_start(&pool->threads[pool->n_threads], settings->sandbox, BY_DISK, "disk", pool_thread,
				   pool);
		pool->n_threads += !err;
	}
	if (err)
		threads_close(disk);
	return err;
}

static void threads_kick(struct disk *disk)
{
	struct pool *pool = disk->own;

	pthread_mutex_lock(&pool->lock);
	disk_list_move(&pool->queue, &disk->pending);
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
}

static void threads_collect(struct disk *disk)
{
	struct pool *pool = disk->own;

	pthread_mutex_lock(&pool->lock);
	disk_list_move(&disk->finished, &pool->finished);
	pthread_mutex_unlock(&pool->lock);
}

const struct disk_engine disk_threads = {
	.name = "threads",
	.open = threads_open,
	.close = threads_close,
	.kick = threads_kick,
	.collect = threads_collect,
};
