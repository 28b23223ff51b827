// SPDX-License-Identifier: GPL-2.0
/*
 * Queues of contexts. Completions are taken from the ring by the interrupt, into a store that is as
 * large, so that the device never waits for a process. A command takes a place in both until its
 * completion is fetched.
 */

#include <linux/slab.h>
#include <linux/uaccess.h>

#include "rdu.h"

#define RDU_FETCH_BATCH 8u /* completions that are copied at once, on the stack */

static void rdu_queue_release(struct kref *ref)
{
	struct rdu_queue *queue = container_of(ref, struct rdu_queue, ref);

	if (queue->eventfd)
		eventfd_ctx_put(queue->eventfd);
	kvfree(queue->store);
	kfree(queue);
}

void rdu_queue_put(struct rdu_queue *queue)
{
	kref_put(&queue->ref, rdu_queue_release);
}

static struct rdu_queue *rdu_queue_get(struct rdu_file *file, u32 handle)
{
	struct rdu_queue *queue;

	xa_lock(&file->queues);
	queue = xa_load(&file->queues, handle);
	if (queue)
		kref_get(&queue->ref);
	xa_unlock(&file->queues);
	return queue;
}

static void rdu_queue_notify(struct rdu_queue *queue)
{
	wake_up_all(&queue->file->wait);
	if (queue->eventfd)
		rdu_eventfd_signal(queue->eventfd);
}

static struct rdu_completion *rdu_queue_slot(struct rdu_queue *queue, u64 number)
{
	return &queue->store[number & (queue->ring.entries - 1)];
}

/*
 * Takes what the device has completed. Called by the interrupt, by the watch, and by who deletes
 * the queue; the ring must be there.
 */
