// SPDX-License-Identifier: GPL-2.0
/* The context of an open file: made once, lost with a reset, given back when the file is closed. */

#include <linux/sched.h>
#include <linux/slab.h>

#include "rdu.h"

/* Why the file is of no use any more, or 0. */
int rdu_file_error(struct rdu_file *file)
{
	return READ_ONCE(file->rdu->state) == RDU_STATE_GONE ? -ENODEV : READ_ONCE(file->error);
}

/**
 * rdu_file_begin() - Before the file's context is used or changed
 * @file: the file
 *
 * Return: 0 with hw held for reading and the file locked, until rdu_file_end(); or an error.
 */
int rdu_file_begin(struct rdu_file *file)
{
	struct rdu_device *rdu = file->rdu;
	int err;

	if (down_read_interruptible(&rdu->hw))
		return -ERESTARTSYS;
	err = rdu_file_error(file);
	if (!err && rdu->state != RDU_STATE_UP)
		err = -EIO;
	if (!err && mutex_lock_interruptible(&file->lock))
		err = -ERESTARTSYS;
	if (err)
		up_read(&rdu->hw);
	return err;
}

void rdu_file_end(struct rdu_file *file)
{
	mutex_unlock(&file->lock);
	up_read(&file->rdu->hw);
}

/* Where the context's segments begin in the device's memory: for windows. */
static int rdu_context_find(struct rdu_file *file)
{
	struct rdu_log_context *log;
	int err = -EPROTO;
	ssize_t got;
	u32 i;

	log = kcalloc(RDU_MAX_CONTEXTS, sizeof(*log), GFP_KERNEL);
	if (!log)
		return -ENOMEM;
	got = rdu_admin_read_log(file->rdu, RDU_LOG_CONTEXTS, 0, log,
				 RDU_MAX_CONTEXTS * sizeof(*log));
	if (got < 0)
		err = got;
	for (i = 0; got >= (ssize_t)((i + 1) * sizeof(*log)); i++) {
		if (log[i].id != file->context)
			continue;
		file->space[RDU_MEMORY_HBM].base = log[i].hbm_base;
		file->space[RDU_MEMORY_DDR].base = log[i].ddr_base;
		err = 0;
	}
	kfree(log);
	return err;
}

static int rdu_context_delete(struct rdu_file *file)
{
	struct rdu_command command = {
		.sqe = {.opcode = RDU_ADMIN_DELETE_CONTEXT, .context = file->context},
	};

	return rdu_admin_checked(file->rdu, &command);
}

static int rdu_context_enter(struct rdu_file *file, u64 hbm_bytes, u64 ddr_bytes)
{
	struct rdu_command command = {};
	u64 root;
	int err;

	err = rdu_table_create(file, &root);
	if (err)
		return err;
	command.sqe = (struct rdu_sqe){
		.opcode = RDU_ADMIN_CREATE_CONTEXT,
		.arg = {hbm_bytes, ddr_bytes, RDU_HOST_TABLE_SPAN, root, file->owner},
	};
	err = rdu_admin_checked(file->rdu, &command);
	if (err) {
		/* Unless a reset takes care of it, the device has never seen the table. */
		if (!READ_ONCE(file->rdu->sick))
			rdu_table_free(file);
		return err;
	}
	file->context = command.result;
	file->had_context = true;
	err = rdu_context_find(file);
	if (err && !rdu_context_delete(file)) {
		file->context = 0;
		file->had_context = false;
		rdu_table_free(file);
	}
	return err;
}

int rdu_context_create(struct rdu_file *file, struct rdu_ioc_context *args)
{
	u64 hbm_bytes = ALIGN(args->hbm_bytes, RDU_PAGE);
	u64 ddr_bytes = ALIGN(args->ddr_bytes, RDU_PAGE);
	int err;

	if (hbm_bytes < args->hbm_bytes || ddr_bytes < args->ddr_bytes)
		return -ENOMEM;
	err = rdu_file_begin(file);
	if (err)
		return err;
	if (file->had_context) {
		err = -EEXIST;
		goto out;
	}
	file->owner = task_tgid_nr(current);
	err = rdu_context_enter(file, hbm_bytes, ddr_bytes);
	if (err)
		goto out;
	file->space[RDU_MEMORY_HBM].pages = hbm_bytes >> RDU_PAGE_SHIFT;
	file->space[RDU_MEMORY_DDR].pages = ddr_bytes >> RDU_PAGE_SHIFT;
	file->space[RDU_MEMORY_HOST].pages = RDU_HOST_TABLE_SPAN >> RDU_PAGE_SHIFT;
	args->context = file->context;
out:
	rdu_file_end(file);
	return err;
}

/**
 * rdu_context_destroy() - Gives the context back to the device
 * @file: the file, locked; hw held for reading
 * @error: what its users get from now on
 *
 * Return: 0, or an error: then the device has hung, and the reset that is under way will take it.
 */
int rdu_context_destroy(struct rdu_file *file, int error)
{
	struct rdu_queue *queue;
	unsigned long handle;
	int err = 0;

	if (!file->context && !file->table)
		return 0;
	rdu_window_lose(file);
	xa_for_each (&file->queues, handle, queue) {
		err = rdu_queue_destroy(queue, error);
		if (err)
			goto hung;
	}
	/* A table without a context: whether the device has made one, only a reset settles. */
	err = file->context ? rdu_context_delete(file) : -EIO;
	if (err)
		goto hung;
	rdu_context_lose(file, error);
	rdu_context_forget(file);
	return 0;
hung:
	rdu_reset_request(file->rdu, "the firmware does not give a context back");
	return err;
}

/*
 * The device is not to be asked about the context any more: every waiter is told. Called with hw
 * held for writing, or by rdu_context_destroy().
 */
void rdu_context_lose(struct rdu_file *file, int error)
{
	struct rdu_queue *queue;
	unsigned long handle;

	if (file->had_context) {
		WRITE_ONCE(file->error, error);
		rdu_window_lose(file);
		xa_for_each (&file->queues, handle, queue)
			rdu_queue_lose(queue, error);
	}
	wake_up_all(&file->wait);
}

/* The device has let go of the context: what of the host it could reach is free again. As above. */
void rdu_context_forget(struct rdu_file *file)
{
	struct rdu_queue *queue;
	unsigned long handle;

	xa_for_each (&file->queues, handle, queue)
		rdu_queue_forget(queue);
	file->context = 0;
	rdu_memory_forget(file);
	rdu_table_free(file);
}
