// SPDX-License-Identifier: GPL-2.0
/*
 * Hangs, and what is done about them. Whoever notices that the device cannot go on asks for a
 * reset; the reset stops the device, tells every waiter, restarts the management core, and brings
 * the device up again.
 *
 * A command that takes too long costs its own context only, if the firmware can still take that
 * away.
 */

#include "rdu.h"

#define RDU_WATCH_INTERVAL (HZ / 2) /* between looks, while something is under way */

/**
 * rdu_reset_request() - The device cannot go on
 * @rdu: the device; any context
 * @why: for people; a literal
 */
void rdu_reset_request(struct rdu_device *rdu, const char *why)
{
	if (READ_ONCE(rdu->abandon))
		return;
	WRITE_ONCE(rdu->why, why);
	WRITE_ONCE(rdu->sick, true);
	wake_up_all(&rdu->admin.wait);
	queue_work(rdu_wq, &rdu->reset_work);
}

static void rdu_reset_work(struct work_struct *work)
{
	struct rdu_device *rdu = container_of(work, struct rdu_device, reset_work);
	bool answers;

	down_write(&rdu->hw);
	/* When it is down, somebody else brings it up. */
	if (rdu->state == RDU_STATE_GONE || rdu->state == RDU_STATE_DOWN || !READ_ONCE(rdu->sick))
		goto out;
	dev_warn(&rdu->dev, "reset: %s\n", READ_ONCE(rdu->why));
	atomic64_inc(&rdu->counters.resets);
	answers = rdu_read32(rdu, RDU_HOSTIF_CSTS) != ~0u;
	rdu_hw_stop(rdu, answers, -EIO);
	if (answers)
		rdu_hw_restart(rdu);
	if (!rdu_hw_start(rdu))
		dev_info(&rdu->dev, "up again\n");
out:
	up_write(&rdu->hw);
}

/* Resets the device and waits for it: 0 when it is up again. */
int rdu_reset(struct rdu_device *rdu, const char *why)
{
	int err;

	if (down_read_interruptible(&rdu->hw))
		return -ERESTARTSYS;
	err = rdu->state == RDU_STATE_GONE ? -ENODEV : rdu->state == RDU_STATE_DOWN ? -EIO : 0;
	if (!err)
		rdu_reset_request(rdu, why);
	up_read(&rdu->hw);
	if (err)
		return err;
	flush_work(&rdu->reset_work);
	switch (READ_ONCE(rdu->state)) {
	case RDU_STATE_UP:
		return 0;
	case RDU_STATE_GONE:
		return -ENODEV;
	default:
		return -EIO;
	}
}

/* Looks at one file's queues: true when something is under way. */
static bool rdu_watch_file(struct rdu_file *file)
{
	struct rdu_device *rdu = file->rdu;
	bool busy = false, hangs = false;
	struct rdu_queue *queue;
	unsigned long handle;

	mutex_lock(&file->lock);
	if (!file->context)
		goto out;
	xa_for_each (&file->queues, handle, queue) {
		hangs |= rdu_queue_hangs(queue);
		busy |= rdu_queue_busy(queue);
	}
	if (hangs) {
		dev_warn(&rdu->dev,
			 "a command of context %u (process %llu) takes longer than %u s: %s\n",
			 file->context, file->owner, rdu_command_timeout,
			 "the context is taken away");
		atomic64_inc(&rdu->counters.hung);
		rdu_context_destroy(file, -EIO);
	}
out:
	mutex_unlock(&file->lock);
	return busy && !hangs;
}

static void rdu_watch_work(struct work_struct *work)
{
	struct rdu_device *rdu = container_of(work, struct rdu_device, watch.work);
	struct rdu_file *file;
	const char *trouble;
	bool busy = false;

	down_read(&rdu->hw);
	if (rdu->state != RDU_STATE_UP)
		goto out;
	trouble = rdu_hw_trouble(rdu);
	if (trouble) {
		rdu_reset_request(rdu, trouble);
		goto out;
	}
	mutex_lock(&rdu->files_lock);
	list_for_each_entry (file, &rdu->files, link)
		busy |= rdu_watch_file(file);
	mutex_unlock(&rdu->files_lock);
	if (busy)
		rdu_watch(rdu);
out:
	up_read(&rdu->hw);
}

/* Something is under way: keep an eye on it. */
void rdu_watch(struct rdu_device *rdu)
{
	if (!READ_ONCE(rdu->abandon))
		queue_delayed_work(rdu_wq, &rdu->watch, RDU_WATCH_INTERVAL);
}

void rdu_reset_init(struct rdu_device *rdu)
{
	INIT_WORK(&rdu->reset_work, rdu_reset_work);
	INIT_DELAYED_WORK(&rdu->watch, rdu_watch_work);
}

void rdu_reset_cancel(struct rdu_device *rdu)
{
	cancel_delayed_work_sync(&rdu->watch);
	cancel_work_sync(&rdu->reset_work);
}