unsigned int rdu_queue_drain(struct rdu_queue *queue)
{
	struct rdu_ring *ring = &queue->ring;
	struct rdu_completion *slot;
	unsigned int count = 0;
	unsigned long flags;
	struct rdu_cqe cqe;

	spin_lock_irqsave(&queue->lock, flags);
	while (!queue->dead && rdu_ring_take(ring, &cqe)) {
		u64 number = ring->completed - 1;

		if (number >= ring->submitted || cqe.command_id != (u16)number) {
			ring->completed--;
			queue->dead = -EIO;
			rdu_reset_request(ring->rdu,
					  "the firmware completed a command that is not the next");
			break;
		}
		slot = rdu_queue_slot(queue, number);
		slot->number = number;
		slot->result = cqe.result;
		slot->start_ns = cqe.start_ns;
		slot->end_ns = cqe.end_ns;
		slot->status = cqe.status;
		count++;
	}
	if (count) {
		queue->since = jiffies;
		rdu_ring_release(ring);
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	if (count) {
		atomic64_add(count, &ring->rdu->counters.commands);
		rdu_queue_notify(queue);
	}
	return count;
}

/* The queue is lost: what has not completed never will, and its doorbells are not touched any more.
 */
void rdu_queue_lose(struct rdu_queue *queue, int error)
{
	struct rdu_ring *ring = &queue->ring;
	struct rdu_completion *slot;
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	if (!queue->dead || error == -ENODEV)
		queue->dead = error;
	for (; ring->completed < ring->submitted; ring->completed++) {
		slot = rdu_queue_slot(queue, ring->completed);
		slot->number = ring->completed;
		slot->result = 0;
		slot->start_ns = 0;
		slot->end_ns = 0;
		slot->status = RDU_STATUS_ABORTED;
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	rdu_queue_notify(queue);
}

/* The device has let go of it, or never had it: its number and its ring are free again. */
void rdu_queue_forget(struct rdu_queue *queue)
{
	struct rdu_device *rdu = queue->ring.rdu;
	unsigned long flags;

	spin_lock_irqsave(&rdu->queue_lock, flags);
	if (rdu->queue[queue->ring.id] == queue) {
		rdu->queue[queue->ring.id] = NULL;
		__clear_bit(queue->ring.id, &rdu->queue_ids);
	}
	spin_unlock_irqrestore(&rdu->queue_lock, flags);
	rdu_ring_free(&queue->ring);
}

/* Takes the queue from the device. The file's lock is held. On an error the device still has it. */
int rdu_queue_destroy(struct rdu_queue *queue, int error)
{
	struct rdu_command command = {
		.sqe = {.opcode = RDU_ADMIN_DELETE_QUEUE, .arg = {queue->ring.id}},
	};
	int err;

	err = rdu_admin_checked(queue->ring.rdu, &command);
	if (err)
		return err;
	rdu_queue_drain(queue);
	rdu_queue_lose(queue, error);
	rdu_queue_forget(queue);
	return 0;
}

static int rdu_queue_take_id(struct rdu_device *rdu, struct rdu_queue *queue)
{
	unsigned long flags;
	int id;

	spin_lock_irqsave(&rdu->queue_lock, flags);
	id = find_next_zero_bit(&rdu->queue_ids, rdu->queue_pairs, 1);
	if (id < rdu->queue_pairs) {
		__set_bit(id, &rdu->queue_ids);
		queue->ring.id = id;
	}
	spin_unlock_irqrestore(&rdu->queue_lock, flags);
	return id < rdu->queue_pairs ? id : -ENOSPC;
}

static void rdu_queue_give_id(struct rdu_device *rdu, u32 id)
{
	unsigned long flags;

	spin_lock_irqsave(&rdu->queue_lock, flags);
	__clear_bit(id, &rdu->queue_ids);
	spin_unlock_irqrestore(&rdu->queue_lock, flags);
}

/* The file's lock is held. */
static int rdu_queue_enter(struct rdu_file *file, struct rdu_queue *queue)
{
	struct rdu_device *rdu = file->rdu;
	struct rdu_ring *ring = &queue->ring;
	struct rdu_command command = {};
	unsigned long flags;
	int id, err;

	id = rdu_queue_take_id(rdu, queue);
	if (id < 0)
		return id;
	err = rdu_ring_alloc(ring, rdu, id, ring->entries);
	if (err)
		goto give_id;
	rdu_ring_clear(ring);
	/* The handle means nothing before the device knows the queue. */
	err = xa_alloc(&file->queues, &queue->handle, NULL, xa_limit_31b, GFP_KERNEL);
	if (err)
		goto free_ring;
	command.sqe = (struct rdu_sqe){
		.opcode = RDU_ADMIN_CREATE_QUEUE,
		.context = file->context,
		.arg = {id, ring->sq_dma, ring->cq_dma, ring->entries, id % rdu->vectors},
	};
	err = rdu_admin_checked(rdu, &command);
	if (err)
		goto erase;
	spin_lock_irqsave(&rdu->queue_lock, flags);
	rdu->queue[id] = queue;
	spin_unlock_irqrestore(&rdu->queue_lock, flags);
	xa_store(&file->queues, queue->handle, queue, GFP_KERNEL);
	return 0;
erase:
	xa_erase(&file->queues, queue->handle);
free_ring:
	rdu_ring_free(ring);
give_id:
	rdu_queue_give_id(rdu, id);
	return err;
}

int rdu_queue_create(struct rdu_file *file, struct rdu_ioc_queue *args)
{
	struct rdu_queue *queue;
	int err;

	if (args->entries < 2 || args->entries > file->rdu->max_entries ||
	    !is_power_of_2(args->entries))
		return -EINVAL;
	queue = kzalloc(sizeof(*queue), GFP_KERNEL);
	if (!queue)
		return -ENOMEM;
	kref_init(&queue->ref);
	spin_lock_init(&queue->lock);
	mutex_init(&queue->fetch_lock);
	queue->file = file;
	queue->ring.entries = args->entries;
	queue->store = kvcalloc(args->entries, sizeof(*queue->store), GFP_KERNEL);
	if (!queue->store) {
		err = -ENOMEM;
		goto put;
	}
	if (args->eventfd >= 0) {
		struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->eventfd);

		if (IS_ERR(eventfd)) {
			err = PTR_ERR(eventfd);
			goto put;
		}
		queue->eventfd = eventfd;
	}
	err = rdu_file_begin(file);
	if (err)
		goto put;
	err = file->context ? rdu_queue_enter(file, queue) : -ENXIO;
	args->handle = queue->handle;
	args->queue = queue->ring.id;
	rdu_file_end(file);
	if (!err)
		return 0;
put:
	rdu_queue_put(queue);
	return err;
}

int rdu_queue_free(struct rdu_file *file, u32 handle)
{
	struct rdu_queue *queue;
	int err;

	err = rdu_file_begin(file);
	if (err)
		return err;
	queue = xa_load(&file->queues, handle);
	err = queue ? rdu_queue_destroy(queue, -ENOENT) : -ENOENT;
	if (!err)
		xa_erase(&file->queues, handle);
	rdu_file_end(file);
	if (!err)
		rdu_queue_put(queue);
	return err;
}

/* Some command of it has not completed. */
bool rdu_queue_busy(struct rdu_queue *queue)
{
	return READ_ONCE(queue->ring.completed) != READ_ONCE(queue->ring.submitted);
}

/*
 * Its oldest command runs longer than one may. Waits for events take as long as they take. Called
 * by the watch, which also takes completions that have been there since its last look: their
 * interrupt was lost.
 */
bool rdu_queue_hangs(struct rdu_queue *queue)
{
	struct rdu_ring *ring = &queue->ring;
	unsigned int timeout = READ_ONCE(rdu_command_timeout);
	bool late, hangs = false;

	spin_lock_irq(&queue->lock);
	late = !queue->dead && rdu_ring_ready(ring) && queue->late == ring->completed + 1;
	queue->late = ring->completed + 1;
	spin_unlock_irq(&queue->lock);
	if (late)
		atomic64_add(rdu_queue_drain(queue), &ring->rdu->counters.late);

	spin_lock_irq(&queue->lock);
	if (timeout && !queue->dead && rdu_queue_busy(queue) && !rdu_ring_ready(ring))
		hangs = rdu_queue_slot(queue, ring->completed)->opcode != RDU_CMD_EVENT &&
			time_after(jiffies, queue->since + timeout * HZ);
	spin_unlock_irq(&queue->lock);
	return hangs;
}

/* Completions wait in some queue of the file. */
bool rdu_queue_ready(struct rdu_file *file)
{
	struct rdu_queue *queue;
	unsigned long handle;
	bool ready = false;

	xa_lock(&file->queues);
	xa_for_each (&file->queues, handle, queue)
		ready |= READ_ONCE(queue->fetched) != READ_ONCE(queue->ring.completed);
	xa_unlock(&file->queues);
	return ready;
}

/* --- submissions --- */

static ktime_t rdu_deadline(u64 timeout_ns)
{
	return timeout_ns > KTIME_MAX ? KTIME_MAX : ktime_add_safe(ktime_get(), timeout_ns);
}

/* Until `condition`, a signal (-EINTR, or a restart when nothing limits the wait), or -ETIME. */
#define rdu_wait(queue, condition, deadline)                                                       \
	({                                                                                         \
		ktime_t __left = (deadline);                                                       \
		int __err = 0;                                                                     \
		if (!(condition)) {                                                                \
			if (__left != KTIME_MAX)                                                   \
				__left = ktime_sub(__left, ktime_get());                           \
			__err = __left <= 0                                                        \
					? -ETIME                                                   \
					: wait_event_interruptible_hrtimeout((queue)->file->wait,  \
									     condition, __left);   \
			if (__err == -ERESTARTSYS && (deadline) != KTIME_MAX)                      \
				__err = -EINTR;                                                    \
		}                                                                                  \
		__err;                                                                             \
	})

static u32 rdu_queue_room(struct rdu_queue *queue)
{
	return queue->ring.entries - 1 -
	       (u32)(READ_ONCE(queue->ring.submitted) - READ_ONCE(queue->fetched));
}

/* Submits as many as there is room for: how many, or an error. */
static int rdu_queue_put_commands(struct rdu_queue *queue, struct rdu_sqe *sqe, u32 count,
				  u64 *first)
{
	struct rdu_ring *ring = &queue->ring;
	u32 i;

	spin_lock_irq(&queue->lock);
	if (queue->dead) {
		spin_unlock_irq(&queue->lock);
		return queue->dead;
	}
	count = min(count, rdu_queue_room(queue));
	*first = ring->submitted;
	if (!rdu_queue_busy(queue))
		queue->since = jiffies;
	for (i = 0; i < count; i++) {
		rdu_queue_slot(queue, ring->submitted)->opcode = sqe[i].opcode;
		sqe[i].context = queue->file->context;
		rdu_ring_put(ring, &sqe[i]);
	}
	if (count)
		rdu_ring_submit(ring);
	spin_unlock_irq(&queue->lock);
	if (count)
		rdu_watch(ring->rdu);
	return count;
}

static int rdu_queue_submit_to(struct rdu_queue *queue, struct rdu_ioc_submit *args)
{
	u32 count = min(args->count, queue->ring.entries - 1), i;
	ktime_t deadline = rdu_deadline(args->timeout_ns);
	struct rdu_sqe *sqe;
	int got;

	sqe = kvmalloc_array(count, sizeof(*sqe), GFP_KERNEL);
	if (!sqe)
		return -ENOMEM;
	if (copy_from_user(sqe, u64_to_user_ptr(args->commands), count * sizeof(*sqe))) {
		got = -EFAULT;
		goto out;
	}
	for (i = 0; i < count; i++) {
		if (sqe[i].reserved) {
			got = -EINVAL;
			goto out;
		}
	}
	do {
		got = rdu_wait(queue, READ_ONCE(queue->dead) || rdu_queue_room(queue), deadline);
		if (got)
			got = got == -ETIME ? -EAGAIN : got;
		else
			got = rdu_queue_put_commands(queue, sqe, count, &args->first_number);
	} while (!got); /* another thread took the room */
out:
	kvfree(sqe);
	if (got < 0)
		return got;
	args->count = got;
	return 0;
}

int rdu_queue_submit(struct rdu_file *file, struct rdu_ioc_submit *args)
{
	struct rdu_queue *queue = rdu_queue_get(file, args->handle);
	int err;

	if (!queue)
		return rdu_file_error(file) ?: -ENOENT;
	err = args->count ? rdu_queue_submit_to(queue, args) : -EINVAL;
	rdu_queue_put(queue);
	return err;
}

/* --- completions --- */

/* Copies what is there, at most `room`: how many; an error if nothing was. */
static int rdu_queue_fetch(struct rdu_queue *queue, struct rdu_completion __user *to, u32 room)
{
	struct rdu_completion batch[RDU_FETCH_BATCH];
	u32 done = 0, count, i;
	int dead = 0;

	while (done < room) {
		spin_lock_irq(&queue->lock);
		count = min_t(u64, queue->ring.completed - queue->fetched, room - done);
		count = min(count, RDU_FETCH_BATCH);
		for (i = 0; i < count; i++)
			batch[i] = *rdu_queue_slot(queue, queue->fetched + i);
		dead = queue->dead;
		spin_unlock_irq(&queue->lock);
		if (!count)
			break;
		if (copy_to_user(&to[done], batch, count * sizeof(batch[0])))
			return done ? done : -EFAULT;
		spin_lock_irq(&queue->lock);
		queue->fetched += count;
		spin_unlock_irq(&queue->lock);
		done += count;
	}
	if (done)
		wake_up_all(&queue->file->wait); /* there is room */
	return done ? done : dead;
}

static int rdu_queue_completions_of(struct rdu_queue *queue, struct rdu_ioc_completions *args)
{
	struct rdu_completion __user *to = u64_to_user_ptr(args->completions);
	ktime_t deadline = rdu_deadline(args->timeout_ns);
	int got;

	do {
		got = rdu_wait(queue,
			       READ_ONCE(queue->dead) || READ_ONCE(queue->fetched) !=
								 READ_ONCE(queue->ring.completed),
			       deadline);
		if (got) {
			got = got == -ETIME ? -ETIMEDOUT : got;
			break;
		}
		if (mutex_lock_interruptible(&queue->fetch_lock))
			return deadline == KTIME_MAX ? -ERESTARTSYS : -EINTR;
		got = rdu_queue_fetch(queue, to, args->count);
		mutex_unlock(&queue->fetch_lock);
	} while (!got); /* another thread was faster */
	if (got < 0)
		return got;
	args->count = got;
	return 0;
}

int rdu_queue_completions(struct rdu_file *file, struct rdu_ioc_completions *args)
{
	struct rdu_queue *queue = rdu_queue_get(file, args->handle);
	int err;

	if (!queue)
		return rdu_file_error(file) ?: -ENOENT;
	err = args->count ? rdu_queue_completions_of(queue, args) : -EINVAL;
	rdu_queue_put(queue);
	return err;
}
